"""Everything that can happen to an election. Frozen: an event is a fact.

The one that comes all the time is a tuple, which is made in a third of the time of a frozen dataclass.
"""

from dataclasses import dataclass
from typing import NamedTuple

from sidecar.carp.config import Config, Family
from sidecar.carp.packet import Advertisement
from sidecar.carp.receive import Speaker


@dataclass(frozen=True, slots=True)
class Started:
    """The daemon is ready to take part. Comes once."""


@dataclass(frozen=True, slots=True)
class CarpdevChanged:
    """The interface can carry traffic (up, carrier, usable) or cannot, and why."""

    up: bool
    detail: str = ""


class AdvertisementReceived(NamedTuple):
    """A believed advertisement (receive.Receiver). ``source`` is packed."""

    advertisement: Advertisement
    family: Family
    source: bytes
    key: int = 1
    speaker: Speaker = Speaker.UNKNOWN
    outranks: bool = True
    """Whether its sender stays master when it is our equal (receive.Accepted)."""


@dataclass(frozen=True, slots=True)
class DeadlineReached:
    """The time that ``Election.deadline`` named has come; harmless when it has not."""


@dataclass(frozen=True, slots=True)
class AdvertisementSent:
    """The advertisement asked for has left, on every family."""


@dataclass(frozen=True, slots=True)
class AdvertisementFailed:
    """The advertisement asked for could not leave."""

    detail: str


@dataclass(frozen=True, slots=True)
class AddressesHeld:
    """The kernel owns every address that was asked for."""


@dataclass(frozen=True, slots=True)
class AddressesFailed:
    """The kernel refused an address, or lost it and could not be mended."""

    detail: str


@dataclass(frozen=True, slots=True)
class DemotionSet:
    """A named cause has an amount now, 0 when it is gone."""

    cause: str
    amount: int


@dataclass(frozen=True, slots=True)
class StepDownRequested:
    """Hand over to whoever is there; stay when nobody is (maintenance)."""

    detail: str


@dataclass(frozen=True, slots=True)
class ResignRequested:
    """Hand over now and take no part for ``seconds``."""

    seconds: float


@dataclass(frozen=True, slots=True)
class ConfigChanged:
    """Another configuration of the same vhid holds from now on."""

    config: Config


@dataclass(frozen=True, slots=True)
class ShutdownRequested:
    """Hand over and leave; ``effects.Stopped`` answers."""


RareEvent = (
    AdvertisementFailed
    | AddressesHeld
    | AddressesFailed
    | DemotionSet
    | CarpdevChanged
    | Started
    | StepDownRequested
    | ResignRequested
    | ConfigChanged
    | ShutdownRequested
)
Event = AdvertisementReceived | DeadlineReached | AdvertisementSent | RareEvent
