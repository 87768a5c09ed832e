"""The engine of one election: an event in, run to completion, effects applied in order, one timer re-armed.

Adapters may post from inside an effect; it waits its turn. After a stall ``now`` is taken first, then what arrived is
heard, and only then silence is concluded: the other way round a node that slept would claim the address of a living
master.
"""

import logging
import math
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Final, assert_never

from sidecar.carp import effects as do
from sidecar.carp import events as on
from sidecar.carp.config import interval_us
from sidecar.carp.constants import MICROSECONDS
from sidecar.carp.effects import Effect, Reason, State
from sidecar.carp.election import Election
from sidecar.carp.events import Event
from sidecar.carp.receive import Accepted, Datagram, DropReason, Receiver
from sidecar.company import Company
from sidecar.report import Counters, Histogram, Transition, VhostReport
from sidecar.runtime.ports import Clock, Drain, Ports
from sidecar.runtime.recorder import Recorder

_log: Final = logging.getLogger(__name__)
_MASTER: Final = State.MASTER
_DEADLINE: Final = on.DeadlineReached()
_SENT: Final = on.AdvertisementSent()
_TRANSITIONS: Final = 32
_STALLED: Final = 0.005
"""A master that is later than this (s) must hear before it speaks; one in time may not be kept from it by a flood."""
_OVERDUE: Final = 1.25
"""Intervals of a master after which its next advertisement is missing."""
_LATENESS: Final = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


class Driver:
    """Feeds one election and applies what it asks for. All calls on the loop's thread."""

    def __init__(
        self,
        election: Election,
        receiver: Receiver,
        ports: Ports,
        clock: Clock = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._election = election
        self._receiver = receiver
        self._sender = ports.sender
        self._addresses = ports.addresses
        self._announcer = ports.announcer
        self._timer = ports.timer
        self._observer = ports.observer
        self._clock = clock
        self._wall = wall
        self._state = State.INIT
        self._queue: deque[tuple[Event, float]] = deque()
        self._running = False
        self._news: deque[do.StateChanged | do.DemotionChanged] = deque()
        self._transitions: deque[Transition] = deque(maxlen=_TRANSITIONS)
        self._transition_counts: Counter[tuple[State, State, Reason]] = Counter()
        self._lateness = Histogram.of(*_LATENESS)
        self.counters = Counters()
        self.recorder = Recorder()
        self.drain: Drain = lambda: None
        self.company = Company()
        self._promised = 0.0
        """When the company was told to expect the next wake-up; 0 for none."""
        self.on_heard: Callable[[Datagram], None] = lambda _datagram: None

    def believe(self, receiver: Receiver) -> None:
        """Check what arrives with other keys or addresses from now on."""
        self._receiver = receiver

    def post(self, event: Event) -> None:
        """Something happened now."""
        self._post(event, self._clock())

    def receive(self, datagram: Datagram) -> bool:
        """A datagram arrived: believe it and post it, or count why not; whether it was believed."""
        now = self._clock()
        verdict = self._receiver.check(datagram, now)
        if isinstance(verdict, DropReason):
            self.counters.drop(verdict)
            self._observer.dropped(verdict, datagram.source)
            return False
        self.counters.accept(verdict.key)
        self.on_heard(datagram)
        self._post(_heard(verdict, datagram), now)
        return True

    def on_timer(self) -> None:
        """The deadline's descriptor became readable."""
        now = self._clock()
        self._timer.acknowledge()
        due = self._election.deadline
        if due is not None and now >= due:
            self._lateness.add(now - due)
        if due is None or self._state is not State.MASTER or now - due > _STALLED:
            self.drain()
        self._post(_DEADLINE, now)

    def _post(self, event: Event, now: float) -> None:
        if self._running:
            self._queue.append((event, now))
            return
        self._running = True
        try:
            self._step(event, now)
            while self._queue:
                self._step(*self._queue.popleft())
        finally:
            self._running = False
            deadline = self._election.deadline
            self._timer.arm(deadline)
        if now < self._promised != deadline:
            self._promised = 0.0
            self.company.miss()
        if self._news:
            self._tell()
        if now >= self.company.due:  # the last thing of all
            self._promised = deadline if self._state is _MASTER and deadline else 0.0
            self.company.visit(self._promised or math.inf)

    def _tell(self) -> None:
        """People hear of it when it is done: a slow log must not stand between a decision and the wire."""
        while self._news:
            change = self._news.popleft()
            if isinstance(change, do.StateChanged):
                self._observer.state_changed(change)
            else:
                self._observer.demotion_changed(change)

    def _step(self, event: Event, now: float) -> None:
        effects = self._election.handle(event, now)
        self.recorder.note(now, event, effects)
        for effect in effects:
            self._apply(effect)

    def _apply(self, effect: Effect) -> None:
        match effect:
            case do.SendAdvertisement():
                self._send(effect)
            case do.RenewLease():
                self._renew()
            case do.HoldAddresses():
                detail = self._addresses.hold(effect.addresses)
                self._enqueue(on.AddressesHeld() if detail is None else on.AddressesFailed(detail))
            case do.ReleaseAddresses():
                self._release()
            case do.Announce():
                self._announcer.announce()
            case do.StateChanged():
                self._state_changed(effect)
            case do.DemotionChanged():
                self._news.append(effect)
            case do.Stopped():
                self._observer.stopped()
            case _:
                assert_never(effect)

    def _send(self, effect: do.SendAdvertisement) -> None:
        detail = self._sender.send(effect.advbase, effect.advskew, effect.demote)
        if detail is None:
            self.counters.sent += 1
            self._enqueue(_SENT)
        else:
            self._enqueue(on.AdvertisementFailed(detail))

    def _release(self) -> None:
        self._announcer.stop()
        detail = self._addresses.release()
        if detail is not None:
            _log.error("the kernel does not let go of the addresses: %s", detail)

    def _renew(self) -> None:
        detail = self._addresses.renew()
        if detail is not None:
            self._enqueue(on.AddressesFailed(detail))

    def _enqueue(self, event: Event) -> None:
        self._queue.append((event, self._clock()))

    def _state_changed(self, change: do.StateChanged) -> None:
        self._state = change.new
        self._transitions.append(Transition(self._wall(), change.old, change.new, change.reason, change.detail))
        self._transition_counts[change.old, change.new, change.reason] += 1
        self._news.append(change)

    def report(self, interface: str) -> VhostReport:
        """What there is to say now."""
        return VhostReport(
            interface=interface,
            status=self._election.status,
            now=self._clock(),
            wall=self._wall(),
            addresses_held=self._addresses.held,
            counters=self.counters,
            transitions=tuple(self._transitions),
            transition_counts=self._transition_counts,
            lateness=self._lateness,
        )

    @property
    def deadline(self) -> float | None:
        """When the election wants to be woken, for the liveness check."""
        return self._election.deadline

    @property
    def demotion(self) -> int:
        """The election's total demotion."""
        return self._election.status.demotion

    @property
    def worried(self) -> bool:
        """Whether it might soon conclude from silence that there is no master: a backup that hears none in time."""
        if self._state is not State.BACKUP:
            return False
        master = self._election.status.master
        if master is None:
            return True
        interval = interval_us(master.advbase, master.advskew) / MICROSECONDS
        return self._clock() - master.heard_at > _OVERDUE * interval

    @property
    def state(self) -> State:
        """The election's state."""
        return self._state


def _heard(accepted: Accepted, datagram: Datagram) -> on.AdvertisementReceived:
    advertisement, key, speaker, outranks = accepted
    return on.AdvertisementReceived(advertisement, datagram.family, datagram.source, key, speaker, outranks)
