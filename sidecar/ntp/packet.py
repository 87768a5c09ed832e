"""One question to an NTP server and the judgement of whatever bytes come back (RFC 5905). Pure.

Law: a reply counts only if it repeats the 64 random bits that we sent, and no bytes from the wire ever raise. Every
age is the difference of two of the server's own timestamps: our wall clock may be wrong, or stepping, and has no part.
"""

from enum import Enum
from struct import Struct
from typing import Final, NamedTuple

COOKIE_LENGTH: Final = 8
UNSYNCHRONISED_LEAP: Final = 3
UNSYNCHRONISED_STRATUM: Final = 16

# RFC 5905 §7.3: leap+version+mode, stratum, poll, precision, root delay, root dispersion, reference id,
# reference, origin, receive and transmit timestamp. We compare the origin as bytes: it is no time but our cookie.
_HEADER: Final = Struct("!BBbbII4sQ8sQQ")
_CLIENT: Final = bytes([4 << 3 | 3])  # leap 0, version 4, mode 3
_SERVER_MODE: Final = 4
_SHORT_FORMAT: Final = 1 << 16  # RFC 5905 §6: units of a second
_TIMESTAMP_FORMAT: Final = 1 << 32
_ERA: Final = 1 << 64


class Refusal(Enum):
    """Why a datagram is no reply to our question: a counted reason (the value is its name in logs and metrics)."""

    SHORT = "short"
    VERSION = "version"
    MODE = "mode"
    ORIGIN = "origin"
    ZERO_TRANSMIT = "zero_transmit"
    KISS_RATE = "kiss_rate"
    KISS_DENY = "kiss_deny"
    KISS_RSTR = "kiss_rstr"

    @property
    def kiss(self) -> bool:
        """Whether the server itself sent it, on purpose, in answer to our question (RFC 5905 §7.4)."""
        return self in _KISSES.values()


_KISSES: Final = {b"RATE": Refusal.KISS_RATE, b"DENY": Refusal.KISS_DENY, b"RSTR": Refusal.KISS_RSTR}


class Reply(NamedTuple):
    """What a server says of itself, in answer to our question; it may well say that it is unsynchronised."""

    leap: int  # 0..3; 3: not synchronised
    version: int  # 1..4
    mode: int  # always 4
    stratum: int  # 0..255; 0 and >= 16: not synchronised
    poll: int  # log2 seconds
    precision: int  # log2 seconds
    root_delay_s: float
    root_dispersion_s: float
    refid: bytes  # 4 bytes
    reference_age_s: float | None  # None: never set; negative: the server claims to have been set after it answered

    @property
    def root_distance_s(self) -> float:
        """How far the server may be from true time at most, by its own account (RFC 5905 §11.2)."""
        return self.root_delay_s / 2 + self.root_dispersion_s

    @property
    def kiss(self) -> str | None:
        """The kiss code of a stratum-0 reply (RFC 5905 §7.4), such as INIT or STEP: why it is not synchronised."""
        code = self.refid.rstrip(b"\0")
        return code.decode("ascii") if self.stratum == 0 and code.isalnum() else None

    @property
    def refid_text(self) -> str:
        """The reference as people write it: a name at stratum 0 and 1 (GPS), else an address (hashed if IPv6)."""
        code = self.refid.rstrip(b"\0")
        if self.stratum <= 1 and code.isalnum():
            return code.decode("ascii")
        return ".".join(map(str, self.refid))


def request(cookie: bytes) -> bytes:
    """A mode-3 version-4 question whose transmit timestamp is `cookie`: 8 random bytes that only the server can repeat.

    All else is zero: a server needs none of it (RFC 5905 §14). Raises ValueError for a cookie of another length.
    """
    if len(cookie) != COOKIE_LENGTH:
        raise ValueError(f"the cookie has {len(cookie)} bytes, not {COOKIE_LENGTH}")
    return _CLIENT + bytes(_HEADER.size - len(_CLIENT) - COOKIE_LENGTH) + cookie


def check(data: bytes, cookie: bytes) -> Reply | Refusal:
    """The reply to the question that carried `cookie`, or why it is none. Never raises.

    The source address and port are the connected socket's business. A longer datagram is a header with extension fields
    (RFC 5905 §7.5), which we did not ask for and do not read. Who sent it comes before what it says: an unproven kiss
    would let a stranger silence us. A kiss needs no time.
    """
    if len(data) < _HEADER.size:
        return Refusal.SHORT
    first, stratum, poll, precision, delay, dispersion, refid, reference, origin, _, transmit = _HEADER.unpack_from(
        data
    )
    leap, version, mode = first >> 6, first >> 3 & 7, first & 7
    if not 1 <= version <= 4:
        return Refusal.VERSION
    if mode != _SERVER_MODE:
        return Refusal.MODE
    if origin != cookie:  # RFC 5905 §8: bogus, or the answer to an earlier question
        return Refusal.ORIGIN
    if stratum == 0 and refid in _KISSES:
        return _KISSES[refid]
    if not transmit:
        return Refusal.ZERO_TRANSMIT
    distances = delay / _SHORT_FORMAT, dispersion / _SHORT_FORMAT
    return Reply(leap, version, mode, stratum, poll, precision, *distances, refid, _age(reference, transmit))


def _age(reference: int, transmit: int) -> float | None:
    """Seconds from `reference` to `transmit`, also across an era (2036): the nearer way round (RFC 5905 §6)."""
    if reference == 0:
        return None
    difference = (transmit - reference) % _ERA
    return (difference if difference < _ERA // 2 else difference - _ERA) / _TIMESTAMP_FORMAT
