"""A kernel that would own the addresses of one node: on a lease, as the real one does, and it remembers when it did."""

import math
from typing import NamedTuple

from sidecar.carp.config import Address


class Spell(NamedTuple):
    """From when to when a node owned its addresses (virtual seconds)."""

    start: float
    end: float


class FakeKernel:
    """Owns the addresses from ``hold`` until ``release`` or until the lease runs out, whichever comes first."""

    def __init__(self, lease: float = 3.0) -> None:
        self.lease = self.lent = lease
        self.addresses: tuple[Address, ...] = ()
        self._since = math.inf
        self._expires = -math.inf
        self._past: list[Spell] = []

    def owns(self, now: float) -> bool:
        """Whether this node answers for the addresses at this moment."""
        return self._since <= now < self._expires

    def hold(self, addresses: tuple[Address, ...], now: float) -> None:
        """Own these addresses for the length of a lease."""
        if self.addresses and self._expires < now:
            self._close(self._expires)
        if not self.addresses:
            self._since = now
        self.addresses, self.lent = addresses, self.lease
        self._expires = now + self.lease

    def renew(self, now: float) -> None:
        """Keep what is wanted for another lease, or take it back when the lease had run out."""
        if self.addresses:
            self.hold(self.addresses, now)

    def release(self, now: float) -> None:
        """Own nothing."""
        if self.addresses:
            self._close(min(now, self._expires))

    def _close(self, end: float) -> None:
        self._past.append(Spell(self._since, end))
        self.addresses, self._since, self._expires = (), math.inf, -math.inf

    def forget(self, before: float) -> None:
        """What ended before this moment was judged."""
        self._past = [spell for spell in self._past if spell.end >= before]

    def spells(self, now: float) -> list[Spell]:
        """Every time that the addresses were owned, the present one included."""
        present = [Spell(self._since, min(now, self._expires))] if self.addresses else []
        return [*self._past, *present]
