"""What a configuration and a total demotion amount to: computed when either changes, read at every advertisement."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from sidecar.carp.config import Config, Dialect, Family, interval_us
from sidecar.carp.constants import BOW_OUT, FULL_DEMOTION, MICROSECONDS
from sidecar.carp.effects import Reason, SendAdvertisement
from sidecar.carp.packet import Advertisement
from sidecar.carp.peers import Peer
from sidecar.carp.tenure import Then
from sidecar.carp.verdict import Standing, Verdict, compare, judge, our_standing, patience_us, their_standing

HANDOVER_LIMIT: Final = 1.0
"""Seconds that a leaving master keeps answering while it waits for a successor's advertisement."""
FAST_HANDOVER_LIMIT: Final = 0.75
"""The same at advbase 0, where a lease of a second must outlive it. Alike for all: who is slow to follow a goodbye must
know how long the leaver answers, and the leaver's advskew does not tell."""
ASK: Final = 0.5
"""The part of it that a demoted master waits which only asks whether anybody fit is there."""
DECLINE: Final = 0.75
"""The part of it that a demoted backup lets pass when a master that may be demoted as much, and is no worse, says
goodbye; and any backup when one that is fully demoted and still better does. One that only asked is back by then, and
equal demotion moves nothing; one that leaves still answers."""
STAGGER: Final = 0.00025
"""Seconds per unit of effective advskew before a backup answers an invitation that every backup heard, so that the best
one speaks first and the others never own the address for a moment."""
NEARER: Final = ((48, 0.0005), (4, 0.00125))
"""Seconds more for each of the first units: `auto` chooses from 48, and a group is often numbered through."""
APART: Final = 0.002
"""Seconds after a better backup that we know of: the goodbye's jitter, a late wake-up, a kernel told the address."""
LOT_STAGGER: Final = 0.02
"""Seconds within which equals draw the moment to answer an invitation."""
LOT_PATIENCE: Final = 0.25
"""Advertisement intervals within which equals draw how much longer to bear silence."""
WARY: Final = 1.25
"""Advertisement intervals that a node listens for when it begins, before it follows an invitation of carp-sidecar: it
knows of nothing yet that a recording would be older than. A master that is better than we are has spoken by then."""
REMEMBERED: Final = 64
"""Verdicts kept; a stranger with the key could ask for 2**24."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Seconds, unless a name says otherwise."""

    config: Config
    demotion: int
    families: tuple[Family, ...]
    advskew: int
    standing: Standing
    interval: float
    """Between two of our advertisements."""
    plain_interval: float
    """The same, were we not demoted."""
    patience_us: int
    patience: float
    """Of silence, before we take over."""
    lot: float
    """The most that an equal waits longer."""
    advertisement: SendAdvertisement
    bow_out: SendAdvertisement
    verdicts: dict[tuple[int, int, int], Verdict] = field(default_factory=dict, compare=False, repr=False)
    """What was judged before: a master says the same all day."""

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
            families=config.families,
            advskew=advskew,
            standing=standing,
            interval=standing.interval / MICROSECONDS,
            plain_interval=interval_us(config.advbase, config.advskew) / MICROSECONDS,
            patience_us=patience,
            patience=patience / MICROSECONDS,
            lot=standing.interval / MICROSECONDS * LOT_PATIENCE,
            advertisement=SendAdvertisement(config.advbase, advskew, demote),
            bow_out=SendAdvertisement(BOW_OUT, BOW_OUT, demote),
        )

    def handover_limit(self, then: Then) -> float:
        """How long a hand-over may take: a second, less where a lease of a second must outlive it."""
        return self._leaving * (ASK if then is Then.STAY else 1)

    @property
    def wary(self) -> float:
        """How long a node that begins does not follow carp-sidecar's invitations."""
        return self.interval * WARY

    @property
    def _leaving(self) -> float:
        return HANDOVER_LIMIT if self.config.advbase else FAST_HANDOVER_LIMIT

    def stagger(self, left_alone: int, peers: Iterable[Peer]) -> float:
        """How long to let better backups go first, when all were invited by the same advertisement.

        ``left_alone``: units of the master that we had not taken over from; who preempts knows of no better backup.
        ``peers`` are known from when they were master; others are not, for a backup is silent.
        """
        first = left_alone if self.config.preempt and left_alone <= self._units else 0
        ours = self._wait(self._units - first)
        better = max((peer.units for peer in peers if self.compare(peer) is Verdict.BETTER), default=first)
        if better <= first:
            return ours
        return max(ours, self._wait(better - first) + APART + (self._units - better) * STAGGER)

    def stagger_after(self, leaver: Peer, left_alone: int, peers: Iterable[Peer]) -> float:
        """The same after a bow-out: a demoted leaver may only have stepped down to look for somebody fit.

        A node whose own advskew is worse than that is none, to its eyes: it would be told to go.
        """
        verdict, at_the_limit = self.compare(leaver), leaver.advskew >= FULL_DEMOTION
        we_are_too = self.demotion > 0 and self._may_be_demoted_as_we_are(leaver)
        if (at_the_limit and verdict is Verdict.BETTER) or (we_are_too and verdict in {Verdict.BETTER, Verdict.EQUAL}):
            return self._leaving * DECLINE + self._units * STAGGER
        return self.stagger(left_alone, (peer for peer in peers if peer is not leaver))

    @property
    def _units(self) -> int:
        return self.advskew + self.config.handicap(self.demotion)

    def _wait(self, units: int) -> float:
        """Seconds for so many units: beyond what each is worth a part of our interval at most."""
        near = sum(min(units, first) * more for first, more in NEARER)
        return units * STAGGER + min(near, self.interval / 4)

    def _may_be_demoted_as_we_are(self, peer: Peer) -> bool:
        """FreeBSD's demotion is part of the advskew: what is below ours cannot be demoted as much."""
        in_advskew = self.config.dialect is Dialect.FREEBSD
        return peer.demote > 0 or peer.advskew >= (min(self.demotion, FULL_DEMOTION) if in_advskew else FULL_DEMOTION)

    def is_worse_than_any(self, peers: Iterable[Peer]) -> bool:
        """Whether one of them was better when it last spoke; that it left since does not mean that it is not back."""
        return any(self.compare(peer) is Verdict.BETTER for peer in peers)

    def reason_to_take_over(self, verdict: Verdict) -> Reason | None:
        """Why a backup should not leave such a master alone, or None when it should."""
        if verdict is Verdict.BETTER:
            return None
        if verdict is Verdict.HOPELESS:
            return Reason.PEER_TOO_SLOW
        if verdict is Verdict.DEMOTED:
            return Reason.PEER_DEMOTED
        return Reason.PREEMPT if verdict is Verdict.SLOWER and self.config.preempt else None

    def judge(self, advertisement: Advertisement) -> Verdict:
        """The verdict over an advertisement."""
        said = (advertisement.advbase, advertisement.advskew, advertisement.demote)
        verdict = self.verdicts.get(said)
        if verdict is None:
            if len(self.verdicts) >= REMEMBERED:
                self.verdicts.clear()
            verdict = self.verdicts[said] = judge(self.config, self.standing, self.patience_us, advertisement)
        return verdict

    def compare(self, peer: Peer) -> Verdict:
        """The verdict over what a peer last said."""
        return compare(self.standing, their_standing(self.config, peer.advbase, peer.advskew, peer.demote))
