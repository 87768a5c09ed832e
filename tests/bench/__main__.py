"""`make bench`: ours, ucarp and keepalived on the same topology, interleaved in one run; tables, pictures, raw results.

Raw results go to `build/bench/`, and with `--write` to `docs/benchmarks/`, from where the page and the README are made.
Needs the rights of the sandbox; real-time priority is used where the kernel permits it, and the report says whether.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.bench import cost, floods, hogs, report, runs
from tests.bench.contenders import BY_KEY, CONTENDERS, FASTEST, SECOND, TENTH, Contender
from tests.bench.results import FAILURES, Failure, Measured, Results, now
from tests.bench.verdicts import verdicts

RAW: Final = report.CHECKOUT / "build" / "bench"
HOSTS: Final = 255
LANES: Final = {SECOND: 3, TENTH: 2, FASTEST: 1}
"""Contenders of a class that play side by side: those whose silences are long mostly wait."""

SLOW_IDLE: Final = ("ours-1s", "ours-1s-plain", "ucarp", "keepalived-1s")
QUICK_IDLE: Final = ("ours-100ms", "keepalived-100ms", "ours-20ms", "keepalived-20ms")
HOGGED: Final = (
    "ours-1s-plain", "ours-100ms-plain", "ours-fastest-plain", "ours-20ms", "ours-fastest", "keepalived-100ms",
    "keepalived-10ms",
)  # fmt: skip
DEAF: Final = ("ours-100ms", "ours-20ms", "keepalived-100ms-vmac", "keepalived-100ms", "ours-100ms-interface")
NOT_QUICK: Final = {"keepalived-100ms", "ours-100ms-interface"}
"""Half a minute and more until a client's neighbour entry ends."""


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round and short watches, five minutes")
    parser.add_argument("--rounds", type=int, default=0, help="rounds of each contender (8; quick: 1)")
    parser.add_argument("--minutes", type=float, default=0.0, help="beside two hogs (10; quick: a quarter)")
    parser.add_argument("--only", nargs="*", default=[], metavar="KEY", help=f"contenders: {', '.join(BY_KEY)}")
    parser.add_argument("--parts", nargs="*", choices=list(PARTS), help="what to measure; all unless --from is given")
    parser.add_argument("--from", dest="origin", type=Path, help="results of an earlier run; --parts replaces some")
    parser.add_argument("--seed", type=int, default=8112, help="of the phases at which events come")
    parser.add_argument("--write", action="store_true", help="renew docs/benchmarks.md, its pictures and the README")
    return parser.parse_args()


def tell(text: str) -> None:
    """Progress, on standard error."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


class Bench:
    """One run: ``measure``, part by part, into ``results``."""

    def __init__(self, chosen: argparse.Namespace) -> None:
        self.chosen = chosen
        self.quick: bool = chosen.quick
        self.results = Results.load(chosen.origin.read_text()) if chosen.origin else Results()
        self.rounds: int = chosen.rounds or (1 if self.quick else 8)
        if chosen.origin is None:
            self.results.began, self.results.machine = now(), machine()
            self.results.seed, self.results.rounds, self.results.quick = chosen.seed, self.rounds, self.quick
        self.file = RAW / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.json"

    def measure(self) -> None:
        """Everything that was asked for; a part that fails as a whole costs only itself."""
        default = () if self.chosen.origin else tuple(PARTS)
        for name in default if self.chosen.parts is None else self.chosen.parts:
            tell(name)
            self.results.failures = [one for one in self.results.failures if one.part != name]
            try:
                with self.results.part(name):
                    PARTS[name](self)
            except FAILURES as error:
                self.results.fail(name, "all", error)
            finally:
                self.keep()

    def chosen_of(self, keys: tuple[str, ...]) -> list[Contender]:
        """Those of them that were asked for."""
        return [BY_KEY[key] for key in keys if not self.chosen.only or key in self.chosen.only]

    def start(self) -> None:
        """From nothing to the first advertisement."""
        self.results.starts = {}
        for _ in range(2 if self.quick else 10):
            for name, (start, waits) in cost.STARTS.items():
                try:
                    self.results.starts.setdefault(name, []).append(cost.start_seconds(start, waits))
                except FAILURES as error:
                    self.results.fail("start", name, error)

    def idle(self) -> None:
        """Pairs left alone, the slow ones first: the fast ones would keep the machine awake for them."""
        self.results.idle = []
        for keys in (SLOW_IDLE, QUICK_IDLE):
            cost.idle(self.chosen_of(keys), 5.0 if self.quick else 45.0, self.results)

    def hosts(self) -> None:
        """Many virtual hosts in one process."""
        self.results.hosts = None
        self.results.hosts = cost.hosts(HOSTS, 5.0 if self.quick else 30.0)

    def events(self) -> None:
        """Everything that takes the address from a master."""
        self.results.events = [one for one in self.results.events if one.kind == "deaf"]
        for group, lanes in LANES.items():
            keys = tuple(one.key for one in CONTENDERS if one.group == group)
            wanted = [one.key for one in self.chosen_of(keys)]
            for one in runs.interleaved(wanted, self.rounds, self.chosen.seed, lanes, tell):
                self.take(one)

    def deaf(self) -> None:
        """Clients that are told nothing, each contender on a network of its own, all side by side."""
        self.results.events = [one for one in self.results.events if one.kind != "deaf"]
        seconds = 5.0 if self.quick else 60.0
        wanted = [one for one in self.chosen_of(DEAF) if not self.quick or one.key not in NOT_QUICK]
        jobs: list[runs.Job] = [(one.key, 1, 1, self.chosen.seed, seconds) for one in wanted]
        for found in runs.side_by_side(jobs, len(jobs), tell):
            self.take(found)

    def take(self, one: Measured | Failure) -> None:
        """Remember it."""
        if isinstance(one, Failure):
            tell(f"  not measured: {one.contender}: {one.error}")
            self.results.failures.append(one)
        else:
            self.results.events.append(one)

    def hogs(self) -> None:
        """False failovers, and what `check` says."""
        self.results.calms, self.results.checks = [], []
        minutes = self.chosen.minutes or (0.25 if self.quick else 10.0)
        hogs.watch(self.chosen_of(HOGGED), minutes * 60, self.results)

    def floods(self) -> None:
        """Forged advertisements."""
        self.results.floods = []
        floods.flood(3.0 if self.quick else 10.0, self.results, tell, quick=self.quick)

    def keep(self) -> None:
        """All raw results so far; a run that is broken off has lost nothing."""
        RAW.mkdir(parents=True, exist_ok=True)
        self.file.write_text(self.results.dump())


PARTS: Final[dict[str, Callable[[Bench], None]]] = {
    "start": Bench.start,
    "idle": Bench.idle,
    "hosts": Bench.hosts,
    "events": Bench.events,
    "deaf": Bench.deaf,
    "floods": Bench.floods,
    "hogs": Bench.hogs,
}


def machine() -> str:
    """What this was measured on."""
    realtime = "with" if _may_be_realtime() else "without"
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
    try:
        bench.measure()
    except KeyboardInterrupt:
        print(f"interrupted; what was measured is in {bench.file}", file=sys.stderr)
        return 130
    print(report.measured(bench.results))
    for name in report.missed(verdicts(bench.results)):
        print(f"not reached: {name}", file=sys.stderr)
    if bench.chosen.write:
        report.write(Results.load(bench.results.dump()))  # as whoever makes the page anew: its figures are rounded
    return 0


if __name__ == "__main__":
    sys.exit(main())
