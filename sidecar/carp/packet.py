"""An advertisement and its 36 bytes, both ways. Nothing here decides whether one is believed.

::

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-------+-------+---------------+---------------+---------------+
    |ver = 2|type= 1|     vhid      |    advskew    |  authlen = 7  |
    +-------+-------+---------------+---------------+---------------+
    |    demote     |    advbase    |           checksum            |
    +---------------+---------------+-------------------------------+
    |                      counter (64 bits)                        |
    +---------------------------------------------------------------+
    |                 HMAC-SHA1 (160 bits, see auth)                |
    +---------------------------------------------------------------+
"""

from struct import Struct
from typing import Final, NamedTuple

from sidecar.carp.constants import AUTHLEN, BOW_OUT, HEADER_LENGTH, PROTOCOL, VERSION_AND_TYPE

_HEADER: Final = Struct("!BBBBBBHQ20s")
VHID_AT, COUNTER_AT, DIGEST_AT = 1, 8, 16
"""Where they stand: what is forged by the ten thousand is refused before the rest is taken apart."""


class Advertisement(NamedTuple):
    """What a master says of itself. ``demote`` is OpenBSD's byte, 0 elsewhere."""

    vhid: int
    advbase: int
    advskew: int
    demote: int
    counter: int
    digest: bytes
    checksum: int = 0

    @property
    def is_bow_out(self) -> bool:
        """Whether this one says goodbye (advbase and advskew 255)."""
        return self.advskew == BOW_OUT and self.advbase == BOW_OUT


def decode(payload: bytes) -> Advertisement:
    """Read the first 36 bytes; what follows is ignored, as every implementation does. ``struct.error`` when shorter."""
    _, vhid, advskew, _, demote, advbase, checksum, counter, digest = _HEADER.unpack_from(payload)
    return Advertisement(vhid, advbase, advskew, demote, counter, digest, checksum)


def encode(advertisement: Advertisement) -> bytes:
    """The 36 bytes, with the checksum computed anew."""
    return assemble(*advertisement[:6])


def assemble(vhid: int, advbase: int, advskew: int, demote: int, counter: int, digest: bytes) -> bytes:
    """The same of what an advertisement says, for who has no need of one."""
    unsummed = _HEADER.pack(VERSION_AND_TYPE, vhid, advskew, AUTHLEN, demote, advbase, 0, counter, digest)
    return unsummed[:6] + internet_checksum(unsummed).to_bytes(2, "big") + unsummed[8:]


def internet_checksum(data: bytes) -> int:
    """RFC 1071 over an even number of bytes; 0 over data that already holds a right checksum.

    The sum of 16-bit words with its carries is the whole as one number modulo 0xFFFF, where 2**16 is 1; but for zeros
    alone it is 0xFFFF, not 0.
    """
    total = int.from_bytes(data, "big")
    return 0xFFFF - (total % 0xFFFF or 0xFFFF) if total else 0xFFFF


def checksum_is_good(payload: bytes) -> bool:
    """Whether the sum over the 36 bytes alone is right (every implementation on IPv4; OpenBSD, FreeBSD on IPv6)."""
    total = int.from_bytes(payload[:HEADER_LENGTH], "big")
    return total % 0xFFFF == 0 and total != 0  # as ``internet_checksum``, without another call


def pseudo_checksum_is_good(payload: bytes, source: bytes, destination: bytes) -> bool:
    """Whether the sum with IPv6's pseudo header is right, which is NetBSD's reading (``carp6_cksum``; RFC 8200 8.1)."""
    pseudo = source + destination + HEADER_LENGTH.to_bytes(4, "big") + PROTOCOL.to_bytes(4, "big")
    return internet_checksum(pseudo + payload[:HEADER_LENGTH]) == 0
