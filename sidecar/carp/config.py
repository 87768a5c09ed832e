"""What one virtual host is, as values that cannot change: a reload makes a new one.

All arithmetic of the protocol's intervals lives here, in whole microseconds as the kernels compute it.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from ipaddress import IPv4Address, IPv6Address

from sidecar.carp.constants import MASTER_DOWN_INTERVALS, MAX_DEMOTED_ADVSKEW, MICROSECONDS, SKEW_PARTS

Address = IPv4Address | IPv6Address


class Family(IntEnum):
    """An address family, by the number people know it by."""

    V4 = 4
    V6 = 6


class Dialect(StrEnum):
    """How demotion travels, how long a backup waits, and whether a link-local address is signed."""

    FREEBSD = "freebsd"
    """Demotion adds to advskew; 3 * advbase + advskew/256; link-local addresses are in the digest."""
    OPENBSD = "openbsd"
    """Demotion in a byte of its own; 3 * (advbase + advskew/256); link-local addresses are left out when signing."""


def interval_us(advbase: int, advskew: int) -> int:
    """Microseconds between two advertisements of a master (carp(4): advbase + advskew/256 s).

    advbase 0 with advskew 0, which only a peer can send, counts as 1/256 s (OpenBSD).
    """
    return advbase * MICROSECONDS + (advskew if advbase else max(advskew, 1)) * MICROSECONDS // SKEW_PARTS


def master_down_us(advbase: int, advskew: int, dialect: Dialect) -> int:
    """Microseconds of silence after which a backup takes over.

    FreeBSD, NetBSD, ucarp: 3 * advbase + advskew/256 s. OpenBSD: 3 * (advbase + advskew/256) s. With advbase 0 the
    first form would be a third of the second and flap, so both use OpenBSD's (ip_carp.c, carp_setrun).
    """
    if dialect is Dialect.OPENBSD or advbase == 0:
        return MASTER_DOWN_INTERVALS * interval_us(advbase, advskew)
    return MASTER_DOWN_INTERVALS * advbase * MICROSECONDS + advskew * MICROSECONDS // SKEW_PARTS


@dataclass(frozen=True, slots=True)
class Config:
    """One virtual host. Values are validated before they get here (settings); ranges as in carp(4)."""

    vhid: int
    addresses: tuple[Address, ...]
    advbase: int = 1
    advskew: int = 0
    preempt: bool = True
    dialect: Dialect = Dialect.FREEBSD
    peers: tuple[Address, ...] = ()

    @property
    def families(self) -> tuple[Family, ...]:
        """Families that this virtual host advertises on: those of its addresses."""
        versions = {address.version for address in self.addresses}
        return tuple(family for family in Family if family.value in versions)

    @property
    def sign_link_local(self) -> bool:
        """Whether link-local addresses are part of the digest that we send."""
        return self.dialect is Dialect.FREEBSD

    def effective_advskew(self, demotion: int) -> int:
        """The advskew to advertise and to compare with, 0-254, for a total demotion."""
        if self.dialect is Dialect.OPENBSD:
            return self.advskew
        return max(self.advskew, min(MAX_DEMOTED_ADVSKEW, self.advskew + demotion))

    def handicap(self, demotion: int) -> int:
        """Units of advskew that a node waits longer by than its effective advskew says, so that fitter ones go first.

        OpenBSD's demotion is not in the advskew at all; FreeBSD's makes all those equal that it raises to its limit.
        """
        if self.dialect is Dialect.OPENBSD:
            return self.demote_byte(demotion)
        clamped = demotion > 0 and self.effective_advskew(demotion) >= MAX_DEMOTED_ADVSKEW
        return self.advskew if clamped else 0

    def demote_byte(self, demotion: int) -> int:
        """The demotion that travels in a byte of its own, 0-255."""
        return min(255, demotion) if self.dialect is Dialect.OPENBSD else 0
