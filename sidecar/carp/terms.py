"""What a configuration and a total demotion amount to: computed when either changes, read at every advertisement."""

from dataclasses import dataclass
from typing import Final

from sidecar.carp.config import Config, interval_us
from sidecar.carp.constants import BOW_OUT, FULL_DEMOTION, MASTER_DOWN_INTERVALS, MICROSECONDS
from sidecar.carp.effects import Reason, SendAdvertisement
from sidecar.carp.packet import Advertisement
from sidecar.carp.peers import Peer
from sidecar.carp.verdict import Standing, Verdict, compare, judge, our_standing, patience_us, their_standing

HANDOVER_LIMIT: Final = 1.0
"""Seconds that a leaving master keeps answering while it waits for a successor's advertisement."""
DECLINE: Final = 1.5
"""Seconds that a backup lets a demoted master which is no worse than itself look for a better one: longer than
HANDOVER_LIMIT, so that such a master comes back first and equal demotion moves nothing."""
STAGGER: Final = 0.00025
"""Seconds per unit of effective advskew before a backup answers an invitation that every backup heard, so that the best
one speaks first and the others never own the address for a moment."""

STEP_DOWN_AGAIN: Final = 60.0
"""Seconds between attempts of a demoted master to hand over to a peer that would not preempt."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Seconds, unless a name says otherwise."""

    config: Config
    demotion: int
    advskew: int
    standing: Standing
    interval: float
    """Between two of our advertisements."""
    plain_interval: float
    """The same, were we not demoted."""
    patience_us: int
    patience: float
    """Of silence, before we take over."""
    advertisement: SendAdvertisement
    bow_out: SendAdvertisement

    @classmethod
    def of(cls, config: Config, demotion: int) -> "Terms":
        """The terms of a virtual host whose causes of demotion sum up to ``demotion``."""
        advskew = config.effective_advskew(demotion)
        standing = our_standing(config, demotion)
        patience = patience_us(config, demotion)
        demote = config.demote_byte(demotion)
        return cls(
            config=config,
            demotion=demotion,
            advskew=advskew,
            standing=standing,
            interval=standing.interval / MICROSECONDS,
            plain_interval=interval_us(config.advbase, config.advskew) / MICROSECONDS,
            patience_us=patience,
            patience=patience / MICROSECONDS,
            advertisement=SendAdvertisement(config.advbase, advskew, demote),
            bow_out=SendAdvertisement(BOW_OUT, BOW_OUT, demote),
        )

    @property
    def handover_limit(self) -> float:
        """How long a hand-over may take: a second, less where a lease of a second must outlive it."""
        return min(HANDOVER_LIMIT, MASTER_DOWN_INTERVALS * self.plain_interval + HANDOVER_LIMIT / 4)

    @property
    def stagger(self) -> float:
        """How long to let better backups go first, when all were invited by the same advertisement."""
        return self.config.effective_advskew(self.demotion) * STAGGER

    def stagger_after(self, leaver: Peer) -> float:
        """The same after a bow-out: a fully demoted leaver may only have stepped down to look for somebody fit."""
        fully_demoted = leaver.advskew >= FULL_DEMOTION or leaver.demote > 0
        no_better = self.compare(leaver) in {Verdict.BETTER, Verdict.EQUAL}
        return DECLINE if self.demotion and fully_demoted and no_better else self.stagger

    def reason_to_take_over(self, verdict: Verdict) -> Reason | None:
        """Why a backup should not leave such a master alone, or None when it should."""
        if verdict is Verdict.HOPELESS:
            return Reason.PEER_TOO_SLOW
        if verdict is Verdict.DEMOTED:
            return Reason.PEER_DEMOTED
        return Reason.PREEMPT if verdict is Verdict.SLOWER and self.config.preempt else None

    def judge(self, advertisement: Advertisement) -> Verdict:
        """The verdict over an advertisement."""
        return judge(self.config, self.standing, self.patience_us, advertisement)

    def compare(self, peer: Peer) -> Verdict:
        """The verdict over what a peer last said."""
        return compare(self.standing, their_standing(self.config, peer.advbase, peer.advskew, peer.demote))
