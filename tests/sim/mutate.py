# ruff: noqa: E501 - a text that is replaced stands as it stands
"""Breaks the core on purpose, one guard at a time, and asks whether anything notices. By hand:

    python -m tests.sim.mutate [SEEDS]     how many stories each mutant may live for (12)
    python -m tests.sim.mutate TEXT        only those in whose text or file this stands

First the stories drawn from seeds, which know nothing of the core but the promises; whom they let live the told stories
and the tests of the core must notice. A mutant is a copy of both in a temporary folder with one text replaced.
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
PARTS = ("sidecar", "tests/sim", "tests/unit/carp")


class Mutant(NamedTuple):
    """In a file of the core ``old``, which stands there once, becomes ``new``."""

    file: str
    old: str
    new: str


E, T, N, D, V = "election.py", "tenure.py", "terms.py", "demotion.py", "verdict.py"
F, R, P = "freshness.py", "receive.py", "peers.py"
MUTANTS = (
    Mutant(E, "release: Effects = (do.ReleaseAddresses(),) if self._state is State.MASTER else _NOTHING", "release: Effects = _NOTHING"),
    Mutant(E, "self._deadline = due if due > now else now + _SOON", "self._deadline = due"),
    Mutant(E, "return _RENEW + forgiven if self._state is _MASTER else forgiven", "return forgiven"),
    Mutant(E, "return (changed, do.HoldAddresses(self._config.addresses))", "return (changed, do.HoldAddresses(self._config.addresses), *self._advertise(now))"),
    Mutant(E, "self._terms = Terms.of(self._config, self._ledger.total)\n", "pass\n"),
    Mutant(T, "            self.step_down_by(at)\n", "            pass\n"),
    Mutant(E, "refused = ADDRESSES in self._ledger.causes and reason is not Reason.PEER_BOWED_OUT", "refused = False"),
    Mutant(E, "if refused or self._resting_until is not None or", "if refused or"),
    Mutant(E, "return changed if master.handover is not None else (*changed, *self._advertise(now))", "return changed"),
    Mutant(E, "if peer.left and not self._standby.is_left_by(family, peer.source):", "if peer.left:"),
    Mutant(E, "return (*self._advertise(now), do.Announce()) if insists else _NOTHING", "return _NOTHING"),
    Mutant(T, "self.speak_by(self.insisted_at + pause)", "pass"),
    Mutant(E, "self._stopping = True\n        if self._state is State.MASTER:", "self._stopping = True\n        if False:"),
    Mutant(E, "        self._standby.follow(event.family, peer.source, now)\n", ""),
    Mutant(T, "        self.takeover = None\n        self.left_alone = peer.units", "        self.left_alone = peer.units"),
    Mutant(T, "silence = min(self.heard.values()) + patience + self.lot * longest_wait", "silence = max(self.heard.values()) + 2 * patience"),
    Mutant(T, "self.heard[family] = now\n", "self.heard.setdefault(family, now)\n"),
    Mutant(T, "return self.handover is None or then > self.handover.then", "return self.handover is None"),
    Mutant(T, "due if now < due <= now + interval else now + interval", "due + interval"),
    Mutant(N, "return Reason.PREEMPT if verdict is Verdict.SLOWER and self.config.preempt else None", "return None"),
    Mutant(N, "return Reason.PREEMPT if verdict is Verdict.SLOWER and self.config.preempt else None", "return Reason.PREEMPT if verdict is Verdict.SLOWER else None"),
    Mutant(N, "return units * STAGGER + min(near, self.interval / 4)", "return 0.0"),
    Mutant(N, "return self._leaving * DECLINE + self._units * STAGGER", "return self.stagger(left_alone, peers)"),
    Mutant(N, "first = left_alone if self.config.preempt and left_alone <= self._units else 0", "first = 0"),
    Mutant(N, "return HANDOVER_LIMIT if self.config.advbase else FAST_HANDOVER_LIMIT", "return 0.0005"),
    Mutant(D, "self.total = sum(self._amounts.values())", "self.total = max(self._amounts.values(), default=0)"),
    Mutant(D, "        if self._failures >= _HYSTERESIS:", "        if False:"),
    Mutant(V, "return Verdict.BETTER if theirs.interval < ours.interval else Verdict.SLOWER", "return Verdict.SLOWER if theirs.interval < ours.interval else Verdict.BETTER"),
    Mutant(V, "return Verdict.DEMOTED if theirs.demotion > ours.demotion else Verdict.BETTER", "return Verdict.DEMOTED"),
    Mutant(V, "return master_down_us(config.advbase, config.effective_advskew(demotion), config.dialect) + handicap", "return master_down_us(config.advbase, config.effective_advskew(demotion), config.dialect) // 3 + handicap"),
    Mutant(V, "+ handicap", ""),
    Mutant(E, "self._resting_until = max(now + seconds, self._resting_until or now)\n", "pass\n"),
    Mutant(E, "self._lots.needed = True\n", "pass\n"),
    Mutant(E, "if self._ledger.total:\n            self._mastership.step_down_by(now + ASK_AGAIN)", "if False:\n            pass"),
    Mutant(T, "return speaker is Speaker.CARP_SIDECAR and now < self._wary_until", "return False"),
    Mutant(T, "return self.handover is None and self.holds_since <= now < self.holds_since + CROSSING", "return False"),
    Mutant(T, "return event.family is not self.tie_family or not event.outranks", "return False"),
    Mutant(P, "if not peer.left:\n            peer.advbase", "if True:\n            peer.advbase"),
    Mutant(F, "if ticks <= self._heard or self.has_sent(ticks, counter):", "if self.has_sent(ticks, counter):"),
    Mutant(F, "if ticks < self._group_clock(now, _LEAST_PACE) - _SLACK:", "if False:"),
    Mutant(F, "last = max(self._heard, next(reversed(self._sent), -1))", "last = next(reversed(self._sent), -1)"),
    Mutant(R, "if sealed.agrees_with(advertisement.advbase, advertisement.advskew, advertisement.demote):", "if True:"),
    Mutant(R, "if source in freshness.sources and freshness.has_sent(ticks, advertisement.counter):", "if False:"),
    Mutant(R, "if self._strict or self._is_impersonated(datagram.source, now):", "if False:"),
    Mutant(R, "        if key is None:\n            return DropReason.BADAUTH\n", "        key = key or 1\n"),
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


TESTS = ("tests/unit/carp", "tests/sim")


def hunt(mutant: Mutant, seeds: int) -> str:
    """Who noticed, and what; nothing when nobody did."""
    with tempfile.TemporaryDirectory(prefix="carp-mutant-") as folder:
        for part in PARTS:
            shutil.copytree(HERE / part, Path(folder, part), ignore=shutil.ignore_patterns("__pycache__"))
        for part in ("tests/conftest.py", "pyproject.toml"):
            shutil.copy(HERE / part, Path(folder, part))
        file = Path(folder, "sidecar/carp", mutant.file)
        text = file.read_text()
        if text.count(mutant.old) != 1:
            return "stands there not once"
        file.write_text(text.replace(mutant.old, mutant.new))
        told = run(folder, "-c", HUNT, str(seeds), str(NODE_DAYS))
        return told if told.startswith("seed") else first_failure(folder)


def run(folder: str, *arguments: str) -> str:
    """What Python prints there."""
    done = subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout.strip() or done.stderr.strip()[-100:]


def first_failure(folder: str) -> str:
    """The first test that fails; stories that are drawn have been asked before."""
    command = ("-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--deselect", "tests/sim/test_seeds.py")
    for part in TESTS:
        lines = run(folder, *command, part).splitlines()
        for line in lines:
            if line.startswith(("FAILED ", "ERROR ")):
                return line.partition("::")[2].split(" - ")[0]
    return ""


def main(only: str, seeds: int) -> int:
    chosen = [mutant for mutant in MUTANTS if only in mutant.file or only in mutant.old]
    caught = drawn = 0
    for number, mutant in enumerate(chosen, 1):
        found = hunt(mutant, seeds)
        drawn += found.startswith("seed")
        caught += found.startswith(("seed", "test_"))
        print(f"{number:2} {mutant.file}: {mutant.old.strip()[:60]!r}: {found or 'LIVES'}", flush=True)
    print(f"{caught} of {len(chosen)} caught, {drawn} of them by stories drawn from seeds")
    return 0 if caught == len(chosen) else 1


if __name__ == "__main__":
    argument = sys.argv[1] if len(sys.argv) > 1 else str(SEEDS)
    sys.exit(main("", int(argument)) if argument.isdecimal() else main(argument, SEEDS))
