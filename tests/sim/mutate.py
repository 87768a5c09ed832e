# ruff: noqa: E501 - a text that is replaced stands as it stands
"""Breaks the core on purpose, one guard at a time, and asks whether the stories notice. By hand:

    python -m tests.sim.mutate [SEEDS]     how many stories each mutant may live for (12)

A mutant is a copy of ``sidecar`` and ``tests/sim`` in a temporary folder with one text replaced.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent.parent.parent
NODE_DAYS = 0.3
SEEDS = 12


class Mutant(NamedTuple):
    """In a file of the core ``old``, which stands there once, becomes ``new``."""

    file: str
    old: str
    new: str


E, T, N, D, V = "election.py", "tenure.py", "terms.py", "demotion.py", "verdict.py"
MUTANTS = (
    Mutant(E, "release: Effects = (do.ReleaseAddresses(),) if self._state is State.MASTER else _NOTHING", "release: Effects = _NOTHING"),
    Mutant(E, "self._deadline = due if due > now else now + _SOON", "self._deadline = due"),
    Mutant(E, "return _RENEW + forgiven if self._state is State.MASTER else forgiven", "return forgiven"),
    Mutant(E, "return (changed, do.HoldAddresses(self._config.addresses))", "return (changed, do.HoldAddresses(self._config.addresses), *self._advertise(now))"),
    Mutant(E, "self._terms = Terms.of(self._config, self._ledger.total)\n", "pass\n"),
    Mutant(E, "            master.step_down_by(now + self._terms.plain_interval)", "            pass"),
    Mutant(E, "refused = ADDRESSES in self._ledger.causes and reason is not Reason.PEER_BOWED_OUT", "refused = False"),
    Mutant(E, "if refused or self._resting_until is not None or", "if refused or"),
    Mutant(E, "return changed if master.handover is not None else (*changed, *self._advertise(now))", "return changed"),
    Mutant(E, "if peer.left and not self._standby.is_left_by(family, peer.source):", "if peer.left:"),
    Mutant(E, "return (*self._advertise(now), do.Announce())\n\n    def _demote", "return _NOTHING\n\n    def _demote"),
    Mutant(E, "self._stopping = True\n        if self._state is State.MASTER:", "self._stopping = True\n        if False:"),
    Mutant(E, "        self._standby.follow(event.family, peer.source, now)\n", ""),
    Mutant(E, "        self._standby.takeover = None\n        return _NOTHING", "        return _NOTHING"),
    Mutant(T, "silence = min(self.heard.values()) + patience + self.extra_patience", "silence = max(self.heard.values()) + 2 * patience"),
    Mutant(T, "self.heard[family] = now\n", "self.heard.setdefault(family, now)\n"),
    Mutant(T, "return self.handover is None or then > self.handover.then", "return self.handover is None"),
    Mutant(T, "due if now < due <= now + interval else now + interval", "due + interval"),
    Mutant(N, "return Reason.PREEMPT if verdict is Verdict.SLOWER and self.config.preempt else None", "return None"),
    Mutant(N, "return Reason.PREEMPT if verdict is Verdict.SLOWER and self.config.preempt else None", "return Reason.PREEMPT if verdict is Verdict.SLOWER else None"),
    Mutant(N, "return (self.advskew + self.config.handicap(self.demotion)) * STAGGER", "return 0.0"),
    Mutant(D, "self.total = sum(self._amounts.values())", "self.total = max(self._amounts.values(), default=0)"),
    Mutant(D, "        if self._failures >= _HYSTERESIS:", "        if False:"),
    Mutant(V, "return Verdict.BETTER if theirs.interval < ours.interval else Verdict.SLOWER", "return Verdict.SLOWER if theirs.interval < ours.interval else Verdict.BETTER"),
    Mutant(V, "return Verdict.DEMOTED if theirs.demotion > ours.demotion else Verdict.BETTER", "return Verdict.DEMOTED"),
    Mutant(V, "return master_down_us(config.advbase, config.effective_advskew(demotion), config.dialect) + handicap", "return master_down_us(config.advbase, config.effective_advskew(demotion), config.dialect) // 3 + handicap"),
)  # fmt: skip
"""Each takes away what guards one of the promises."""
HUNT = """
import sys
from tests.sim.draw import draw
from tests.sim.play import failure_of
for seed in range(int(sys.argv[1])):
    found = failure_of(draw(seed, float(sys.argv[2])))
    if found:
        print("seed", seed, str(found).splitlines()[0][:110])
        break
"""


def hunt(mutant: Mutant, seeds: int) -> str:
    """What the stories say of it; nothing when they do not notice."""
    with tempfile.TemporaryDirectory(prefix="carp-mutant-") as folder:
        for part in ("sidecar", "tests/sim"):
            shutil.copytree(HERE / part, Path(folder, part), ignore=shutil.ignore_patterns("__pycache__"))
        file = Path(folder, "sidecar/carp", mutant.file)
        text = file.read_text()
        if mutant.old not in text:
            return "no such text"
        file.write_text(text.replace(mutant.old, mutant.new))
        command = [sys.executable, "-c", HUNT, str(seeds), str(NODE_DAYS)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        return done.stdout.strip() or done.stderr.strip()[-100:]


def main(seeds: int) -> int:
    noticed = 0
    for number, mutant in enumerate(MUTANTS, 1):
        found = hunt(mutant, seeds)
        noticed += found.startswith("seed")
        print(f"{number:2} {mutant.file}: {mutant.old.strip()[:60]!r}: {found or 'LIVES'}", flush=True)
    print(f"{noticed} of {len(MUTANTS)} noticed")
    return 0 if noticed >= 0.9 * len(MUTANTS) else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS))
