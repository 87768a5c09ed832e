"""Frames made from frames, with a seed: bits, cuts, splices, and every field of Ethernet, IP and CARP set to a value
that somebody once forgot. Half of the time the checksums are made good again, so that what lies behind them is reached.

An attacker's own code: nothing of the product. Whoever has no key can send whatever comes out of here.
"""

import hmac
from collections.abc import Callable, Sequence
from random import Random
from struct import pack
from typing import NamedTuple

CARP = 36
_GROUP_V4 = bytes((224, 0, 0, 18))
_GROUP_V6 = bytes.fromhex("ff020000000000000000000000000012")
_BYTES = (0, 1, 2, 7, 14, 15, 16, 17, 127, 128, 240, 254, 255)
_LENGTHS = (0, 1, 19, 20, 33, 34, 35, 36, 37, 40, 53, 54, 55, 56, 57, 255, 256, 1500, 65535)
_TTLS = (0, 1, 64, 254)


class Field(NamedTuple):
    """Where in a frame, and how long."""

    at: int
    size: int


_V4 = {
    "mac": Field(6, 6), "type": Field(12, 2), "ihl": Field(14, 1), "length": Field(16, 2), "fragment": Field(20, 2),
    "ttl": Field(22, 1), "protocol": Field(23, 1), "source": Field(26, 4), "destination": Field(30, 4),
}  # fmt: skip
_V6 = {
    "mac": Field(6, 6), "type": Field(12, 2), "ihl": Field(14, 1), "length": Field(18, 2), "protocol": Field(20, 1),
    "ttl": Field(21, 1), "source": Field(22, 16), "destination": Field(38, 16),
}  # fmt: skip
_HEADER = {
    "version": Field(0, 1), "vhid": Field(1, 1), "advskew": Field(2, 1), "authlen": Field(3, 1), "demote": Field(4, 1),
    "advbase": Field(5, 1), "checksum": Field(6, 2), "counter": Field(8, 8), "digest": Field(16, 20),
}  # fmt: skip
_NAMES_V4, _NAMES_V6, _NAMES_CARP = tuple(_V4), tuple(_V6), tuple(_HEADER)


def is_v6(frame: bytes | bytearray) -> bool:
    """By its Ethernet type."""
    return frame[12:14] == b"\x86\xdd"


def payload_at(frame: bytes | bytearray) -> int:
    """Where the payload of IP begins."""
    if is_v6(frame):
        return 54
    return 14 + (frame[14] & 15) * 4 if len(frame) > 14 else 14


class Mutator:
    """``sources``: frames to begin with; all comes from the seed."""

    def __init__(self, sources: Sequence[bytes], seed: int) -> None:
        self.sources = sources
        self._random = Random(seed)
        self._ways: tuple[Callable[[bytearray], bytearray], ...] = (
            self._flip, self._byte, self._cut, self._grow, self._splice, self._carp_field, self._carp_field,
            self._carp_field, self._ip_field, self._ip_field, self._shift, self._other_family, self._options, self._tag,
            self._mix,
        )  # fmt: skip

    def next(self) -> bytes:
        """A frame of somebody's, changed once to four times."""
        return self.change(self.sources[self._below(len(self.sources))])

    def change(self, frame: bytes) -> bytes:
        """That frame, changed."""
        changed = bytearray(frame)
        for _ in range(1 + self._below(4) * self._below(2)):
            changed = self._ways[self._below(len(self._ways))](changed)
        if self._below(2):
            mend(changed)
        return bytes(changed)

    def _below(self, limit: int) -> int:
        return int(self._random.random() * limit)

    def _one(self, values: Sequence[int]) -> int:
        return values[self._below(len(values))]

    def _flip(self, frame: bytearray) -> bytearray:
        for _ in range(1 + self._below(4) if frame else 0):
            frame[self._below(len(frame))] ^= 1 << self._below(8)
        return frame

    def _byte(self, frame: bytearray) -> bytearray:
        if frame:
            frame[self._below(len(frame))] = self._one(_BYTES)
        return frame

    def _cut(self, frame: bytearray) -> bytearray:
        return frame[: self._below(len(frame) + 1)]

    def _grow(self, frame: bytearray) -> bytearray:
        return frame + self._random.randbytes(self._below(80))

    def _splice(self, frame: bytearray) -> bytearray:
        other = self.sources[self._below(len(self.sources))]
        at = self._below(min(len(frame), len(other)) + 1)
        return frame[:at] + other[at:]

    def _mix(self, frame: bytearray) -> bytearray:
        """One field of another's advertisement."""
        other = self.sources[self._below(len(self.sources))]
        field = _HEADER[_NAMES_CARP[self._below(len(_NAMES_CARP))]]
        ours, theirs = payload_at(frame) + field.at, payload_at(other) + field.at
        frame[ours : ours + field.size] = other[theirs : theirs + field.size]
        return frame

    def _shift(self, frame: bytearray) -> bytearray:
        """Bytes gone, or bytes too many, somewhere in the middle."""
        at, size = self._below(len(frame) + 1), 1 + self._below(8)
        if self._below(2):
            return frame[:at] + frame[at + size :]
        return frame[:at] + self._random.randbytes(size) + frame[at:]

    def _carp_field(self, frame: bytearray) -> bytearray:
        field = _HEADER[_NAMES_CARP[self._below(len(_NAMES_CARP))]]
        return self._set(frame, payload_at(frame) + field.at, field.size)

    def _ip_field(self, frame: bytearray) -> bytearray:
        fields, names = (_V6, _NAMES_V6) if is_v6(frame) else (_V4, _NAMES_V4)
        name = names[self._below(len(names))]
        at, size = fields[name]
        if name == "length":
            frame[at : at + size] = pack("!H", self._one(_LENGTHS))
        elif name == "ttl":
            frame[at : at + size] = bytes([self._one(_TTLS)])
        elif name == "destination":
            frame[at : at + size] = self._random.choice((_GROUP_V4, _GROUP_V6, self._random.randbytes(size)))[:size]
        else:
            self._set(frame, at, size)
        return frame

    def _set(self, frame: bytearray, at: int, size: int) -> bytearray:
        old = int.from_bytes(frame[at : at + size], "big")
        how = self._below(4)
        if how == 0:
            new = old + self._one((-256, -2, -1, 1, 2, 256))
        elif how == 1:
            new = old ^ 1 << self._below(8 * size)
        elif how == 2:
            new = int.from_bytes(self._random.randbytes(size), "big")
        else:
            new = self._one(_BYTES) * (1 if self._below(2) else 0x0101010101010101010101010101010101010101)
        frame[at : at + size] = (new % (1 << 8 * size)).to_bytes(size, "big")
        return frame

    def _other_family(self, frame: bytearray) -> bytearray:
        """The same advertisement in the other IP."""
        said, mac = frame[payload_at(frame) :], frame[:12].ljust(12, b"\0")
        if is_v6(frame):
            head = pack("!BBHHHBBH", 0x45, 16, 20 + len(said), 0, 0x4000, 255, 112, 0)
            return mac + b"\x08\x00" + head + self._random.randbytes(4) + _GROUP_V4 + said
        source = b"\xfe\x80" + bytes(13) + self._random.randbytes(1)
        head = pack("!IHBB", 0x60000000, len(said) & 0xFFFF, 112, 255)
        return mac + b"\x86\xdd" + head + source + _GROUP_V6 + said

    def _options(self, frame: bytearray) -> bytearray:
        """IPv4 options, as many as there can be, well formed or not."""
        if is_v6(frame) or len(frame) < 34:
            return frame
        words = 1 + self._below(10)
        frame[14] = 0x40 | 5 + words
        frame[16:18] = pack("!H", int.from_bytes(frame[16:18], "big") + words * 4 & 0xFFFF)
        return frame[:34] + self._random.randbytes(words * 4) + frame[34:]

    def _tag(self, frame: bytearray) -> bytearray:
        """A VLAN tag that nobody took off."""
        return frame[:12] + b"\x81\x00" + self._random.randbytes(2) + frame[12:]


def mend(frame: bytearray) -> None:
    """Make the checksums of IPv4 and of CARP good, where there is room for them."""
    at = payload_at(frame)
    if not is_v6(frame) and 34 <= at <= len(frame):
        frame[24:26] = b"\0\0"
        frame[24:26] = pack("!H", _sum(frame[14:at]))
    if len(frame) >= at + CARP:
        frame[at + 6 : at + 8] = b"\0\0"
        frame[at + 6 : at + 8] = pack("!H", _sum(frame[at : at + CARP]))


def _sum(data: bytes | bytearray) -> int:
    """RFC 1071: the sum of 16-bit words is the number modulo 65535."""
    total = int.from_bytes(data, "big") % 0xFFFF
    return 0xFFFF - total if total or not any(data) else 0


def holds_signed(frame: bytes, key: bytes, message: bytes) -> bool:
    """Whether anywhere in a frame a counter stands before its digest with this key (RFC 2104, SHA-1)."""
    return any(
        hmac.digest(key, message + frame[at : at + 8], "sha1") == frame[at + 8 : at + 28]
        for at in range(len(frame) - 27)
    )
