"""What belongs to one state only: made when the state is entered, gone when it is left."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

from sidecar.carp.config import Family
from sidecar.carp.effects import Reason


class Then(Enum):
    """What follows a hand-over: STAY when nobody took over; REST and STOP in any case."""

    STAY = auto()
    REST = auto()
    STOP = auto()


@dataclass(frozen=True, slots=True)
class Handover:
    """A hand-over under way. ``rest``: seconds to take no part afterwards."""

    until: float
    then: Then
    detail: str
    rest: float = 0.0


@dataclass(frozen=True, slots=True)
class Takeover:
    """An invitation that will be followed unless a better backup speaks first."""

    at: float
    reason: Reason
    detail: str


@dataclass(slots=True)
class Mastership:
    """The deadlines of a master."""

    advertise_at: float
    advertised_at: float = 0.0
    step_down_at: float | None = None
    handover: Handover | None = None

    def due(self) -> float:
        """The first of its deadlines; a hand-over silences the others."""
        if self.handover is not None:
            return self.handover.until
        if self.step_down_at is None:
            return self.advertise_at
        return min(self.advertise_at, self.step_down_at)


class Standby:
    """The silence timers of a backup, one a family: an advertisement re-arms only its own, any one may expire."""

    __slots__ = ("extra_patience", "heard", "takeover")

    def __init__(self, families: Iterable[Family], now: float) -> None:
        self.heard = dict.fromkeys(families, now)
        self.extra_patience = 0.0
        self.takeover: Takeover | None = None

    def silent_since(self) -> float:
        """When the family that has been silent for longest was last heard."""
        return min(self.heard.values())

    def silence_due(self, patience: float) -> float:
        """When silence will have lasted for too long."""
        return min(self.heard.values()) + patience + self.extra_patience

    def due(self, patience: float) -> float:
        """The first of its deadlines."""
        silence = self.silence_due(patience)
        return silence if self.takeover is None else min(silence, self.takeover.at)

    def invite(self, takeover: Takeover) -> None:
        """Follow an invitation, unless an earlier one stands."""
        if self.takeover is None or takeover.at < self.takeover.at:
            self.takeover = takeover
