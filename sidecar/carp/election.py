"""The election of one virtual host. Nothing outside this file changes its state or its deadline.

One event in, a tuple of effects out, time as an argument (monotonic seconds). ``_enter`` is the only place that
assigns the state, ``_arm`` the only one that assigns the deadline; ``_arm`` is level-triggered and may run any number
of times. INIT has no deadline; BACKUP and MASTER always have one, in the future.

A master that leaves in peace hands over: it bows out, stays master without another word, and lets go when the
successor speaks or the hand-over times out (make before break).
"""

from collections.abc import Callable
from typing import Final, assert_never

from sidecar.carp import effects as do
from sidecar.carp import events as on
from sidecar.carp.config import Config, Family
from sidecar.carp.constants import FULL_DEMOTION
from sidecar.carp.demotion import ADDRESSES, SEND_ERRORS, DemotionLedger, SendErrors
from sidecar.carp.effects import Effect, Reason, State
from sidecar.carp.events import Event
from sidecar.carp.peers import Peer, PeerTable
from sidecar.carp.status import Status
from sidecar.carp.tenure import ASK_AGAIN, ENDS_AS, YIELDS, Handover, Lots, Mastership, Standby, Takeover, Then
from sidecar.carp.terms import LOT_STAGGER, Terms
from sidecar.carp.verdict import Verdict

Effects = tuple[Effect, ...]

_INIT, _MASTER, _EQUAL = State.INIT, State.MASTER, Verdict.EQUAL
"""By names of their own where every advertisement passes: an enumeration looks its members up by a long way."""
_SOON: Final = 0.001
_RENEW: Final[Effects] = (do.RenewLease(),)
_NOTHING: Final[Effects] = ()


class Election:
    """``handle(event, now) -> effects``, ``deadline``, ``status``: three members and nothing else."""

    def __init__(self, config: Config, jitter: Callable[[], float] = float) -> None:
        """``jitter``: a number in [0, 1), drawn when an equal peer is known; 0.0 by default."""
        self._config = config
        self._lots = Lots(jitter)
        self._state = State.INIT
        self._since = 0.0
        self._reason = "not started"
        self._deadline: float | None = None
        self._started = self._stopping = self._carpdev_up = False
        self._resting_until: float | None = None
        self._ledger = DemotionLedger()
        self._send_errors = SendErrors()
        self._peers = PeerTable()
        self._last_master: Peer | None = None
        self._standby = Standby(config.families, 0.0)
        self._mastership = Mastership(0.0)
        self._terms = Terms.of(config, 0)

    @property
    def deadline(self) -> float | None:
        """When ``DeadlineReached`` is due, in monotonic seconds; None while INIT."""
        return self._deadline

    @property
    def status(self) -> Status:
        """A picture of now."""
        return Status(
            config=self._config,
            state=self._state,
            since=self._since,
            reason=self._reason,
            effective_advskew=self._terms.advskew,
            demotion=self._ledger.total,
            causes=self._ledger.causes,
            handing_over=self._state is State.MASTER and self._mastership.handover is not None,
            resting_until=self._resting_until,
            master=self._last_master,
            peers=tuple(self._peers.all()),
        )

    def handle(self, event: Event, now: float) -> Effects:
        """Everything that happens passes here; the effects are to be applied in their order."""
        if isinstance(event, on.AdvertisementReceived):
            effects = self._on_advertisement(event, now)
        elif isinstance(event, on.DeadlineReached):
            effects = self._on_deadline(now)
        elif isinstance(event, on.AdvertisementSent):
            effects = self._on_sent(now)
        else:
            effects = self._dispatch_rare(event, now)
        self._arm(now)
        return effects

    def _dispatch_rare(self, event: on.RareEvent, now: float) -> Effects:  # noqa: PLR0911 - one arm an event
        match event:
            case on.Started():
                self._started = True
                return self._begin(Reason.STARTED, "", now)
            case on.CarpdevChanged():
                return self._on_carpdev(event, now)
            case on.DemotionSet():
                return self._demote(event.cause, event.amount, now)
            case on.AdvertisementFailed():
                self._send_errors.failed()
                self._mastership.speak_by(now + self._terms.plain_interval)
                return self._demote(SEND_ERRORS, self._send_errors.demotion, now)
            case on.AddressesHeld():
                return self._on_held(now)
            case on.AddressesFailed():
                return self._on_addresses_failed(event.detail, now)
            case on.StepDownRequested():
                return self._hand_over(Then.STAY, event.detail, now)
            case on.ResignRequested():
                return self._on_resign(event.seconds, now)
            case on.ConfigChanged():
                return self._on_config(event.config, now)
            case on.ShutdownRequested():
                return self._on_shutdown(now)
            case _:
                assert_never(event)

    def _enter(self, state: State, reason: Reason, detail: str, now: float) -> Effect:
        """The only assignment of the state; what belonged to the old one goes with it."""
        old, self._state = self._state, state
        self._since = now
        self._reason = f"{reason}: {detail}" if detail else str(reason)
        wary = self._terms.wary if old is State.INIT else 0.0
        self._standby = Standby(self._terms.families, now, self._lots.draw(), wary)
        self._mastership = Mastership(now)
        return do.StateChanged(old, state, reason, detail)

    def _arm(self, now: float) -> None:
        """The only assignment of the deadline, from what is true now."""
        if self._state is _INIT:
            self._deadline = None
            return
        if self._state is _MASTER:
            due = self._mastership.due()
        elif self._resting_until is None:
            due = self._standby.due(self._terms.patience, self._terms.lot)
        else:
            due = self._resting_until
        self._deadline = due if due > now else now + _SOON

    def _begin(self, reason: Reason, detail: str, now: float) -> Effects:
        """Take part. What failed on a carpdev that has gone is forgiven: a backup could never show that it is well."""
        if not self._started or self._stopping or not self._carpdev_up or self._state is not State.INIT:
            return _NOTHING
        self._send_errors = SendErrors()
        forgiven = (*self._demote(SEND_ERRORS, 0, now), *self._demote(ADDRESSES, 0, now))
        return (self._enter(State.BACKUP, reason, detail, now), *forgiven)

    def _leave_for(self, state: State, reason: Reason, detail: str, now: float) -> Effects:
        """Stop being master or backup; a master releases before anything else."""
        release: Effects = (do.ReleaseAddresses(),) if self._state is State.MASTER else _NOTHING
        return (*release, self._enter(state, reason, detail, now))

    def _on_carpdev(self, event: on.CarpdevChanged, now: float) -> Effects:
        self._carpdev_up = event.up
        if event.up:
            return self._begin(Reason.CARPDEV_UP, event.detail, now)
        if self._state is State.INIT:
            self._reason = f"{Reason.CARPDEV_DOWN}: {event.detail}"
            return _NOTHING
        effects = self._leave_for(State.INIT, Reason.CARPDEV_DOWN, event.detail, now)
        return (*effects, do.Stopped()) if self._stopping else effects

    def _on_shutdown(self, now: float) -> Effects:
        if self._stopping:
            return _NOTHING
        self._stopping = True
        if self._state is State.MASTER:
            return self._hand_over(Then.STOP, "", now)
        left = () if self._state is State.INIT else (self._enter(State.INIT, Reason.SHUTDOWN, "", now),)
        return (*left, do.Stopped())

    def _on_config(self, config: Config, now: float) -> Effects:
        if config == self._config:
            return _NOTHING
        moved = config.addresses != self._config.addresses
        self._config = config
        self._terms = Terms.of(config, self._ledger.total)
        self._lots.needed = False
        self._standby.think_again(self._since + self._terms.wary)
        self._standby.heard = {family: self._standby.heard.get(family, now) for family in config.families}
        if self._state is not State.MASTER:
            return _NOTHING
        hold: Effects = (do.HoldAddresses(config.addresses), do.Announce()) if moved else _NOTHING
        return hold if self._mastership.handover is not None else (*self._advertise(now), *hold)

    def _become_master(self, reason: Reason, detail: str, now: float) -> Effects:
        """Own the addresses first: a predecessor lets go when it hears us, and nothing may be asked in vain between."""
        changed = self._enter(State.MASTER, reason, detail, now)
        self._last_master = None
        if self._ledger.total:
            self._mastership.step_down_by(now + ASK_AGAIN)
        return (changed, do.HoldAddresses(self._config.addresses))

    def _on_held(self, now: float) -> Effects:
        """Speak only now: who hears a master lets go, and one whose kernel refused would take the address from all."""
        forgiven = self._demote(ADDRESSES, 0, now)
        if self._state is not State.MASTER or self._mastership.holds:
            return forgiven
        self._mastership.holds_since = now
        return (*(forgiven or self._advertise(now)), do.Announce())

    def _advertise(self, now: float) -> Effects:
        """One advertisement, now."""
        self._mastership.advertised(now, self._terms.interval)
        return (self._terms.advertisement,)

    def _on_sent(self, now: float) -> Effects:
        forgiven = self._demote(SEND_ERRORS, 0, now) if self._send_errors.succeeded() else _NOTHING
        return _RENEW + forgiven if self._state is _MASTER else forgiven

    def _on_addresses_failed(self, detail: str, now: float) -> Effects:
        """A master that cannot own the address is none: let go and bow out, so that a better node takes it at once."""
        if self._state is not State.MASTER:
            return self._demote(ADDRESSES, FULL_DEMOTION, now)
        if self._stopping:
            return (*self._leave_for(State.INIT, Reason.ADDRESSES_FAILED, detail, now), do.Stopped())
        goodbye: Effects = (self._terms.bow_out,) if self._mastership.holds else _NOTHING
        left = self._leave_for(State.BACKUP, Reason.ADDRESSES_FAILED, detail, now)
        return (*left, *self._demote(ADDRESSES, FULL_DEMOTION, now), *goodbye)

    def _on_deadline(self, now: float) -> Effects:
        if self._deadline is None or now < self._deadline:
            return _NOTHING
        if self._state is _MASTER:
            return self._on_master_deadline(now)
        if self._resting_until is not None:
            self._resting_until = None
            self._standby = Standby(self._terms.families, now, self._lots.draw())
            return _NOTHING
        takeover = self._standby.takeover_due(now)
        return self._become_master(takeover.reason, takeover.detail, now)

    def _on_master_deadline(self, now: float) -> Effects:
        master = self._mastership
        if master.handover is not None:
            return self._handover_timed_out(master.handover, now)
        effects = (*self._advertise(now), *master.owes(now)) if now >= master.advertise_at else _NOTHING
        if master.step_down_at is not None and now >= master.step_down_at:
            effects += self._step_down(now)
        return effects

    def _on_advertisement(self, event: on.AdvertisementReceived, now: float) -> Effects:
        if self._state is _INIT or event.family not in self._terms.families:
            return _NOTHING
        verdict = self._terms.judge(event.advertisement)
        peer = self._peers.hear(event.source, event.speaker, event.advertisement, event.key, now)
        if verdict is _EQUAL and not (self._lots.needed or self._standby.is_wary_of(event.speaker, now)):
            self._lots.needed = True
            self._standby.lot = self._lots.draw()
        if self._state is _MASTER:
            return self._master_hears(event, peer, verdict, now)
        return self._backup_hears(peer, verdict, event.family, now)

    def _backup_hears(self, peer: Peer, verdict: Verdict, family: Family, now: float) -> Effects:
        if peer.left and not self._standby.is_left_by(family, peer.source):
            return _NOTHING
        left_alone, peers = self._standby.left_alone, self._peers.all
        if peer.left:
            self._last_master = None
            return self._invited(Reason.PEER_BOWED_OUT, peer, self._terms.stagger_after(peer, left_alone, peers()), now)
        self._last_master = peer
        self._standby.hear(family, peer.source, now)
        reason = self._terms.reason_to_take_over(verdict)
        if reason is not None:
            return self._invited(reason, peer, self._terms.stagger(left_alone, peers()), now)
        self._standby.leave_alone(peer)
        return _NOTHING

    def _invited(self, reason: Reason, peer: Peer, delay: float, now: float) -> Effects:
        """Take over after a delay that lets a better backup speak first; at once when there is none to wait for."""
        refused = ADDRESSES in self._ledger.causes and reason is not Reason.PEER_BOWED_OUT
        if refused or self._resting_until is not None or self._standby.is_wary_of(peer.speaker, now):
            return _NOTHING  # refused: our kernel, while the master, however bad, owns them
        delay += self._lots.draw() * LOT_STAGGER
        if delay <= 0:
            return self._become_master(reason, peer.describe(), now)
        self._standby.invite(Takeover(now + delay, reason, peer.describe()))
        return _NOTHING

    def _master_hears(self, event: on.AdvertisementReceived, peer: Peer, verdict: Verdict, now: float) -> Effects:
        if peer.left:
            return _NOTHING
        handover = self._mastership.handover
        if (handover is None or handover.then is Then.STAY) and self._mastership.outdoes(event, verdict, now):
            return self._insist(now)
        if handover is None:
            effects = self._leave_for(State.BACKUP, YIELDS[verdict], peer.describe(), now)
        else:
            effects = self._finish(handover, f"to {peer.address}", now)
        self._last_master = peer
        self._standby.follow(event.family, peer.source, now)
        self._standby.leave_alone(peer)
        return effects

    def _insist(self, now: float) -> Effects:
        """A worse master is there: speak at once so that it yields, and mend what its announcements broke."""
        self._mastership.handover = None
        insists = self._mastership.insists(now, self._terms.interval / 4)
        return (*self._advertise(now), do.Announce()) if insists else _NOTHING

    def _demote(self, cause: str, amount: int, now: float) -> Effects:
        """A rise or a fall is advertised at once (FreeBSD; OpenBSD a rise only, where the other is harmless)."""
        old = self._ledger.total
        rise = self._ledger.set(cause, amount)
        if rise == 0:
            return _NOTHING
        self._terms = Terms.of(self._config, self._ledger.total)
        self._standby.think_again(self._since + self._terms.wary)
        changed: Effects = (do.DemotionChanged(old, self._ledger.total, cause),)
        master = self._mastership
        if self._state is not State.MASTER:
            return changed
        master.demoted(rise, self._ledger.total, now + self._terms.plain_interval)
        return changed if master.handover is not None else (*changed, *self._advertise(now))

    def _step_down(self, now: float) -> Effects:
        """Still master though demoted: hand over to a peer that would not preempt, and try again while it lasts."""
        serves_nothing = self._ledger.total >= FULL_DEMOTION
        self._mastership.step_down_again(now, urgent=serves_nothing)
        if not serves_nothing and not self._terms.is_worse_than_any(self._peers.all()):
            return _NOTHING
        return self._hand_over(Then.STAY, f"demotion {self._ledger.total}", now)

    def _hand_over(self, then: Then, detail: str, now: float, rest: float = 0.0) -> Effects:
        """Bow out and go on answering, without another word, until somebody else speaks."""
        if self._state is not State.MASTER or not self._mastership.would_hand_over(then):
            return _NOTHING
        self._mastership.handover = Handover(now + self._terms.handover_limit(then), then, detail, rest)
        return (self._terms.bow_out,)

    def _on_resign(self, seconds: float, now: float) -> Effects:
        self._standby.takeover = None
        self._resting_until = max(now + seconds, self._resting_until or now)
        return self._hand_over(Then.REST, f"for {seconds:g} s", now, seconds)

    def _handover_timed_out(self, handover: Handover, now: float) -> Effects:
        if handover.then is not Then.STAY:
            return self._finish(handover, "nobody took over", now)
        self._mastership.handover = None
        return self._advertise(now)

    def _finish(self, handover: Handover, outcome: str, now: float) -> Effects:
        detail = f"{handover.detail}, {outcome}" if handover.detail else outcome
        if handover.then is Then.REST:
            self._resting_until = max(now + handover.rest, self._resting_until or now)
        left = self._leave_for(*ENDS_AS[handover.then], detail, now)
        return (*left, do.Stopped()) if handover.then is Then.STOP else left
