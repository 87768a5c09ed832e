"""One node of a simulated group: an election (or a BSD peer), its kernel, its wire, and what has befallen it."""

import math
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol

from sidecar.carp import events as on
from sidecar.carp.config import Address, Config, Family, interval_us
from sidecar.carp.effects import DemotionChanged, Effect, Reason, SendAdvertisement, State, StateChanged
from sidecar.carp.election import Election
from sidecar.carp.events import AdvertisementReceived, Event
from tests.sim.bsd import FreeBsd
from tests.sim.kernel import FakeKernel
from tests.sim.wire import Message, Plain, Real, Wire

V4: tuple[Address, ...] = (IPv4Address("10.9.0.100"),)
V6: tuple[Address, ...] = (IPv6Address("fd99::100"),)
DUAL = V4 + V6
STARTED = on.Started()
FOUND = ("senderr", "addresses")
"""What demotes a node that nobody told."""


class Machine(Protocol):
    """What runs an election: ours, or the model of a BSD kernel."""

    @property
    def deadline(self) -> float | None: ...

    def handle(self, event: Event, now: float) -> Sequence[Effect]: ...


def lease_for(config: Config, demotion: int) -> float:
    """Seconds, as the daemon's ``lease: auto`` has it: a demoted master speaks less often and must not lose it."""
    interval = interval_us(config.advbase, config.effective_advskew(demotion)) / 1e6
    return max(3.0 * config.advbase, 1.0, math.ceil(interval + 0.5))


class Node:
    """``machine`` decides, ``kernel`` owns, the rest is fate. ``state`` is what the machine last said it is."""

    def __init__(self, number: int, config: Config, build: Callable[["Node"], Machine], lease: float | None) -> None:
        """``lease``: seconds, ``None`` for the daemon's own arithmetic."""
        self.number = number
        self.config = config
        self.sources = {
            Family.V4: IPv4Address(0x0A000000 + number).packed,
            Family.V6: IPv6Address((0xFE80 << 112) + number).packed,
        }
        self.families = config.families
        self._lease = lease
        self.kernel = FakeKernel(lease or lease_for(config, 0))
        self.build = build
        self.machine = build(self)
        self.is_bsd = isinstance(self.machine, FreeBsd)
        self.plug: Callable[[Node], Wire] = lambda node: Plain(node.sources, node.config.vhid, ours=not node.is_bsd)
        self.secrets: Sequence[bytes] = ()
        self.wire: Wire = self.plug(self)
        self.state = State.INIT
        self.alive = self.frozen = self.stopped = False
        self.link_up = True
        self.sends_fail = self.holds_fail = False
        self.causes: dict[str, int] = {}
        self.knows = config
        self.told_causes: dict[str, int] = {}
        self.wall_offset = 0.0
        self.disturbed_at = self.rests_until = self.resting_until = -math.inf
        self.born()

    def __repr__(self) -> str:
        return f"node {self.number}"

    @property
    def takes_part(self) -> bool:
        """Alive, awake and connected to something."""
        return self.alive and not self.frozen and self.link_up and not self.stopped

    @property
    def is_sound(self) -> bool:
        """Takes part, and can speak and own."""
        return self.takes_part and not self.sends_fail and not self.holds_fail

    @property
    def real_wire(self) -> Real:
        assert isinstance(self.wire, Real)
        return self.wire

    @property
    def election(self) -> Election:
        """Our own kind of machine."""
        assert isinstance(self.machine, Election)
        return self.machine

    @property
    def demotion(self) -> int:
        """The sum of what was told to this node and what it found by itself."""
        return sum(self.causes.values()) if self.is_bsd else self.election.status.demotion

    def be_told(self, demotion: on.DemotionSet) -> None:
        """Somebody told it to be less fit, or fit again."""
        self.told_causes[demotion.cause] = demotion.amount
        self.told = sum(self.told_causes.values()) + 240 * len(self.found)

    def find(self, change: DemotionChanged, now: float) -> None:
        """It says that its demotion is another: a failure that it found itself counts for a full one.

        That it is over a node may find long after it was (its kernel refused, and is asked again after a goodbye).
        """
        if change.cause in FOUND:
            self.disturbed_at = now
            (self.found.add if change.new > change.old else self.found.discard)(change.cause)
            self.told = sum(self.told_causes.values()) + 240 * len(self.found)

    def standing(self) -> tuple[int, int, int]:
        """How fit this node is, the least being the best, computed from what was done to it."""
        demotion = sum(self.causes.values())
        if self.sends_fail or self.holds_fail:
            demotion += 240
        return (
            self.config.demote_byte(demotion),
            self.config.advbase,
            self.config.effective_advskew(demotion),
        )

    def lend(self) -> None:
        """The next renewal is for as long as the daemon would have it."""
        if not self._lease:
            self.kernel.lease = lease_for(self.config, self.demotion)

    def reborn(self) -> None:
        """A new process: it knows nothing, and clears what an earlier one left behind."""
        self.machine = self.build(self)
        self.wire = self.plug(self)
        self.alive, self.frozen, self.stopped = True, False, False
        self.born()

    def born(self) -> None:
        """What a life begins with."""
        self.knows, self.told_causes = self.config, {}
        self.found: set[str] = set()
        self.told = 0
        """The demotion that it must show: what it was told, and a full one for each failure that it found itself."""
        self.handle = self.machine.handle
        self.state = State.INIT
        self.inbox: list[Message] = []
        self.armed = math.inf
        self.bow_outs = self.sent = 0
        self.waited = 0.0
        """The longest silence (s) that it bore when it last changed its state: it may be forgiven since."""
        self.spoke_at = self.since = -math.inf
        self.said: SendAdvertisement | None = None
        self.heard: dict[Family, float] = {}
        self.last: AdvertisementReceived | None = None
        """The last thing it was told by a peer."""
        self.rests_until = self.left_at = -math.inf
        self.rest = 0.0
        """Seconds that it was told to rest, which begin when it has let go: a freeze may lie between."""

    def enter(self, change: StateChanged, now: float) -> None:
        """It is something else now, and starts to rest if that is why."""
        self.state, self.since, self.said = change.new, now, None
        if change.reason is Reason.RESIGNED:
            self.resting_until = max(self.resting_until, now + self.rest + 1.0)
        self.rest = 0.0
