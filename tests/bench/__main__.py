"""`make bench`: ours, ucarp and keepalived on the same topology, interleaved in one run; tables, pictures, raw results.

Raw results go to `build/bench/`, the report to `docs/benchmarks.md` with `--write`. Needs the rights of the sandbox;
real-time priority is used where the kernel permits it, and the report says whether it did.
"""

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Final

from tests.bench import cost, hogs, runs
from tests.bench.contenders import CONTENDERS, FASTEST, SECOND, TENTH, Contender
from tests.bench.plot import picture
from tests.bench.table import EVENTS, calm_table, cost_table, event_table, small_table

CHECKOUT: Final = Path(__file__).parents[2]
RAW: Final = CHECKOUT / "build" / "bench"
DOCUMENT: Final = CHECKOUT / "docs" / "benchmarks.md"
PICTURES: Final = CHECKOUT / "docs" / "pictures"
HOSTS: Final = 255
HOW: Final = (
    "A client asks for the time each millisecond, so requests lost are milliseconds of silence. Both nodes, the client "
    "and the switch are network namespaces of one kernel. carp-sidecar runs with its defaults but for the interval. "
    "A shared machine is noisy: compare rows, not runs."
)
IDLE = ("ours-1s", "ucarp", "keepalived-1s", "ours-100ms", "keepalived-100ms", "ours-20ms", "keepalived-10ms")


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two rounds and short watches, five minutes")
    parser.add_argument("--rounds", type=int, default=0, help="rounds of the class of a second (the faster: 3/2 of it)")
    parser.add_argument("--only", nargs="*", default=[], help=f"contenders: {', '.join(one.key for one in CONTENDERS)}")
    parser.add_argument("--skip", nargs="*", default=[], choices=["events", "cost", "hogs"], help="parts to leave out")
    parser.add_argument("--seed", type=int, default=8112, help="of the phases at which events come")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and its pictures")
    return parser.parse_args()


def tell(text: str) -> None:
    """Progress, on standard error."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


class Bench:
    """One run: ``measure`` and then ``report``."""

    def __init__(self, chosen: argparse.Namespace) -> None:
        self.chosen = chosen
        self.rounds = chosen.rounds or (2 if chosen.quick else 8)
        self.seconds = 10.0 if chosen.quick else 30.0
        self.measured: list[runs.Measured] = []
        self.costs: list[cost.Cost] = []
        self.calms: list[hogs.Calm] = []
        self.starts: list[float] = []
        self.many: cost.Hosts | None = None
        self.began = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())

    def contenders(self, *groups: str) -> list[Contender]:
        """Those that were asked for."""
        only = self.chosen.only
        return [one for one in CONTENDERS if one.group in groups and (not only or one.key in only)]

    def measure(self) -> None:
        """Everything that was asked for, the shortest first."""
        parts = {"cost": self._cost, "events": self._events, "hogs": self._hogs}
        for name, part in parts.items():
            if name not in self.chosen.skip:
                part()
                self._keep()

    def _events(self) -> None:
        for groups, rounds in (((SECOND,), self.rounds), ((TENTH, FASTEST), self.rounds * 3 // 2)):
            for one in runs.interleaved(self.contenders(*groups), rounds, self.chosen.seed, tell):
                self.measured.append(one)

    def _cost(self) -> None:
        tell("start")
        self.starts = [cost.start_seconds() for _ in range(3 if self.chosen.quick else 10)]
        for one in CONTENDERS:
            if one.key in IDLE and (not self.chosen.only or one.key in self.chosen.only):
                tell(f"idle: {one.title}")
                self.costs += cost.idle(one, self.seconds)
        if not self.chosen.only:
            tell(f"{HOSTS} virtual hosts")
            self.many = cost.hosts(HOSTS, self.seconds)

    def _hogs(self) -> None:
        seconds = 10.0 if self.chosen.quick else 120.0
        for one in self.contenders(TENTH, FASTEST):
            tell(f"two hogs, {seconds:.0f} s: {one.title}")
            self.calms.append(hogs.under_load(one, seconds))

    def _keep(self) -> None:
        """All raw results so far; a run that is broken off has lost nothing."""
        RAW.mkdir(parents=True, exist_ok=True)
        found = {
            "began": self.began,
            "machine": machine(),
            "seed": self.chosen.seed,
            "events": runs.as_json(self.measured),
            "idle": [one._asdict() for one in self.costs],
            "hogs": [one._asdict() for one in self.calms],
            "starts": self.starts,
            "hosts": self.many and {"late_p99": self.many.late_p99, **self.many.cost._asdict()},
        }
        (RAW / "raw.json").write_text(json.dumps(found, indent=1) + "\n")

    def report(self) -> str:
        """The document."""
        parts = ["# Measured\n", f"{self._circumstances()}\n", f"{HOW}\n"]
        for kind, title in EVENTS.items():
            if any(one.kind == kind for one in self.measured):
                parts += [f"## {title[0].upper()}{title[1:]}\n", f"![{title}](pictures/bench-{kind}.svg)\n"]
                parts.append(event_table(self.measured, kind) + "\n")
        if self.costs:
            parts += ["## Standing ready\n", cost_table(self.costs) + "\n", small_table(self.starts, self.many) + "\n"]
        if self.calms:
            parts += ["## Two hogs on two processors\n", calm_table(self.calms) + "\n"]
        return "\n".join(parts)

    def _circumstances(self) -> str:
        loads = sorted(one.load for one in self.measured) or [os.getloadavg()[0]]
        stolen = sum(one.steal for one in self.measured) / 100
        return (
            f"Written by `make bench` on {self.began}: {machine()}; {self.rounds} rounds at a second, "
            f"{self.rounds * 3 // 2} below, seed {self.chosen.seed}; load {loads[0]:.1f}-{loads[-1]:.1f}, "
            f"{stolen:.1f} s stolen by the hypervisor. Medians [least-most]."
        )

    def write(self) -> None:
        """The document and its pictures into the checkout."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        for kind in EVENTS:
            if any(one.kind == kind for one in self.measured):
                (PICTURES / f"bench-{kind}.svg").write_text(picture(self.measured, kind))
        DOCUMENT.write_text(self.report())


def machine() -> str:
    """What this was measured on."""
    realtime = "with" if os.sched_get_priority_max(os.SCHED_FIFO) and _may_be_realtime() else "without"
    linux, python = platform.release(), platform.python_version()
    return f"{os.cpu_count()} processors, Linux {linux}, Python {python}, {realtime} SCHED_FIFO"


def _may_be_realtime() -> bool:
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except OSError:
        return False
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return True


def main() -> int:
    """Measure and tell."""
    bench = Bench(options())
    bench.measure()
    print(bench.report())
    if bench.chosen.write:
        bench.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
