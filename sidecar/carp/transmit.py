"""What this node signs and sends: marked counters, each later than everything it has sent and heard.

One advertisement is the same 36 bytes on every family and to every peer. A peer's counter is never copied, which
OpenBSD would take for a loop (carp.md 2.2: "replay or network loop"). A master that goes on as it is signs a few ahead,
for an eighth of the price (decision 12); what makes one of them untrue (other terms or keys, a pause, something later
that was heard) makes it forget them.
"""

from collections.abc import Callable
from typing import Final

from sidecar.carp.auth import Authenticator
from sidecar.carp.config import interval_us
from sidecar.carp.constants import MICROSECONDS
from sidecar.carp.freshness import Freshness
from sidecar.carp.packet import assemble

_AHEAD: Final = 8
_HORIZON: Final = 10.0
"""Seconds for which is signed ahead at most: as long the wall clock may be set, and peers hear of it only then."""
_PUNCTUAL: Final = 0.25
"""Seconds that one may be early or late, and its ticks with it."""


class Transmitter:
    """Counter, digest and bytes of one virtual host's advertisements."""

    __slots__ = ("_authenticator", "_freshness", "_interval", "_next_at", "_now", "_terms", "_upcoming", "_vhid")

    def __init__(self, vhid: int, authenticator: Authenticator, freshness: Freshness, now: Callable[[], float]) -> None:
        """``freshness``: the one that the virtual host's receiver has; ``now``: monotonic seconds."""
        self._vhid = vhid
        self._authenticator = authenticator
        self._freshness = freshness
        self._now = now
        self._terms = (-1, -1, -1)
        self._interval = self._next_at = 0.0
        self._upcoming: list[tuple[int, int, bytes]] = []
        """Ticks, counter and bytes, the next one last."""

    def authenticate_with(self, authenticator: Authenticator) -> None:
        """Sign with other keys or other addresses from now on; the ticks go on."""
        self._authenticator = authenticator
        self._upcoming = []

    def send_from(self, sources: frozenset[bytes]) -> None:
        """The packed addresses that our advertisements leave with."""
        self._freshness.sources = sources

    def payload(self, advbase: int, advskew: int, demote: int) -> bytes:
        """The 36 bytes of the next advertisement."""
        now = self._now()
        terms = (advbase, advskew, demote)
        goes_on = terms == self._terms and -_PUNCTUAL < now - self._next_at < _PUNCTUAL
        if not (goes_on and self._upcoming and self._freshness.is_later(self._upcoming[-1][0])):
            self._sign(terms, now, goes_on=goes_on)
        ticks, counter, payload = self._upcoming.pop()
        self._freshness.sent(ticks, counter, now)
        self._next_at = now + self._interval
        return payload

    def _sign(self, terms: tuple[int, int, int], now: float, *, goes_on: bool) -> None:
        """This one and, if a master goes on, those that follow if nothing happens."""
        advbase, advskew, demote = self._terms = terms
        self._interval = interval_us(advbase, advskew) / MICROSECONDS
        count = min(_AHEAD, 1 + int(_HORIZON / self._interval)) if goes_on else 1
        self._upcoming = []
        for ticks in self._freshness.next_ticks(advbase, advskew, now, self._interval, count):
            counter = self._authenticator.seal(ticks, advbase, advskew, demote)
            digest = self._authenticator.sign(counter)
            self._upcoming.append((ticks, counter, assemble(self._vhid, advbase, advskew, demote, counter, digest)))
        self._upcoming.reverse()
