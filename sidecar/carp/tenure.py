"""What belongs to one state only: made when the state is entered, gone when it is left. And the lots of equals."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from math import inf
from typing import Final

from sidecar.carp.config import Family
from sidecar.carp.effects import Announce, Reason, State
from sidecar.carp.events import AdvertisementReceived
from sidecar.carp.peers import Peer
from sidecar.carp.receive import Speaker
from sidecar.carp.verdict import Verdict

ASK_AGAIN: Final = 60.0
"""Seconds until a demoted master tries again to hand over to a peer that would not preempt."""
RAREST: Final = 3600.0
CROSSING: Final = 0.01
"""Seconds after a new master's first word in which an equal may not have heard it: a way to and fro, late wake-ups."""
YIELDS: Final = {Verdict.BETTER: Reason.BETTER_PEER, Verdict.EQUAL: Reason.EQUAL_PEER}
"""Why a master gives way."""


class Then(IntEnum):
    """What follows a hand-over: STAY when nobody took over; REST and STOP in any case. The greater one prevails."""

    STAY = 0
    REST = 1
    STOP = 2


ENDS_AS: Final = {
    Then.STAY: (State.BACKUP, Reason.STEPPED_DOWN),
    Then.REST: (State.BACKUP, Reason.RESIGNED),
    Then.STOP: (State.INIT, Reason.SHUTDOWN),
}


@dataclass(frozen=True, slots=True)
class Handover:
    """A hand-over under way. ``rest``: seconds to take no part afterwards."""

    until: float
    then: Then
    detail: str
    rest: float = 0.0


@dataclass(frozen=True, slots=True)
class Takeover:
    """An invitation that will be followed unless a better backup speaks first."""

    at: float
    reason: Reason
    detail: str


@dataclass(slots=True)
class Mastership:
    """The deadlines of a master, and when it last told a worse one to go."""

    advertise_at: float
    insisted_at: float = -inf
    step_down_at: float | None = None
    pause: float = ASK_AGAIN
    handover: Handover | None = None
    tie_family: Family | None = None
    holds_since: float = inf
    """When the kernel said that it owns the addresses; nothing is said before, and the first word then."""
    insists_again: bool = False
    """A worse one spoke within the pause: our words may have crossed, and the next ones come at its end."""

    @property
    def holds(self) -> bool:
        """Whether it owns the addresses and has said so."""
        return self.holds_since < inf

    def outdoes(self, event: AdvertisementReceived, verdict: Verdict, now: float) -> bool:
        """Whether to stay master and say so. The hearer yields to an equal, too, unless it is of carp-sidecar.

        But not to what crosses its first word: the other one hears that and yields, and then nobody would be left.
        Of two of carp-sidecar sources decide, and may decide otherwise on the other family: the first one heard of
        counts, IPv4 rather than IPv6.
        """
        if verdict is not Verdict.EQUAL:
            return verdict not in YIELDS
        if event.speaker is not Speaker.CARP_SIDECAR:
            return self.handover is None and self.holds_since <= now < self.holds_since + CROSSING
        self.tie_family = event.family if self.tie_family is None else min(event.family, self.tie_family)
        return event.family is not self.tie_family or not event.outranks

    def due(self) -> float:
        """The first of its deadlines; a hand-over silences the others."""
        if self.handover is not None:
            return self.handover.until
        if self.step_down_at is None:
            return self.advertise_at
        return min(self.advertise_at, self.step_down_at)

    def insists(self, now: float, pause: float) -> bool:
        """Whether to tell a worse one to go at once, which is done once in a pause; else it is when that ends."""
        self.insists_again = now - self.insisted_at < pause
        if self.insists_again:
            self.speak_by(self.insisted_at + pause)
        else:
            self.insisted_at = now
        return not self.insists_again

    def owes(self, now: float) -> tuple[Announce, ...]:
        """What goes with the advertisement that leaves now when that is one owed to a worse master."""
        if not self.insists_again:
            return ()
        self.insists_again, self.insisted_at = False, now
        return (Announce(),)

    def speak_by(self, at: float) -> None:
        """Nothing left: try again then, if it is sooner. Who is demoted for it speaks rarely, and may be alone."""
        self.advertise_at = min(self.advertise_at, at)

    def advertised(self, now: float, interval: float) -> None:
        """The next one an interval after this one was due, or after now when that is past."""
        due = self.advertise_at + interval
        self.advertise_at = due if now < due <= now + interval else now + interval

    def demoted(self, rise: int, total: int, at: float) -> None:
        """The demotion changed: a rise is a reason to step down at this time, none at all is none."""
        if total == 0:
            self.step_down_at = None
        elif rise > 0:
            self.step_down_by(at)

    def step_down_by(self, at: float) -> None:
        """Think of stepping down at this time, or before when that was planned."""
        self.step_down_at = at if self.step_down_at is None else min(at, self.step_down_at)
        self.pause = ASK_AGAIN

    def step_down_again(self, now: float, *, urgent: bool) -> None:
        """Think of it again: every minute when it is urgent, else ever more rarely, for whom we ask may be gone."""
        self.step_down_at = now + self.pause
        if not urgent:
            self.pause = min(2 * self.pause, RAREST)

    def would_hand_over(self, then: Then) -> bool:
        """Whether a request adds anything to the hand-over under way."""
        return self.handover is None or then > self.handover.then


class Lots:
    """Equal nodes draw lots: what they heard at the same moment they would answer at the same moment, find each other
    master, yield, and so for ever. Nothing is drawn before an equal peer is known."""

    __slots__ = ("_jitter", "needed")

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self.needed = False

    def draw(self) -> float:
        """The part of the longest wait that it gets: a number in [0, 1)."""
        return self._jitter() if self.needed else 0.0


class Standby:
    """The silence timers of a backup, one a family: an advertisement re-arms only its own, any one may expire."""

    __slots__ = ("_masters", "_wary_until", "heard", "left_alone", "lot", "takeover")

    def __init__(self, families: Iterable[Family], now: float, lot: float = 0.0, wary: float = 0.0) -> None:
        """``lot``: the part of the longest wait by which it is behind others who have heard the same; ``wary``:
        seconds in which it does not follow carp-sidecar's invitations."""
        self.heard = dict.fromkeys(families, now)
        self.lot = lot
        self.takeover: Takeover | None = None
        self.left_alone = 0
        """Units of advskew and demotion that the master showed which we last left alone."""
        self._wary_until = now + wary
        self._masters: dict[Family, bytes] = {}

    def hear(self, family: Family, source: bytes, now: float) -> None:
        """A master spoke on this family."""
        self.heard[family] = now
        self._masters[family] = source

    def leave_alone(self, peer: Peer) -> None:
        """This master is no worse than we are."""
        self.takeover = None
        self.left_alone = peer.units

    def follow(self, family: Family, source: bytes, now: float) -> None:
        """Give way to this master: only what is heard of it from now on has a timer.

        A family that is cut off would otherwise make a backup take over, and yield, every few seconds for ever.
        """
        self.heard = {}
        self.hear(family, source, now)

    def is_wary_of(self, speaker: Speaker, now: float) -> bool:
        """Whether an invitation may be a recording: of carp-sidecar, while there was no time to hear anything newer."""
        return speaker is Speaker.CARP_SIDECAR and now < self._wary_until

    def is_left_by(self, family: Family, source: bytes) -> bool:
        """Whether a goodbye comes from the master, not from one that another has taken over from meanwhile."""
        return self._masters.get(family, source) == source

    def due(self, patience: float, longest_wait: float) -> float:
        """The first of its deadlines: silence for too long, or an invitation."""
        silence = min(self.heard.values()) + patience + self.lot * longest_wait
        return silence if self.takeover is None else min(silence, self.takeover.at)

    def takeover_due(self, now: float) -> Takeover:
        """Why to take over, when a deadline has come."""
        if self.takeover is not None and now >= self.takeover.at:
            return self.takeover
        silent = now - min(self.heard.values())
        return Takeover(now, Reason.MASTER_DOWN, f"nothing heard for {silent:.3f} s")

    def invite(self, takeover: Takeover) -> None:
        """Follow an invitation, unless an earlier one stands."""
        if self.takeover is None or takeover.at < self.takeover.at:
            self.takeover = takeover

    def think_again(self, wary_until: float) -> None:
        """What we are has changed: the next advertisement of a worse master invites again. One that left did leave.

        Who has a shorter interval now has listened for long enough sooner.
        """
        self._wary_until = min(self._wary_until, wary_until)
        if self.takeover is not None and self.takeover.reason is not Reason.PEER_BOWED_OUT:
            self.takeover = None
