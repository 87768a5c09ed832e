"""Two real nodes, the wire between them and an attacker who has recorded it: one value to be copied and compared.

Elections, receivers, transmitters and keys are the product's own. Time goes in beats of a second; within one, timers
fire in their order and what is said arrives at once, where the link carries it. The attacker has no key: he repeats
what he has heard, under another source and other headers, at any time, and what comes of it is judged at once.
"""

import pickle
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from ipaddress import IPv4Address
from typing import Any, NamedTuple

from sidecar.carp import effects as do
from sidecar.carp import events as on
from sidecar.carp.auth import Authenticator, Key
from sidecar.carp.config import Config, Family
from sidecar.carp.constants import GROUP_V4, TTL
from sidecar.carp.effects import State
from sidecar.carp.election import Election
from sidecar.carp.freshness import SLACK, Freshness
from sidecar.carp.marker import EPOCH, ticks_of
from sidecar.carp.packet import decode, encode
from sidecar.carp.receive import Datagram, DropReason, Receiver
from sidecar.carp.tenure import Handover, Takeover
from sidecar.carp.terms import Terms
from sidecar.carp.transmit import Transmitter

Clocks = tuple[float | None, float | None]
"""How far the nodes' clocks are from the true time (seconds); None: it has none."""
BEAT = 1.0
DAY = 86_400.0
VIP = (IPv4Address("10.9.0.100"),)
SOURCES = (bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2)))
STRANGER = bytes((10, 0, 0, 66))
RING = Authenticator(1, VIP, [Key(b"model")], sign_link_local=True)


class BrokenError(AssertionError):
    """What must not be, and how it came about."""


class Said(NamedTuple):
    """What the attacker has on tape."""

    payload: bytes
    at: float
    ticks: int


@dataclass
class Time:
    """The true time, and how far a node's clock is from it (seconds; None: it has no clock)."""

    now: float = 0.0
    errors: list[float | None] = field(default_factory=lambda: [0.0, 0.0])

    def ticks(self, node: int) -> int:
        error = self.errors[node]
        return 0 if error is None else ticks_of(EPOCH + DAY + self.now + error)


@dataclass
class Clock:
    """One node's view of the time."""

    time: Time
    node: int

    def ticks(self) -> int:
        return self.time.ticks(self.node)

    def monotonic(self) -> float:
        return self.time.now


class _Freezer(pickle.Pickler):
    """What cannot change is shared between copies."""

    def persistent_id(self, value: object) -> int | None:
        if isinstance(value, Config | Terms | Takeover | Handover):
            _shared[id(value)] = value
            return id(value)
        return None


class _Thawer(pickle.Unpickler):
    def persistent_load(self, number: int) -> object:
        return _shared[number]


_shared: dict[int, object] = {}


class Process:
    """One run of the daemon on one node. ``known`` are the ticks that it has accepted."""

    def __init__(self, node: int, config: Config, time: Time, strict: bool) -> None:
        clock = Clock(time, node)
        self.node = node
        self.began = time.now
        self.freshness = Freshness(clock.ticks)
        self.transmitter = Transmitter(1, RING, self.freshness, clock.monotonic)
        self.transmitter.send_from(frozenset((SOURCES[node],)))
        self.receiver = Receiver(config, RING, self.freshness, strict=strict)
        self.election = Election(config)
        self.sent: set[int] = set()
        self.newest = -1

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in {"receiver", "transmitter"}}

    def revive(self, config: Config, time: Time, strict: bool) -> None:
        """What a copy leaves out: parts without a state of their own."""
        clock = Clock(time, self.node)
        self.transmitter = Transmitter(1, RING, self.freshness, clock.monotonic)
        self.receiver = Receiver(config, RING, self.freshness, strict=strict)

    @property
    def state(self) -> State:
        return self.election.status.state


class World:
    """Everything there is. ``step`` goes on by one choice; ``choices`` are those that there are."""

    def __init__(self, advskews: tuple[int, int], errors: Clocks, *, strict: bool = True) -> None:
        self.configs = [Config(1, VIP, 1, advskew) for advskew in advskews]
        self.strict = strict
        self.time = Time(0.0, list(errors))
        self.links = [True, True]
        """Whether what node 0 says reaches node 1, and the other way round."""
        self.processes: list[Process | None] = [None, None]
        self.tape: list[Said] = []
        self.restarts = self.accepted = 0
        for node in (0, 1):
            self.start(node)

    # -- copies

    def freeze(self) -> bytes:
        into = BytesIO()
        _Freezer(into, 5).dump(self)
        return into.getvalue()

    @staticmethod
    def thaw(frozen: bytes) -> "World":
        world = _Thawer(BytesIO(frozen)).load()
        assert isinstance(world, World)
        for process in world.processes:
            if process is not None:
                process.revive(world.configs[process.node], world.time, world.strict)
        return world

    def key(self) -> tuple[object, ...]:
        """Two worlds with the same key have the same future: times are counted from now, ticks from the true ones."""
        now = self.time.now
        base = ticks_of(EPOCH + DAY + now)
        tape = frozenset((said.payload[2:6], said.ticks - base) for said in self.tape)
        return (
            tuple(map(self._key_of, self.processes)),
            tuple(self.links),
            tape,
            self.restarts,
            self.accepted,
            base % 256,
        )

    def _key_of(self, process: Process | None) -> object:
        if process is None:
            return None
        now, base = self.time.now, ticks_of(EPOCH + DAY + self.time.now)
        election, fresh = process.election, process.freshness
        deadline = election.deadline
        standby, master = election._standby, election._mastership
        takeover = standby.takeover
        return (
            election.status.state,
            None if deadline is None else round(deadline - now, 4),
            tuple((family, round(at - now, 4)) for family, at in standby.heard.items()),
            tuple(standby._masters.items()),
            None if takeover is None else (round(takeover.at - now, 4), takeover.reason),
            round(max(standby._wary_until - now, 0.0), 4),
            round(master.advertise_at - now, 4),
            round(max(master.insisted_at - now, -1.0), 4),
            None if master.handover is None else (round(master.handover.until - now, 4), master.handover.then),
            election._lots.needed,
            fresh._heard - base if fresh._heard >= 0 else None,
            None if fresh._base is None else (fresh._base - base, round(fresh._base_at - now, 4)),
            fresh._met,
            tuple(ticks - base for ticks in fresh._sent),
        )

    # -- what may happen

    def choices(self) -> Iterator[tuple[str, int]]:
        yield from (("beat", links) for links in range(4))
        for node, process in enumerate(self.processes):
            if process is None:
                yield ("start", node)
            elif self.restarts < 2:
                yield ("kill", node)
                if process.state is State.MASTER:
                    yield ("leave", node)

    def recordings(self) -> Iterator[tuple[str, int]]:
        """The attacker's choices: what to play, and to whom."""
        return (("replay", number) for number in range(2 * len(self.tape)))

    def step(self, choice: tuple[str, int]) -> None:
        what, number = choice
        if what == "beat":
            self.links = [bool(number & 1), bool(number & 2)]
            self.run(BEAT)
        elif what == "start":
            self.start(number)
        elif what == "kill":
            self.restarts += 1
            self.processes[number] = None
        elif what == "leave":
            self.restarts += 1
            self._tell(number, on.ShutdownRequested())
            self.processes[number] = None
        else:
            self._replay(self.tape[number // 2], number % 2)

    def start(self, node: int) -> None:
        self.processes[node] = Process(node, self.configs[node], self.time, self.strict)
        self._tell(node, on.Started())
        self._tell(node, on.CarpdevChanged(True))

    def run(self, seconds: float) -> None:
        """Let time pass: every deadline at its moment."""
        end = self.time.now + seconds
        while True:
            running = [(one.election.deadline, one.node) for one in self.processes if one is not None]
            due = [(at, node) for at, node in running if at is not None]
            if not due or min(due)[0] > end:
                break
            at, node = min(due)
            self.time.now = max(self.time.now, at)
            self._tell(node, on.DeadlineReached())
        self.time.now = end

    def _tell(self, node: int, event: on.Event) -> None:
        process = self.processes[node]
        assert process is not None
        for effect in process.election.handle(event, self.time.now):
            if isinstance(effect, do.SendAdvertisement):
                self._send(process, effect)
            elif isinstance(effect, do.HoldAddresses):
                self._tell(node, on.AddressesHeld())

    def _send(self, process: Process, ad: do.SendAdvertisement) -> None:
        payload = process.transmitter.payload(ad.advbase, ad.advskew, ad.demote)
        counter = decode(payload).counter
        sealed = RING.read(counter, 1)
        assert sealed is not None
        process.sent.add(counter)
        self.tape.append(Said(payload, self.time.now, sealed.ticks))
        self._tell(process.node, on.AdvertisementSent())
        other = 1 - process.node
        if self.links[process.node] and self.processes[other] is not None:
            self._deliver(other, payload, SOURCES[process.node])

    def _deliver(self, node: int, payload: bytes, source: bytes) -> bool:
        process = self.processes[node]
        assert process is not None
        checked = process.receiver.check(Datagram(Family.V4, source, GROUP_V4, TTL, payload), self.time.now)
        if isinstance(checked, DropReason):
            return False
        sealed = RING.read(checked.advertisement.counter, 1)
        assert sealed is not None
        process.newest = sealed.ticks
        heard = on.AdvertisementReceived(
            checked.advertisement, Family.V4, source, checked.key, checked.speaker, checked.outranks
        )
        self._tell(node, heard)
        return True

    # -- the attacker

    def _replay(self, said: Said, node: int) -> None:
        """Under a stranger's source, after every other header was tried in vain."""
        process = self.processes[node]
        if process is None:
            return
        self._alter(process, said)
        newest, state, deadline = process.newest, process.state, process.election.deadline
        base_at = process.freshness._base_at if process.freshness._base is not None else self.time.now
        if not self._deliver(node, said.payload, STRANGER):
            return
        self.accepted += 1
        age = self.time.now - said.at
        if said.ticks <= newest or decode(said.payload).counter in process.sent:
            raise BrokenError(f"what was heard or said before is believed again: {said}")
        if self.time.errors == [0.0, 0.0] and age > SLACK + 0.1 + (self.time.now - base_at) / 4:
            raise BrokenError(f"what is {age:.1f} s old is believed")
        self._judge_beginner(process, state, deadline)

    def _alter(self, process: Process, said: Said) -> None:
        ad = decode(said.payload)
        for advbase, advskew in ((0, 1), (1, 0), (1, 254), (2, 0), (255, 255)):
            if (advbase, advskew) == (ad.advbase, ad.advskew):
                continue
            forged = encode(ad._replace(advbase=advbase, advskew=advskew))
            datagram = Datagram(Family.V4, STRANGER, GROUP_V4, TTL, forged)
            if process.receiver.check(datagram, self.time.now) is not DropReason.TAMPERED:
                raise BrokenError(f"an altered header is believed: {advbase}/{advskew} for {ad}")

    def _judge_beginner(self, process: Process, state: State, deadline: float | None) -> None:
        """Who has begun a moment ago knows nothing that a recording would be older than: it may wait, and no more."""
        if self.time.now - process.began >= 1.25:
            return
        after = process.election.deadline
        if state is not process.state or (deadline is not None and after is not None and after < deadline):
            raise BrokenError(f"a recording moves node {process.node}, which has just begun")

    # -- what comes of it

    def settles(self) -> None:
        """With both nodes there and the attacker gone one is master, soon, and stays it: the better one."""
        for node, process in enumerate(self.processes):
            if process is None:
                self.start(node)
        self.links = [True, True]
        self.run(2 * 3.5 + SLACK + 2.0)
        for _ in range(4):
            states = [process.state for process in self.processes if process is not None]
            equal = self.configs[0] == self.configs[1]
            if states != [State.MASTER, State.BACKUP] and not (equal and states == [State.BACKUP, State.MASTER]):
                raise BrokenError(f"one is master, the better one: {states}")
            self.run(1.0)
