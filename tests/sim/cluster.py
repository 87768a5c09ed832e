"""A simulated group with fate at the tester's command, and the picture that it gives."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from sidecar.carp import events as on
from sidecar.carp.config import Config, Dialect, Family
from sidecar.carp.effects import State
from sidecar.carp.freshness import Freshness
from sidecar.carp.marker import EPOCH, ticks_of
from tests.sim import node as fate
from tests.sim.bsd import OpenBsd
from tests.sim.engine import Engine
from tests.sim.node import Node
from tests.sim.wire import Ordinary, Real, Wire, ring

YEAR = 365 * 86_400.0
UP, DOWN = on.CarpdevChanged(True), on.CarpdevChanged(False, "link down")


class Cluster(Engine):
    """Everything that may befall a node or the network; each is written down for whoever reads the story.

    ``strict``: on a wire of bytes only carp-sidecar is believed.
    """

    strict = False

    def happens(self, what: str, *nodes: Node) -> None:
        """Write it down, and that these nodes were touched."""
        self.happenings.append(f"{self.now:12.6f} {what}")
        for node in nodes:
            node.disturbed_at = self.now

    def tell(self, node: Node, event: on.Event) -> None:
        """An event that finds nobody in, or asleep, is lost: the tester says it again on waking."""
        if node.alive and not node.frozen:
            if isinstance(event, on.DemotionSet):
                node.be_told(event)
            elif isinstance(event, on.ConfigChanged):
                node.knows = event.config
            node.said = None
            self.step(node, event)

    # -- processes and machines

    def start(self, *numbers: int) -> None:
        """Start these nodes now, all of them when none is named; a second time is a restart."""
        for number in numbers or range(len(self.nodes)):
            node = self.nodes[number]
            self.happens(f"start({number})", node)
            node.kernel.release(self.now)
            node.reborn()
            for cause, amount in node.causes.items():
                self.tell(node, on.DemotionSet(cause, amount))
            self.tell(node, fate.STARTED)
            self.tell(node, UP if node.link_up else DOWN)

    def kill(self, number: int) -> None:
        """SIGKILL: the process is gone, its kernel goes on until the lease runs out."""
        node = self.nodes[number]
        self.happens(f"kill({number})", node)
        node.alive = False

    def power_off(self, number: int) -> None:
        """The machine is gone."""
        node = self.nodes[number]
        self.happens(f"power_off({number})", node)
        node.alive = False
        node.kernel.release(self.now)

    def freeze(self, number: int) -> None:
        """SIGSTOP: what arrives waits in the socket."""
        node = self.nodes[number]
        self.happens(f"freeze({number})", node)
        node.frozen = True

    def thaw(self, number: int) -> None:
        """SIGCONT: hear first, then look at the clock."""
        node = self.nodes[number]
        self.happens(f"thaw({number})", node)
        node.frozen = False
        waiting, node.inbox = node.inbox, []
        if not node.alive:
            return
        for message in waiting if node.link_up else ():
            self.hear(node, message)
        self.tell(node, on.ConfigChanged(node.config))
        for cause, amount in node.causes.items():
            self.tell(node, on.DemotionSet(cause, amount))
        self.tell(node, UP if node.link_up else DOWN)
        self.look_at_the_clock(node)

    def step_the_clock(self, number: int, seconds: float) -> None:
        """Somebody sets the wall clock, wrong by so many seconds."""
        self.happens(f"step_the_clock({number}, {seconds})")
        self.nodes[number].wall_offset = seconds

    # -- the network

    def set_link(self, number: int, up: bool) -> None:
        """The carrier of a node's carpdev."""
        node = self.nodes[number]
        self.happens(f"set_link({number}, {up})", node)
        node.link_up = up
        self.tell(node, UP if up else DOWN)

    def cut(self, sender: int, receiver: int, families: Iterable[Family] = Family) -> None:
        """From now on ``receiver`` does not hear ``sender``."""
        self.happens(f"cut({sender}, {receiver}, {[int(family) for family in families]})")
        self.network.cut(sender, receiver, families)

    def partition(self, *sides: Iterable[int]) -> None:
        """Nodes of different sides do not hear each other."""
        side_of = {number: index for index, side in enumerate(sides) for number in side}
        self.happens(f"partition({side_of})")
        self.network.partition(side_of)

    def heal(self) -> None:
        """Everybody hears everybody."""
        self.happens("heal()")
        self.network.deaf.clear()

    # -- operators, and what watches the NTP server

    def demote(self, number: int, cause: str, amount: int) -> None:
        node = self.nodes[number]
        self.happens(f"demote({number}, {cause!r}, {amount})", node)
        node.causes[cause] = amount
        self.tell(node, on.DemotionSet(cause, amount))

    def reconfigure(self, number: int, config: Config) -> None:
        node = self.nodes[number]
        self.happens(f"reconfigure({number}, {config})", node)
        node.config, node.families = config, config.families
        node.wire.configure(config)
        node.lend()
        self.tell(node, on.ConfigChanged(config))

    def put_on_a_real_wire(self, *keys: bytes) -> None:
        """Advertisements travel as signed bytes from now on, and pass every check on arrival."""
        for node in self.nodes:
            node.secrets = keys
            node.plug = self._real
            node.wire = node.plug(node)

    def _real(self, node: Node) -> Wire:
        """A new process knows nothing of the past but what the wall clock says, and that may be wrong."""
        if node.is_bsd:
            copies = not isinstance(node.machine, OpenBsd)
            return Ordinary(node.sources, node.config, ring(node.secrets), self.random.getrandbits(64), copies=copies)
        clock = Freshness(lambda: ticks_of(EPOCH + YEAR + self.now + node.wall_offset), self.random.random)
        return Real(node.sources, node.config, ring(node.secrets), clock, lambda: self.now, strict=self.strict)

    def rekey(self, number: int, *keys: bytes) -> None:
        """Another passphrase file: the first key signs, every key verifies."""
        self.happens(f"rekey({number}, {len(keys)} keys)")
        node = self.nodes[number]
        node.secrets = keys
        node.wire.configure(node.config, ring(keys))

    def resign(self, number: int, seconds: float) -> None:
        node = self.nodes[number]
        self.happens(f"resign({number}, {seconds})", node)
        if node.alive and not node.frozen:
            node.rests_until, node.rest = max(node.rests_until, self.now + seconds), max(node.rest, seconds)
        node.resting_until = max(node.resting_until, self.now + seconds + 1.0)
        self.tell(node, on.ResignRequested(seconds))

    def step_down(self, number: int) -> None:
        self.happens(f"step_down({number})", self.nodes[number])
        self.tell(self.nodes[number], on.StepDownRequested("maintenance"))

    def shut_down(self, number: int) -> None:
        self.happens(f"shut_down({number})", self.nodes[number])
        self.tell(self.nodes[number], on.ShutdownRequested())

    # -- the picture

    @property
    def masters(self) -> list[int]:
        return [node.number for node in self.nodes if node.takes_part and node.state is State.MASTER]

    @property
    def owners(self) -> list[int]:
        return [node.number for node in self.nodes if node.kernel.owns(self.now)]

    def explain(self) -> str:
        """What to look at when a promise is broken."""
        lines = sorted((*self.happenings[-200:], *map(str, self.journal[-200:])))
        return "\n".join([f"seed {self.seed}, now {self.now:.6f}", *lines[-60:]])


def configs(*advskews: int, advbase: int = 1, preempt: bool = True, dialect: Dialect = Dialect.FREEBSD) -> list[Config]:
    """One configuration an advskew, alike in everything else."""
    return [Config(1, fate.V4, advbase, advskew, preempt, dialect) for advskew in advskews]


def dual(members: Iterable[Config]) -> list[Config]:
    """The same with an address of either family."""
    return [replace(config, addresses=fate.DUAL) for config in members]


def group(*advskews: int, settle: float = 8.0, seed: int = 0, **options: Any) -> Cluster:
    """A lossless group of our own nodes, started a little apart and left alone until it is at rest."""
    known = {key: options.pop(key) for key in ("advbase", "preempt", "dialect") if key in options}
    cluster = Cluster(configs(*advskews, **known), seed=seed, **options)
    for number in range(len(advskews)):
        cluster.start(number)
        cluster.run(0.137)
    cluster.run(settle)
    return cluster
