"""Who may speak: HMAC-SHA1 over version, type, vhid, addresses and counter. Sign with the first key, verify with any.

The rest of the header, advskew and advbase included, is not covered: that is the protocol, not a choice made here.
Keys never print; digests compare in constant time.
"""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from typing import Final

from sidecar.carp.config import Address
from sidecar.carp.constants import TYPE_ADVERTISEMENT, VERSION
from sidecar.carp.marker import Marker, Sealed

_BLOCK: Final = 64
_IPAD: Final = bytes(byte ^ 0x36 for byte in range(256))
_OPAD: Final = bytes(byte ^ 0x5C for byte in range(256))
_UNHASHABLE_V4: Final = (b"\x00\x00\x00\x00", b"\xff\xff\xff\xff")


class Key:
    """A passphrase as the HMAC uses it: its bytes, zero padded. ``number`` counts from 1 in the order of the file."""

    __slots__ = ("_secret", "number")

    def __init__(self, secret: bytes, number: int = 1) -> None:
        self._secret = secret
        self.number = number

    def __repr__(self) -> str:
        return f"Key(number={self.number}, ***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and hmac.compare_digest(self._secret, other._secret)

    def __hash__(self) -> int:
        return hash(self.number)

    def pads(self) -> tuple[bytes, bytes]:
        """The inner and outer blocks of RFC 2104."""
        block = self._secret.ljust(_BLOCK, b"\0")
        return block.translate(_IPAD), block.translate(_OPAD)

    def marker(self) -> Marker:
        """What makes and reads marked counters with this key."""
        return Marker(self._secret)


def hashed_message(vhid: int, addresses: Iterable[Address], *, link_local: bool) -> bytes:
    """What is signed before the counter: version, type, vhid, IPv4 then IPv6 addresses, each ascending and once.

    ``link_local`` says whether IPv6 link-local addresses take part: FreeBSD and NetBSD yes (scope cleared), OpenBSD no
    when it sends, either when it receives. 0.0.0.0 and 255.255.255.255 cannot be selected by any implementation.
    """
    packed = {address.packed for address in addresses if link_local or not _is_link_local(address)}
    v4 = sorted(one for one in packed if len(one) == 4 and one not in _UNHASHABLE_V4)
    v6 = sorted(one for one in packed if len(one) == 16)
    return b"".join((bytes((VERSION, TYPE_ADVERTISEMENT, vhid)), *v4, *v6))


def _is_link_local(address: Address) -> bool:
    return address.version == 6 and address.is_link_local


class _Context:
    """One (key, address selection), hashed as far as it can be before the counter is known: 1.8 us a digest."""

    __slots__ = ("_inner", "_outer", "number")

    def __init__(self, key: Key, message: bytes) -> None:
        inner, outer = key.pads()
        self.number = key.number
        self._inner = hashlib.sha1(inner + message, usedforsecurity=False)
        self._outer = hashlib.sha1(outer, usedforsecurity=False)

    def digest(self, counter: bytes) -> bytes:
        inner = self._inner.copy()
        inner.update(counter)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()


class Authenticator:
    """Signs and marks with the first key, and tells which key, if any, signed what was heard."""

    __slots__ = ("_accepting", "_marker", "_markers", "_signing")

    def __init__(self, vhid: int, addresses: Sequence[Address], keys: Sequence[Key], *, sign_link_local: bool) -> None:
        """``keys`` in the order of the file; ``ValueError`` when there is none."""
        if not keys:
            raise ValueError("at least one key is needed")
        sent = hashed_message(vhid, addresses, link_local=sign_link_local)
        other = hashed_message(vhid, addresses, link_local=not sign_link_local)
        self._signing = _Context(keys[0], sent)
        self._markers = {key.number: key.marker() for key in keys}
        self._marker = self._markers[keys[0].number]
        variants = (sent,) if sent == other else (sent, other)
        self._accepting = tuple(_Context(key, message) for key in keys for message in variants)

    def sign(self, counter: int) -> bytes:
        """The digest that goes with a counter."""
        return self._signing.digest(counter.to_bytes(8, "big"))

    def seal(self, ticks: int, advbase: int, advskew: int, demote: int) -> int:
        """A marked counter, to be signed (``Marker.seal``)."""
        return self._marker.seal(ticks, advbase, advskew, demote)

    def read(self, counter: int, key: int) -> Sealed | None:
        """What a counter says that this key verified, or None when it is not marked."""
        return self._markers[key].read(counter)

    def verify(self, counter: int, digest: bytes) -> int | None:
        """The number of the key that made this digest, or None."""
        return self.verify_packed(counter.to_bytes(8, "big"), digest)

    def verify_packed(self, counter: bytes, digest: bytes) -> int | None:
        """The same of the counter's bytes, as the wire has them."""
        for context in self._accepting:
            if hmac.compare_digest(context.digest(counter), digest):
                return context.number
        return None
