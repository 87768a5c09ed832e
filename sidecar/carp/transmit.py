"""What this node signs and sends: marked counters, each later than everything it has sent and heard.

One advertisement is the same 36 bytes on every family and to every peer. A peer's counter is never copied, which
OpenBSD would take for a loop (carp.md 2.2: "replay or network loop").
"""

from collections.abc import Callable

from sidecar.carp.auth import Authenticator
from sidecar.carp.freshness import Freshness
from sidecar.carp.packet import assemble


class Transmitter:
    """Counter, digest and bytes of one virtual host's advertisements."""

    __slots__ = ("_authenticator", "_freshness", "_now", "_vhid")

    def __init__(self, vhid: int, authenticator: Authenticator, freshness: Freshness, now: Callable[[], float]) -> None:
        """``freshness``: the one that the virtual host's receiver has; ``now``: monotonic seconds."""
        self._vhid = vhid
        self._authenticator = authenticator
        self._freshness = freshness
        self._now = now

    def authenticate_with(self, authenticator: Authenticator) -> None:
        """Sign with other keys or other addresses from now on; the ticks go on."""
        self._authenticator = authenticator

    def send_from(self, sources: frozenset[bytes]) -> None:
        """The packed addresses that our advertisements leave with."""
        self._freshness.sources = sources

    def payload(self, advbase: int, advskew: int, demote: int) -> bytes:
        """The 36 bytes of the next advertisement."""
        now = self._now()
        ticks = self._freshness.next_ticks(advbase, advskew, now)
        counter = self._authenticator.seal(ticks, advbase, advskew, demote)
        self._freshness.sent(ticks, counter, now)
        digest = self._authenticator.sign(counter)
        return assemble(self._vhid, advbase, advskew, demote, counter, digest)
