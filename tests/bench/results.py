"""All that one run measured, to JSON and back: what the report is made from. Nothing is measured or rounded here."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from sidecar.errors import SidecarError
from tests.bench.figures import Figures

FAILURES = (
    OSError, RuntimeError, ValueError, LookupError, AssertionError, StopIteration, subprocess.SubprocessError,
    SidecarError,
)  # fmt: skip
"""What may go wrong with one measurement without costing the others."""


class Measured(NamedTuple):
    """One event of one round."""

    contender: str
    round: int
    kind: str
    phase: float
    """Share of the interval between the master's last advertisement and the event, as planned."""
    figures: Figures
    load: float
    steal: float
    """Ticks of 10 ms that the hypervisor kept from this machine during the round."""


class Failure(NamedTuple):
    """What could not be measured, and why."""

    part: str
    contender: str
    error: str


class Cost(NamedTuple):
    """Of one node: share of a core in per cent, and MiB (of the largest process, and of all together)."""

    contender: str
    role: str
    cpu: float
    rss: float
    rss_all: float


class Hosts(NamedTuple):
    """Many virtual hosts in one process: their cost, and how late their timers were, seconds, for 99 of 100."""

    hosts: int
    cpu: float
    rss: float
    up: float
    """Seconds until all were master."""
    late_p99: float


class Calm(NamedTuple):
    """False failovers in so many seconds, and the seconds in which both or nobody had the address."""

    contender: str
    seconds: float
    moves: int
    nobody: float
    both: float


class Checked(NamedTuple):
    """What `carp-sidecar check` said of a profile's dead time."""

    contender: str
    when: str
    said: str


class Flooded(NamedTuple):
    """One flood: wanted and sent frames a second, false failovers, seconds late, share of a core."""

    title: str
    ours: bool
    source: str
    wanted: float
    pps: float
    moves: int
    late_p99: float
    late_max: float
    cpu: float


class Part(NamedTuple):
    """When a part ran, and what the machine was like."""

    name: str
    began: str
    seconds: float
    load_before: float
    load_after: float
    steal: float


@dataclass
class Results:
    """Of one run; a part that was not asked for is empty."""

    began: str = ""
    machine: str = ""
    seed: int = 0
    rounds: int = 0
    quick: bool = False
    parts: list[Part] = field(default_factory=list)
    events: list[Measured] = field(default_factory=list)
    idle: list[Cost] = field(default_factory=list)
    starts: dict[str, list[float]] = field(default_factory=dict)
    hosts: Hosts | None = None
    calms: list[Calm] = field(default_factory=list)
    checks: list[Checked] = field(default_factory=list)
    floods: list[Flooded] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def fail(self, part: str, contender: str, error: BaseException) -> None:
        """A measurement did not come about; the run goes on."""
        text = " ".join(str(error).split())
        self.failures.append(Failure(part, contender, f"{type(error).__name__}: {text}"[:300]))

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Note when a part ran and under which load."""
        began, since, load, steal = now(), time.monotonic(), os.getloadavg()[0], stolen()
        try:
            yield
        finally:
            passed = time.monotonic() - since
            self.parts = [one for one in self.parts if one.name != name]
            self.parts.append(Part(name, began, passed, load, os.getloadavg()[0], stolen() - steal))

    def dump(self) -> str:
        """As JSON, a line a record, so that two runs can be compared by eye."""
        rows = {name: [plain(one) for one in getattr(self, name)] for name in RECORDS}
        head = {name: getattr(self, name) for name in ("began", "machine", "seed", "rounds", "quick", "starts")}
        head["hosts"] = self.hosts and self.hosts._asdict()
        lines = [f' "{name}": {json.dumps(value)}' for name, value in head.items()]
        for name, found in rows.items():
            inside = ",\n  ".join(json.dumps(one) for one in found)
            lines.append(f' "{name}": [\n  {inside}\n ]' if found else f' "{name}": []')
        return "{\n" + ",\n".join(lines) + "\n}\n"

    @classmethod
    def load(cls, text: str) -> "Results":
        """What ``dump`` wrote."""
        found = json.loads(text)
        hosts = found.pop("hosts")
        for name, kind in RECORDS.items():
            found[name] = [revived(kind, one) for one in found[name]]
        return cls(**found, hosts=hosts and Hosts(**hosts))


RECORDS: dict[str, Any] = {
    "parts": Part, "events": Measured, "idle": Cost, "calms": Calm, "checks": Checked, "floods": Flooded,
    "failures": Failure,
}  # fmt: skip


def plain(record: Any) -> dict[str, Any]:
    """A record as JSON has it; numbers to a tenth of a microsecond of a millisecond, which is beyond what is known."""
    told = record._asdict()
    if "figures" in told:
        told["figures"] = told["figures"]._asdict()
    return {key: rounded(value) for key, value in told.items()}


def rounded(value: Any) -> Any:
    """Digits that mean something."""
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def revived(kind: Any, found: dict[str, Any]) -> Any:
    """A record again."""
    if "figures" in found:
        found["figures"] = Figures(**found["figures"])
    return kind(**found)


def now() -> str:
    """Of the wall clock."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())


def stolen() -> float:
    """Ticks that the hypervisor kept from this machine since it started."""
    return float(Path("/proc/stat").read_text().split("\n", 1)[0].split()[8])
