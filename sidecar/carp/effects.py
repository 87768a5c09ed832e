"""Everything an election can ask for. Frozen: order is data, and whoever applies it never decides."""

from dataclasses import dataclass
from enum import StrEnum

from sidecar.carp.config import Address


class State(StrEnum):
    """The protocol's three states."""

    INIT = "INIT"
    BACKUP = "BACKUP"
    MASTER = "MASTER"


class Reason(StrEnum):
    """Why the state changed; a small set, because it labels a metric."""

    STARTED = "started"
    CARPDEV_UP = "carpdev_up"
    CARPDEV_DOWN = "carpdev_down"
    MASTER_DOWN = "master_down"
    PREEMPT = "preempt"
    PEER_DEMOTED = "peer_demoted"
    PEER_TOO_SLOW = "peer_too_slow"
    PEER_BOWED_OUT = "peer_bowed_out"
    BETTER_PEER = "better_peer"
    EQUAL_PEER = "equal_peer"
    STEPPED_DOWN = "stepped_down"
    RESIGNED = "resigned"
    ADDRESSES_FAILED = "addresses_failed"
    SHUTDOWN = "shutdown"


@dataclass(frozen=True, slots=True)
class SendAdvertisement:
    """Advertise once on every family; ``AdvertisementSent`` or ``AdvertisementFailed`` answers. 255/255 bows out."""

    advbase: int
    advskew: int
    demote: int = 0


@dataclass(frozen=True, slots=True)
class HoldAddresses:
    """Own these addresses and no others; ``AddressesHeld`` or ``AddressesFailed`` answers."""

    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class ReleaseAddresses:
    """Own none of the addresses."""


@dataclass(frozen=True, slots=True)
class RenewLease:
    """An advertisement left, so the addresses may be kept for another while."""


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell neighbours and switches where the addresses are."""


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The state is another now. ``detail`` is for a person; ``reason`` for a counter."""

    old: State
    new: State
    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class DemotionChanged:
    """The total demotion is another now, because of this cause."""

    old: int
    new: int
    cause: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """Nothing is held and nothing will be sent: the daemon may exit."""


Effect = (
    SendAdvertisement
    | HoldAddresses
    | ReleaseAddresses
    | RenewLease
    | Announce
    | StateChanged
    | DemotionChanged
    | Stopped
)
