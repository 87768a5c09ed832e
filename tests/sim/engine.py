"""Real elections on a virtual clock: a heap of deliveries and timers.

What a node is told it is told in the driver's order: run to completion, and a node that wakes from a freeze hears
what waited for it before it looks at its timer. Everything random comes from one seed.
"""

import math
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from random import Random
from typing import NamedTuple

from sidecar.carp import effects as do
from sidecar.carp import events as on
from sidecar.carp.config import Config
from sidecar.carp.effects import Effect, State
from sidecar.carp.election import Election
from sidecar.carp.events import Event
from tests.sim.invariants import Promises
from tests.sim.network import FAIR, Network, Weather
from tests.sim.node import Machine, Node
from tests.sim.promise import BrokenPromiseError
from tests.sim.wire import Message

DEADLINE = on.DeadlineReached()
SENT = on.AdvertisementSent()
HELD = on.AddressesHeld()
ROUTINE = (do.RenewLease, do.SendAdvertisement)
"""What a master asks for all day long: only the deadline's promise and the advertisement's own are looked at."""
BUFFER = 2000
"""Messages that wait for a node that is asleep; more do not fit into its socket."""
Action = Callable[[Node, Message | None], None]


class Entry(NamedTuple):
    """A line of the journal: a node changed its state."""

    at: float
    node: int
    old: State
    new: State
    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.at:12.6f} node {self.node}: {self.old} -> {self.new} ({self.reason}: {self.detail})"


class Record(NamedTuple):
    """One step of one node, as the flight recorder keeps it."""

    now: float
    event: Event
    effects: Sequence[Effect]


class Engine:
    """Nodes, their wire and time. ``late``: the most that a timer wakes too late (s)."""

    def __init__(
        self,
        configs: Sequence[Config],
        *,
        seed: int = 0,
        weather: Weather = FAIR,
        lease: float | None = None,
        build: dict[int, Callable[[Node], Machine]] | None = None,
        record: bool = False,
        late: float = 0.0,
    ) -> None:
        """``build`` replaces our election by another machine for some nodes (by number, from 0)."""
        self.now = 0.0
        self.seed = seed
        self.random = Random(seed)
        self.late = late
        self.steps = 0
        self.promises = Promises()
        self.journal: list[Entry] = []
        self.happenings: list[str] = []
        self.records: list[list[Record]] | None = [[] for _ in configs] if record else None
        self.network = Network(self.random, weather)
        self.taps: list[Callable[[Node, Message], None]] = []
        """Who else hears what is sent."""
        self._heap: list[tuple[float, int, Action, Node, Message | None]] = []
        self._order = 0
        self.nodes = [self._make(number, config, lease, build or {}) for number, config in enumerate(configs)]

    def _make(
        self, number: int, config: Config, lease: float | None, build: dict[int, Callable[[Node], Machine]]
    ) -> Node:
        foreign = number in build
        return Node(number, config, build.get(number, self._elect), math.inf if foreign else lease)

    def _elect(self, node: Node) -> Machine:
        return Election(node.config, self.random.random)

    # -- time

    def run(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.run_until(self.now + seconds)

    def run_until(self, moment: float) -> None:
        heap = self._heap
        while heap and heap[0][0] <= moment:
            self.now, _, action, node, message = heappop(heap)
            action(node, message)
        self.now = moment

    def push(self, at: float, action: Action, node: Node, message: Message | None = None) -> None:
        """Something will happen to a node."""
        self._order += 1
        heappush(self._heap, (at, self._order, action, node, message))

    def _on_timer(self, node: Node, _: Message | None) -> None:
        """Lazy: a deadline that moved ahead leaves its old entry in the heap, which finds nothing due and moves on."""
        if node.armed <= self.now:
            node.armed = math.inf
            if node.alive and not node.frozen:
                self.look_at_the_clock(node)

    def look_at_the_clock(self, node: Node) -> None:
        deadline = node.machine.deadline
        if deadline is not None and deadline <= self.now:
            self.step(node, DEADLINE)
        elif deadline is not None and deadline < node.armed:
            self._arm(node, deadline)

    def _arm(self, node: Node, deadline: float) -> None:
        if deadline <= self.now:
            raise BrokenPromiseError(f"the deadline {deadline} of {node} lies ahead of {self.now}")
        node.armed = deadline
        self.push(deadline + self.random.random() * self.late if self.late else deadline, self._on_timer, node)

    # -- one node

    def step(self, node: Node, event: Event) -> None:
        """Tell a node something, and do what it asks for, to completion."""
        effects = node.handle(event, self.now)
        self.steps += 1
        if self.records is not None:
            self.records[node.number].append(Record(self.now, event, effects))
        if effects:
            if len(effects) == 1 and isinstance(effects[0], ROUTINE) and node.state is State.MASTER:
                answer = self._do(node, effects[0])
                if answer is not None:
                    self.step(node, answer)
                    return
            else:
                self._apply(node, event, effects)
        deadline = node.machine.deadline
        if deadline is not None and deadline < node.armed:
            self._arm(node, deadline)

    def _apply(self, node: Node, event: Event, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, do.DemotionChanged):
                node.find(effect, self.now)
        self.promises.stepped(node, event, effects, self.now)
        answers = [answer for effect in effects if (answer := self._do(node, effect)) is not None]
        self.promises.applied(node, self.now)
        for answer in answers:
            self.step(node, answer)

    def _do(self, node: Node, effect: Effect) -> Event | None:
        match effect:
            case do.SendAdvertisement():
                return self._transmit(node, effect)
            case do.RenewLease():
                self.promises.renewed(node, self.now)
                node.kernel.renew(self.now)
            case do.StateChanged():
                assert effect.old is node.state, f"{node} says it was {effect.old}, it was {node.state}"
                node.enter(effect, self.now)
                self.journal.append(Entry(self.now, node.number, effect.old, effect.new, effect.reason, effect.detail))
            case do.HoldAddresses():
                if node.holds_fail:
                    return on.AddressesFailed("refused")
                node.kernel.hold(effect.addresses, self.now)
                return HELD
            case do.ReleaseAddresses():
                node.kernel.release(self.now)
            case do.DemotionChanged():
                node.lend()
            case do.Stopped():
                node.stopped = True
            case _:
                pass
        return None

    # -- the wire

    def _transmit(self, node: Node, effect: do.SendAdvertisement) -> Event | None:
        if node.sends_fail:
            return on.AdvertisementFailed("no buffer space")
        if effect is not node.said:
            self.promises.said(node, effect)
            node.said = effect
        node.sent += 1
        node.spoke_at = self.now
        if effect.advbase == effect.advskew == 255:
            node.bow_outs += 1
        if node.link_up:
            for message in node.wire.pack(effect, node.families):
                self._spread(node, message)
        return SENT

    def _spread(self, sender: Node, message: Message) -> None:
        for tap in self.taps:
            tap(sender, message)
        network = self.network
        if network.mirror:
            self.push(self.now + network.weather.delay[0], self._on_arrival, sender, message)
        if network.broadcasts:
            self.push(self.now + network.weather.delay[0], self._on_broadcast, sender, message)
            return
        for receiver in self.nodes:
            if receiver is not sender:
                for arrival in network.arrivals(sender.number, receiver.number, message.family, self.now):
                    self.push(arrival, self._on_arrival, receiver, message)

    def _on_broadcast(self, sender: Node, message: Message | None) -> None:
        for receiver in self.nodes:
            if receiver is not sender:
                self._on_arrival(receiver, message)

    def _on_arrival(self, receiver: Node, message: Message | None) -> None:
        if not receiver.alive or not receiver.link_up or message is None:
            return
        if receiver.frozen:
            if len(receiver.inbox) < BUFFER:
                receiver.inbox.append(message)
            return
        self.hear(receiver, message)

    def hear(self, receiver: Node, message: Message) -> None:
        """A node that is awake reads what arrived."""
        event = receiver.wire.unpack(message)
        if event is not None:
            if event.advertisement.is_bow_out:
                receiver.left_at = self.now
            else:
                receiver.heard[event.family] = self.now
            receiver.last = event
            self.step(receiver, event)
