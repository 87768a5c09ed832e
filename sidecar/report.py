"""What a virtual host can say of itself at one moment: the values that status, metrics and pages are made of.

Made by the runtime, read by the operator surface; neither knows the other.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sidecar.carp.config import Address
from sidecar.carp.conflicts import Conflict, Verdict
from sidecar.carp.effects import Reason, State
from sidecar.carp.status import Status


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of state. ``at``: Unix time in seconds, for people; nothing is computed from it."""

    at: float
    old: State
    new: State
    reason: Reason
    detail: str = ""


@dataclass(slots=True)
class Counters:
    """Counts since start. ``dropped`` by reason, ``sent`` and ``received`` in advertisements (received: believed).

    ``by_key``: believed since the keys were last changed, by the number of the key; all accepted keys are there.
    """

    sent: int = 0
    received: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    by_key: dict[int, int] = field(default_factory=dict)

    def accept(self, key: int) -> None:
        """Count one that was believed, by the key that signed it."""
        self.received += 1
        self.by_key[key] = self.by_key.get(key, 0) + 1

    def expect(self, keys: Iterable[int]) -> None:
        """Other keys from now on: a number means another passphrase, so counts begin anew."""
        self.by_key = dict.fromkeys(keys, 0)

    def drop(self, reason: str) -> None:
        """Count one that was not believed."""
        self.dropped[reason] = self.dropped.get(reason, 0) + 1


@dataclass(slots=True)
class Histogram:
    """Counts by upper bound (seconds, not cumulative; the last bucket is unbounded)."""

    bounds: tuple[float, ...]
    counts: list[int]
    total: float = 0.0

    @classmethod
    def of(cls, *bounds: float) -> "Histogram":
        """An empty one with these upper bounds, ascending."""
        return cls(bounds, [0] * (len(bounds) + 1))

    def add(self, value: float) -> None:
        """Count one value."""
        self.total += value
        self.counts[bisect_left(self.bounds, value)] += 1


@dataclass(frozen=True, slots=True)
class VhostReport:
    """``now`` is the election's clock and ``wall`` Unix time at the moment of the report, both in seconds."""

    interface: str
    status: Status
    now: float
    wall: float
    addresses_held: tuple[Address, ...]
    counters: Counters
    transitions: tuple[Transition, ...]
    """The last ones, oldest first."""
    transition_counts: Mapping[tuple[State, State, Reason], int]
    lateness: Histogram
    """How late deadlines were handled, in seconds."""
    conflicts: tuple[Conflict, ...] = ()
    """Who else answers for the addresses."""
    claims: Mapping[Verdict, int] = field(default_factory=dict)
    """ARP and neighbour discovery of others about the addresses, by what it is to us, since start."""
