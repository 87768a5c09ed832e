"""Real elections on a virtual clock: a heap of deliveries and timers, and fate at the tester's command.

What a node is told it is told in the driver's order: run to completion, and a node that wakes from a freeze hears
what waited for it before it looks at its timer. Everything random comes from one seed.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from random import Random
from typing import Any, NamedTuple

from sidecar.carp import effects as do
from sidecar.carp import events as on
from sidecar.carp.auth import Key
from sidecar.carp.config import Config, Dialect, Family
from sidecar.carp.effects import Effect, State
from sidecar.carp.election import Election
from sidecar.carp.events import Event
from sidecar.carp.freshness import Freshness
from sidecar.carp.marker import EPOCH, ticks_of
from tests.sim import node as fate
from tests.sim.invariants import BrokenPromiseError, Promises
from tests.sim.node import Machine, Message, Node, Real

DEADLINE = on.DeadlineReached()
SENT = on.AdvertisementSent()
HELD = on.AddressesHeld()
YEAR = 365 * 86_400.0
UP, DOWN = on.CarpdevChanged(True), on.CarpdevChanged(False, "link down")
ROUTINE = (do.RenewLease, do.SendAdvertisement)
"""What a master asks for all day long: no promise to check but the deadline's, which every step checks."""
Hearing = tuple[int, int]
"""(sender, receiver)."""


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


class Cluster:
    """``loss`` is a probability for each delivery; ``delay`` the shortest and the longest way (s)."""

    def __init__(
        self,
        configs: Sequence[Config],
        *,
        seed: int = 0,
        loss: float = 0.0,
        delay: tuple[float, float] = (0.0002, 0.0002),
        lease: float | None = None,
        build: dict[int, Callable[[Node], Machine]] | None = None,
        record: bool = False,
    ) -> None:
        """``build`` replaces our election by another machine for some nodes (by number, from 0)."""
        self.now = 0.0
        self.seed = seed
        self.loss = loss
        self.delay = delay
        self.promises = Promises()
        self.journal: list[Entry] = []
        self.records: list[list[Record]] | None = [[] for _ in configs] if record else None
        self.happenings: list[str] = []
        self.deaf: set[tuple[Hearing, Family]] = set()
        self.mirror = False
        self._random = Random(seed)
        self._heap: list[tuple[float, int, Callable[[Node, Message | None], None], Node, Message | None]] = []
        self._order = 0
        self._last_arrival: dict[Hearing, float] = {}
        self.nodes = [self._make(number, config, lease, build or {}) for number, config in enumerate(configs)]

    def _make(
        self, number: int, config: Config, lease: float | None, build: dict[int, Callable[[Node], Machine]]
    ) -> Node:
        kept = build.get(number, self._elect)
        foreign = number in build
        return Node(number, config, kept, math.inf if foreign else lease or 3.0 * max(1, config.advbase))

    def _elect(self, node: Node) -> Machine:
        return Election(node.config, self._random.random)

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

    def _push(
        self, at: float, action: Callable[[Node, Message | None], None], node: Node, message: Message | None = None
    ) -> None:
        self._order += 1
        heappush(self._heap, (at, self._order, action, node, message))

    def _on_timer(self, node: Node, _: Message | None) -> None:
        """Lazy: a deadline that moved ahead leaves its old entry in the heap, which finds nothing due and moves on."""
        if node.armed == self.now:
            node.armed = math.inf
            if node.alive and not node.frozen:
                self._look_at_the_clock(node)

    def _look_at_the_clock(self, node: Node) -> None:
        deadline = node.machine.deadline
        if deadline is not None and deadline <= self.now:
            self.step(node, DEADLINE)
        else:
            self._arm(node)

    def _arm(self, node: Node) -> None:
        deadline = node.machine.deadline
        if deadline is None:
            return
        if deadline <= self.now:
            raise BrokenPromiseError(f"the deadline {deadline} of {node} lies ahead of {self.now}")
        if deadline < node.armed:
            node.armed = deadline
            self._push(deadline, self._on_timer, node)

    # -- one node

    def step(self, node: Node, event: Event) -> None:
        """Tell a node something, and do what it asks for, to completion."""
        effects = node.machine.handle(event, self.now)
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
        self._arm(node)

    def _apply(self, node: Node, event: Event, effects: Sequence[Effect]) -> None:
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
                node.kernel.renew(self.now)
            case do.StateChanged():
                assert effect.old is node.state, f"{node} says it was {effect.old}, it was {node.state}"
                node.state = effect.new
                self.journal.append(Entry(self.now, node.number, effect.old, effect.new, effect.reason, effect.detail))
            case do.HoldAddresses():
                if node.holds_fail:
                    return on.AddressesFailed("refused")
                node.kernel.hold(effect.addresses, self.now)
                return HELD
            case do.ReleaseAddresses():
                node.kernel.release(self.now)
            case do.Stopped():
                node.stopped = True
            case _:
                pass
        return None

    def _tell(self, node: Node, event: Event) -> None:
        """An event that finds nobody in, or asleep, is lost: the tester says it again on waking."""
        if node.alive and not node.frozen:
            self.step(node, event)

    # -- the wire

    def _transmit(self, node: Node, effect: do.SendAdvertisement) -> Event | None:
        if node.sends_fail:
            return on.AdvertisementFailed("no buffer space")
        node.sent += 1
        if effect.advbase == effect.advskew == 255:
            node.bow_outs += 1
        if node.link_up:
            for message in node.wire.pack(effect, node.families):
                self._spread(node, message)
        return SENT

    def _spread(self, sender: Node, message: Message) -> None:
        shortest, longest = self.delay
        if self.mirror:
            self._push(self.now + shortest, self._on_arrival, sender, message)
        if not self.loss and not self.deaf and shortest == longest:
            self._push(self.now + shortest, self._on_broadcast, sender, message)
            return
        for receiver in self.nodes:
            if receiver is not sender and self._gets_through(sender, receiver, message):
                way = self._random.uniform(shortest, longest)
                self._push(self._in_order(sender, receiver, self.now + way), self._on_arrival, receiver, message)

    def _gets_through(self, sender: Node, receiver: Node, message: Message) -> bool:
        if ((sender.number, receiver.number), message.family) in self.deaf:
            return False
        return not self.loss or self._random.random() >= self.loss

    def _in_order(self, sender: Node, receiver: Node, arrival: float) -> float:
        """A switch does not reorder what one port sends to another."""
        hearing = (sender.number, receiver.number)
        arrival = max(arrival, self._last_arrival.get(hearing, 0.0))
        self._last_arrival[hearing] = arrival
        return arrival

    def _on_broadcast(self, sender: Node, message: Message | None) -> None:
        for receiver in self.nodes:
            if receiver is not sender:
                self._on_arrival(receiver, message)

    def _on_arrival(self, receiver: Node, message: Message | None) -> None:
        if not receiver.alive or not receiver.link_up or message is None:
            return
        if receiver.frozen:
            receiver.inbox.append(message)
            return
        event = receiver.wire.unpack(message)
        if event is not None:
            self.step(receiver, event)

    # -- fate

    def happens(self, what: str) -> None:
        self.happenings.append(f"{self.now:12.6f} {what}")

    def start(self, *numbers: int) -> None:
        """Start these nodes now, all of them when none is named; a second time is a restart."""
        for number in numbers or range(len(self.nodes)):
            node = self.nodes[number]
            self.happens(f"start({number})")
            node.kernel.release(self.now)
            node.reborn()
            for cause, amount in node.causes.items():
                self.step(node, on.DemotionSet(cause, amount))
            self.step(node, fate.STARTED)
            self.step(node, UP if node.link_up else DOWN)

    def kill(self, number: int) -> None:
        """SIGKILL: the process is gone, its kernel goes on until the lease runs out."""
        self.happens(f"kill({number})")
        self.nodes[number].alive = False

    def power_off(self, number: int) -> None:
        """The machine is gone."""
        self.happens(f"power_off({number})")
        node = self.nodes[number]
        node.alive = False
        node.kernel.release(self.now)

    def freeze(self, number: int) -> None:
        """SIGSTOP: what arrives waits in the socket."""
        self.happens(f"freeze({number})")
        self.nodes[number].frozen = True

    def thaw(self, number: int) -> None:
        """SIGCONT: hear first, then look at the clock."""
        self.happens(f"thaw({number})")
        node = self.nodes[number]
        node.frozen = False
        waiting, node.inbox = node.inbox, []
        for message in waiting:
            self._on_arrival(node, message)
        if node.alive:
            self._tell(node, on.ConfigChanged(node.config))
            for cause, amount in node.causes.items():
                self._tell(node, on.DemotionSet(cause, amount))
            self._tell(node, UP if node.link_up else DOWN)
            self._look_at_the_clock(node)

    def set_link(self, number: int, up: bool) -> None:
        """The carrier of a node's carpdev."""
        self.happens(f"set_link({number}, {up})")
        node = self.nodes[number]
        node.link_up = up
        self._tell(node, UP if up else DOWN)

    def cut(self, sender: int, receiver: int, families: Iterable[Family] = Family) -> None:
        """From now on ``receiver`` does not hear ``sender``."""
        self.happens(f"cut({sender}, {receiver}, {[int(family) for family in families]})")
        self.deaf |= {((sender, receiver), family) for family in families}

    def partition(self, *sides: Iterable[int]) -> None:
        """Nodes of different sides do not hear each other."""
        side_of = {number: index for index, side in enumerate(sides) for number in side}
        self.happens(f"partition({side_of})")
        for one, here in side_of.items():
            apart = [other for other, there in side_of.items() if there != here]
            self.deaf |= {((one, other), family) for other in apart for family in Family}

    def heal(self) -> None:
        """Everybody hears everybody."""
        self.happens("heal()")
        self.deaf.clear()

    def demote(self, number: int, cause: str, amount: int) -> None:
        self.happens(f"demote({number}, {cause!r}, {amount})")
        node = self.nodes[number]
        node.causes[cause] = amount
        self._tell(node, on.DemotionSet(cause, amount))

    def reconfigure(self, number: int, config: Config) -> None:
        self.happens(f"reconfigure({number}, {config})")
        node = self.nodes[number]
        node.config, node.families = config, config.families
        if isinstance(node.wire, Real):
            node.wire.configure(config)
        self._tell(node, on.ConfigChanged(config))

    def put_on_a_real_wire(self, *keys: bytes) -> None:
        """Advertisements travel as signed bytes from now on, and pass every check on arrival."""
        for node in self.nodes:
            clock = Freshness(lambda: ticks_of(EPOCH + YEAR + self.now), self._random.random)
            node.wire = Real(node.sources, node.config, _ring(keys), clock, lambda: self.now)

    def rekey(self, number: int, *keys: bytes) -> None:
        """Another passphrase file: the first key signs, every key verifies."""
        self.happens(f"rekey({number}, {len(keys)} keys)")
        self.nodes[number].real_wire.configure(self.nodes[number].config, _ring(keys))

    def resign(self, number: int, seconds: float) -> None:
        self.happens(f"resign({number}, {seconds})")
        node = self.nodes[number]
        node.resting_until = max(node.resting_until, self.now + seconds + 1.0)
        self._tell(node, on.ResignRequested(seconds))

    def step_down(self, number: int) -> None:
        self.happens(f"step_down({number})")
        self._tell(self.nodes[number], on.StepDownRequested("maintenance"))

    def shut_down(self, number: int) -> None:
        self.happens(f"shut_down({number})")
        self._tell(self.nodes[number], on.ShutdownRequested())

    # -- the picture

    @property
    def masters(self) -> list[int]:
        return [node.number for node in self.nodes if node.takes_part and node.state is State.MASTER]

    @property
    def owners(self) -> list[int]:
        return [node.number for node in self.nodes if node.kernel.owns(self.now)]

    def explain(self) -> str:
        """What to look at when a promise is broken."""
        lines = [f"seed {self.seed}, now {self.now:.6f}", *sorted((*self.happenings, *map(str, self.journal)))]
        return "\n".join(lines[:1] + lines[-60:])


def _ring(keys: Sequence[bytes]) -> list[Key]:
    return [Key(key, number) for number, key in enumerate(keys, start=1)]


def configs(*advskews: int, advbase: int = 1, preempt: bool = True, dialect: Dialect = Dialect.FREEBSD) -> list[Config]:
    """One configuration an advskew, alike in everything else."""
    return [Config(1, fate.V4, advbase, advskew, preempt, dialect) for advskew in advskews]


def group(*advskews: int, settle: float = 8.0, seed: int = 0, **options: Any) -> Cluster:
    """A lossless group of our own nodes, started a little apart and left alone until it is at rest."""
    known = {key: options.pop(key) for key in ("advbase", "preempt", "dialect") if key in options}
    cluster = Cluster(configs(*advskews, **known), seed=seed, **options)
    for number in range(len(advskews)):
        cluster.start(number)
        cluster.run(0.137)
    cluster.run(settle)
    return cluster
