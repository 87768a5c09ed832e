"""What the driver needs of the world, in its own words. Adapters fit structurally; they take and give plain values."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sidecar.carp.config import Address
from sidecar.carp.effects import DemotionChanged, StateChanged


class Sender(Protocol):
    """Puts advertisements on the wire."""

    def send(self, advbase: int, advskew: int, demote: int) -> str | None:
        """Advertise once on every family; the reason when it could not go."""


class Addresses(Protocol):
    """Owns the addresses in the kernel."""

    @property
    def held(self) -> tuple[Address, ...]:
        """What is owned now."""

    def hold(self, addresses: tuple[Address, ...]) -> str | None:
        """Own them; the reason when the kernel refused."""

    def release(self) -> str | None:
        """Own none; the reason when the kernel refused."""

    def renew(self) -> str | None:
        """Keep them for another lease; the reason when the kernel refused."""


class Announcer(Protocol):
    """Tells neighbours and switches."""

    def announce(self) -> None:
        """Start telling them."""

    def stop(self) -> None:
        """Stop at once."""


class Timer(Protocol):
    """One deadline."""

    def arm(self, deadline: float | None) -> None:
        """Wait for this one instead."""

    def acknowledge(self) -> None:
        """It fired."""


class Observer(Protocol):
    """Is told what happened; can change nothing and cannot fail the election."""

    def state_changed(self, change: StateChanged) -> None:
        """The state is another."""

    def demotion_changed(self, change: DemotionChanged) -> None:
        """The demotion is another."""

    def dropped(self, reason: str, source: bytes) -> None:
        """An advertisement was not believed."""

    def stopped(self) -> None:
        """The election has ended; nothing is held."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything that one election's effects need."""

    sender: Sender
    addresses: Addresses
    announcer: Announcer
    timer: Timer
    observer: Observer


Clock = Callable[[], float]
Drain = Callable[[], object]
