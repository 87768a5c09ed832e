"""What this node signs and sends: a counter of its own, one higher for each advertisement.

The counter starts at random and never copies a peer's, which OpenBSD would take for a loop (carp.md 2.2: "replay or
network loop"). It also recognises our own advertisements when the network reflects them.
"""

from sidecar.carp.auth import Authenticator
from sidecar.carp.packet import Advertisement, encode

_MASK = (1 << 64) - 1


class Transmitter:
    """Counter, digest and bytes of one virtual host's advertisements."""

    __slots__ = ("_authenticator", "_first", "_next", "_sources", "_vhid")

    def __init__(self, vhid: int, authenticator: Authenticator, first_counter: int) -> None:
        """``first_counter``: 64 random bits, given by whoever owns randomness."""
        self._vhid = vhid
        self._authenticator = authenticator
        self._first = first_counter & _MASK
        self._next = self._first
        self._sources: frozenset[bytes] = frozenset()

    def authenticate_with(self, authenticator: Authenticator) -> None:
        """Sign with other keys or other addresses from now on; the counter goes on."""
        self._authenticator = authenticator

    def send_from(self, sources: frozenset[bytes]) -> None:
        """The packed addresses that our advertisements leave with."""
        self._sources = sources

    def payload(self, advbase: int, advskew: int, demote: int) -> bytes:
        """The 36 bytes of the next advertisement."""
        counter = self._next
        self._next = (counter + 1) & _MASK
        digest = self._authenticator.sign(counter)
        return encode(Advertisement(self._vhid, advbase, advskew, demote, counter, digest))

    def is_own(self, source: bytes, counter: int) -> bool:
        """Whether we sent this. The source counts too: ucarp, FreeBSD and NetBSD continue the counter they heard."""
        sent = (self._next - self._first) & _MASK
        return source in self._sources and (counter - self._first) & _MASK < sent
