"""Who is better: one pure function over what two nodes say of themselves (ip_carp.c, carp_proto_input_c)."""

from enum import Enum, auto
from typing import NamedTuple

from sidecar.carp.config import Config, Dialect, interval_us, master_down_us
from sidecar.carp.constants import MICROSECONDS, SKEW_PARTS
from sidecar.carp.packet import Advertisement


class Standing(NamedTuple):
    """What decides between two nodes: less demotion first, then the shorter interval (microseconds)."""

    demotion: int
    interval: int


class Verdict(Enum):
    """What a peer is, seen from here."""

    BETTER = auto()
    EQUAL = auto()
    SLOWER = auto()
    DEMOTED = auto()
    """OpenBSD's byte says it would rather not serve: taken over even without preempt."""
    HOPELESS = auto()
    """It bowed out, or speaks so rarely that it would time out anyway: taken over even without preempt."""


def our_standing(config: Config, demotion: int) -> Standing:
    """How this node stands with a total demotion."""
    return Standing(config.demote_byte(demotion), interval_us(config.advbase, config.effective_advskew(demotion)))


def their_standing(config: Config, advbase: int, advskew: int, demote: int) -> Standing:
    """How a peer stands by what it said; OpenBSD's byte counts in OpenBSD's dialect only."""
    return Standing(demote if config.dialect is Dialect.OPENBSD else 0, interval_us(advbase, advskew))


def patience_us(config: Config, demotion: int) -> int:
    """Microseconds of silence before this node takes over.

    With the effective advskew and a handicap, so that of two backups the one that is fit goes first; the kernels wait
    with the configured one, which is never longer, so a mixed group stays safe.
    """
    handicap = config.handicap(demotion) * MICROSECONDS // SKEW_PARTS
    return master_down_us(config.advbase, config.effective_advskew(demotion), config.dialect) + handicap


def compare(ours: Standing, theirs: Standing) -> Verdict:
    """BETTER, EQUAL, SLOWER or DEMOTED; whether a peer is HOPELESS needs its advertisement (``judge``)."""
    if theirs.demotion != ours.demotion:
        return Verdict.DEMOTED if theirs.demotion > ours.demotion else Verdict.BETTER
    if theirs.interval == ours.interval:
        return Verdict.EQUAL
    return Verdict.BETTER if theirs.interval < ours.interval else Verdict.SLOWER


def judge(config: Config, ours: Standing, patience: int, advertisement: Advertisement) -> Verdict:
    """The verdict over one advertisement. OpenBSD skips the patience rule at advbase 0, a bow-out counts always."""
    ad = advertisement
    theirs = their_standing(config, ad.advbase, ad.advskew, ad.demote)
    too_slow = config.advbase > 0 and patience < theirs.interval
    if ad.is_bow_out or (too_slow and theirs.demotion >= ours.demotion):
        return Verdict.HOPELESS
    return compare(ours, theirs)
