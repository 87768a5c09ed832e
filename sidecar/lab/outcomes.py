"""What the client's queries came to: answered, late, lost, answered twice, by whom, and the longest silence.

Pure: fed with the lines of `client.py`, time is in them. Memory is bounded however long the lab runs.
"""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

LATE_SECONDS = 1.0
LOST_SECONDS = 5.0
REMEMBERED = 50_000
NOBODY = "?"

Line = Mapping[str, object]


@dataclass(frozen=True)
class Gap:
    """A silence at one address: from one good answer to the next (monotonic seconds)."""

    address: str
    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass(frozen=True)
class Handover:
    """From `at` (monotonic seconds) on, answers for `address` came from `to`."""

    at: float
    address: str
    before: str
    to: str


@dataclass
class Heard:
    """The last good answer for one address."""

    at: float
    by: str


@dataclass
class Outcomes:
    """`addresses` in the client's order; `nodes` names the node behind each reference id."""

    addresses: Sequence[str]
    nodes: Mapping[str, str]
    sent: int = 0
    answered: int = 0
    late: int = 0
    lost: int = 0
    duplicates: int = 0
    bad: int = 0
    wrong_source: int = 0
    strangers: int = 0
    now: float = 0.0
    by_node: Counter[tuple[str, str]] = field(default_factory=Counter)
    heard: dict[str, Heard] = field(default_factory=dict)
    longest: dict[str, Gap] = field(default_factory=dict)
    handovers: deque[Handover] = field(default_factory=lambda: deque(maxlen=1000))
    unanswered_at: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _open: dict[int, tuple[float, str]] = field(default_factory=dict)
    _done: dict[int, float] = field(default_factory=dict)

    def feed(self, line: Line) -> None:
        """Take in one line of the client."""
        for number, at, index in _rows(line["q"]):
            self.sent += 1
            self.now = max(self.now, at)
            self._open[int(number)] = (at, self.addresses[int(index)])
        for number, at, reference, stratum, leap, from_target in _rows(line["r"]):
            self.now = max(self.now, at)
            self._reply(int(number), at, reference, bool(0 < stratum < 16 and leap != 3), from_target)
        self.strangers = int(str(line["strangers"]))
        self._expire(self.now - LOST_SECONDS)

    def _reply(self, number: int, at: float, reference: str, synchronised: bool, from_target: bool) -> None:
        if not from_target:
            self.wrong_source += 1
            return
        if number in self._done:
            self.duplicates += 1
            return
        asked, address = self._open.pop(number, (0.0, ""))
        if not address:  # its query has been given up as lost already
            return
        self._done[number] = at
        if at - asked > LATE_SECONDS:
            self.late += 1
            self.unanswered_at.append((asked, address))
        else:
            self.answered += 1
        if synchronised:
            self._good(at, address, self.nodes.get(reference, NOBODY))
        else:
            self.bad += 1

    def _good(self, at: float, address: str, node: str) -> None:
        self.by_node[address, node] += 1
        before = self.heard.get(address)
        if before is not None:
            gap = Gap(address, before.at, at)
            if address not in self.longest or gap.seconds > self.longest[address].seconds:
                self.longest[address] = gap
        if before is None or before.by != node:
            self.handovers.append(Handover(at, address, before.by if before else "", node))
        self.heard[address] = Heard(at, node)

    def _expire(self, before: float) -> None:
        for number, (asked, address) in list(self._open.items()):
            if asked >= before:
                break
            del self._open[number]
            self.lost += 1
            self.unanswered_at.append((asked, address))
        for number in [number for number, at in self._done.items() if at < before - LOST_SECONDS]:
            del self._done[number]

    def reset(self) -> None:
        """Count from here on; who was heard last stays known, queries still open are left out."""
        self.sent = self.answered = self.late = self.lost = self.duplicates = self.bad = self.wrong_source = 0
        for forgotten in (self.by_node, self.longest, self.handovers, self.unanswered_at, self._open):
            forgotten.clear()

    def finish(self, in_flight: float = 0.5) -> None:
        """Nothing more will come: what was asked more than `in_flight` seconds ago and is still open is lost."""
        self._expire(self.now - in_flight if in_flight else float("inf"))

    @property
    def unanswered(self) -> int:
        """Queries without an answer in time so far: lost, late, and open for too long already."""
        overdue = sum(1 for asked, _ in self._open.values() if self.now - asked > LATE_SECONDS)
        return self.lost + self.late + overdue

    def hears(self, address: str) -> str | None:
        """The node behind the last good answer, or None if there was none within the last second."""
        last = self.heard.get(address)
        return last.by if last is not None and self.now - last.at < 1.0 else None


def _rows(value: object) -> list[tuple]:  # type: ignore[type-arg]
    assert isinstance(value, list)
    return [tuple(row) for row in value]
