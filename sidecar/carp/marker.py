"""Our own counter: 64 bits that only a holder of the key can have made, and that say what the header should say.

::

     63                              30 29    26 25          18 17    14 13                      0
    +----------------------------------+--------+--------------+--------+--------------------------+
    |             ticks (34)           |advbase |   advskew    | demote |        mark (14)         |
    +----------------------------------+--------+--------------+--------+--------------------------+

CARP's digest covers the counter and nothing else that matters, so what stands here cannot be altered on the wire, and
a header that disagrees was. ``mark`` is a keyed function of the ticks: ucarp, FreeBSD and NetBSD continue the counter
they heard by adding one, which breaks it, so theirs are not taken for ours. To every other implementation it is an
ordinary counter. Decision 9 counts the bits.
"""

import hashlib
from typing import Final, NamedTuple

from sidecar.carp.constants import BOW_OUT

TICKS_PER_SECOND: Final = 16
EPOCH: Final = 1_767_225_600
"""Unix time at which the clock's ticks begin: 2026-01-01. They end in 2060."""
MAX_TICKS: Final = (1 << 34) - 1

_TICKS_SHIFT: Final = 30
_MARK_BITS: Final = 14
_MARK_MASK: Final = (1 << _MARK_BITS) - 1
_LARGE: Final = 15
"""advbase from here on stands in the low byte of the ticks; with advskew 255 this is a bow-out."""
_LOW_BYTE: Final = 0xFF
_STEPS: Final = bytes(min(-(-demote // 16), 15) for demote in range(256))
"""OpenBSD's byte as four bits: 0 for 0, 1 for 1-16, ... 15 for 225-255."""
_BLOCK: Final = 64
_SANE: Final = range(1, MAX_TICKS - (1 << 31))
"""What a clock may say; four years of counting are left beyond."""


class Sealed(NamedTuple):
    """What a marked counter says. ``demote``: OpenBSD's byte in steps of 16, rounded up, 0 when there is none."""

    ticks: int
    advbase: int
    advskew: int
    demote: int

    def agrees_with(self, advbase: int, advskew: int, demote: int) -> bool:
        """Whether a header says the same; in a bow-out the demotion means nothing."""
        if self.advbase != advbase or self.advskew != advskew:
            return False
        return self.demote == _STEPS[demote] or advbase == advskew == BOW_OUT


class Marker:
    """Makes and reads marked counters with one key."""

    __slots__ = ("_keyed",)

    def __init__(self, secret: bytes) -> None:
        """``secret`` as the digest uses it: zeros at its end make no difference."""
        derived = hashlib.blake2s(secret.ljust(_BLOCK, b"\0"), person=b"carpmark").digest()
        self._keyed = hashlib.blake2s(key=derived, digest_size=2)

    def seal(self, ticks: int, advbase: int, advskew: int, demote: int) -> int:
        """The counter. ``ticks`` as ``fit`` gave them for this advbase and advskew."""
        said = min(advbase, _LARGE) << 12 | advskew << 4 | (0 if advbase == advskew == BOW_OUT else _STEPS[demote])
        return ticks << _TICKS_SHIFT | said << _MARK_BITS | self._mark(ticks)

    def read(self, counter: int) -> Sealed | None:
        """What it says, or None when it is not ours."""
        ticks = counter >> _TICKS_SHIFT
        if self._mark(ticks) != counter & _MARK_MASK:
            return None
        advbase, advskew, demote = counter >> 26 & 0xF, counter >> 18 & 0xFF, counter >> _MARK_BITS & 0xF
        if advbase == _LARGE:
            advbase = BOW_OUT if advskew == BOW_OUT else ticks & _LOW_BYTE
        return Sealed(ticks, advbase, advskew, demote)

    def _mark(self, ticks: int) -> int:
        keyed = self._keyed.copy()
        keyed.update(ticks.to_bytes(5, "big"))
        return int.from_bytes(keyed.digest(), "big") & _MARK_MASK


def fit(ticks: int, advbase: int, advskew: int) -> int:
    """The first ticks from these on that can carry this advbase: any below 15 s, else those with it as low byte."""
    if advbase < _LARGE or advskew == BOW_OUT:
        return min(ticks, MAX_TICKS)
    fitting = (ticks & ~_LOW_BYTE) | advbase
    return min(fitting if fitting >= ticks else fitting + _LOW_BYTE + 1, (MAX_TICKS & ~_LOW_BYTE) | advbase)


def ticks_of(unix_time: float) -> int:
    """The ticks of a wall clock; 0 for one that cannot be right, so that it neither counts nor uses up the space."""
    ticks = int((unix_time - EPOCH) * TICKS_PER_SECOND)
    return ticks if ticks in _SANE else 0
