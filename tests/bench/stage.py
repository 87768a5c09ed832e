"""Two nodes of one contender, a client that asks each millisecond, and an observer of wire and kernels.

The better node is `node1`. What happened is read when the stage is closed; nothing is computed while it plays.
"""

import array
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from sys import executable

from sidecar.lab.capture import Capture
from sidecar.lab.owners import OwnerWatch
from sidecar.lab.space import Process
from sidecar.lab.topology import Network, Node
from tests.bench.contenders import NUMBERS, SERVICE, Contender
from tests.bench.figures import Advert, Event, Ownership, Probe, Seen

HERE = Path(__file__).parent
PROBES = "/run/probes"
SETTLE_SECONDS = 20.0
AFTER_SECONDS = 0.5
DEAF_SECONDS = 90.0
OBSERVER_PRIORITY = 30
"""SCHED_FIFO, above every contender's and below the client's and the servers': what kernels tell is stamped then."""
NO_GRATUITOUS_ARP = "7,32 0 0 28,7 0 0 0,32 0 0 38,28 0 0 0,21 0 1 0,6 0 0 2,6 0 0 0"
"""Classic BPF for tc: an ARP packet whose sender and target are the same address is dropped, others pass."""

SOURCE = slice(26, 30)
"""Of an IPv4 packet in an Ethernet frame."""


def serve_time(node: Node, folder: Path) -> None:
    """What the address is for runs on the node."""
    argv = [executable, "-I", "-S", str(HERE / "responder.py"), str(node.number)]
    node.spawn(argv, log=folder / f"responder-{node.name}.log")


class Stage:
    """``events`` is what was done; ``seen()`` what came of it."""

    def __init__(self, contender: Contender, folder: Path, phase: float, deaf: bool = False) -> None:
        """``phase``: share of the interval after an advertisement at which events come; ``deaf``: the client is."""
        self.contender = contender
        self.events: list[Event] = []
        self._folder = folder
        self._phase = phase
        self._daemons: dict[int, Process] = {}
        self._wall = time.time() - time.monotonic()
        self.network = Network()
        self.watch = OwnerWatch([SERVICE.address], OBSERVER_PRIORITY)
        try:
            self.nodes = [self.network.add_node(f"node{rank + 1}", number) for rank, number in enumerate(NUMBERS)]
            self.client = self.network.add_node("client", 200)
            self._adverts = Capture(self.network.switch.pid, "br0", "ip proto 112")
            for node in self.nodes:
                self._furnish(node)
            if deaf:
                self._deafen()
            argv = [executable, "-I", "-S", str(HERE / "prober.py"), SERVICE.address, PROBES]
            self._prober = self.client.spawn(argv, log=folder / "prober.log")
        except BaseException:
            self.close()
            raise

    def _furnish(self, node: Node) -> None:
        self.watch.attach(node)
        serve_time(node, self._folder)

    def _deafen(self) -> None:
        """No gratuitous ARP reaches the client; everything else does."""
        port, run = self.client.port, self.network.switch.run
        run(["tc", "qdisc", "add", "dev", port, "clsact"], check=True)
        program = ["protocol", "arp", "bpf", "direct-action", "bytecode", NO_GRATUITOUS_ARP]
        run(["tc", "filter", "add", "dev", port, "egress", *program], check=True)

    # -- the nodes

    def start(self, rank: int) -> None:
        """Start the contender on a node."""
        node = self.nodes[rank]
        log = self._folder / f"{self.contender.key}-{node.name}.log"
        self._daemons[rank] = self.contender.start(node, log, rank)

    def daemon(self, rank: int) -> Process:
        """The process that runs there."""
        return self._daemons[rank]

    def settle(self) -> None:
        """Both run, the better one alone owns the address, and the phase of its interval has come."""
        self._wait_for_owner(0)
        time.sleep(max(1.0, 2 * self.contender.interval))
        self._wait_for_phase()

    def _wait_for_phase(self) -> None:
        """So much of the interval after the master's next advertisement; where it is silent, any moment will do."""
        seen, end = len(self._adverts.frames), time.monotonic() + 3 * self.contender.interval
        while time.monotonic() < end:
            mine = [one for one in self._adverts.frames[seen:] if one.data[SOURCE][3] == NUMBERS[0]]
            if mine:
                due = mine[0].time_ns / 1e9 - self._wall + self._phase * self.contender.interval
                time.sleep(max(0.0, due - time.monotonic()))
                return
            time.sleep(0.0005)

    def _wait_for_owner(self, rank: int) -> None:
        wanted = frozenset({self.nodes[rank].name})
        end = time.monotonic() + SETTLE_SECONDS
        while self.watch.owners(SERVICE.address) != wanted:
            if time.monotonic() > end:
                raise RuntimeError(f"{self.contender.key}: {set(wanted)} does not own {SERVICE.address} alone")
            time.sleep(0.005)

    def _do(self, kind: str, old: int, act: Callable[[], None]) -> None:
        """Act, wait until the address is on the other node alone, and a little longer."""
        at = time.monotonic()
        act()
        self._wait_for_owner(1 - old)
        time.sleep(AFTER_SECONDS)
        self.events.append(Event(kind, at, time.monotonic(), NUMBERS[old], NUMBERS[1 - old]))

    # -- what is done to them

    def crash(self) -> None:
        """The master's node loses its power; it comes back later, and takes the address again."""
        self._do("crash", 0, self._cut)
        self.nodes[0].boot()
        self._furnish(self.nodes[0])
        self.come_back()

    def _cut(self) -> None:
        self.watch.detach(self.nodes[0].name)
        self.nodes[0].power_off()

    def crash_for_the_deaf(self) -> None:
        """The same; over when the client has an answer of the other node. Then all is as before, and it knows that."""
        at = time.monotonic()
        self._cut()
        self._wait_for_answer(NUMBERS[1], at)
        time.sleep(AFTER_SECONDS)
        self.events.append(Event("deaf", at, time.monotonic(), *NUMBERS))
        self.nodes[0].boot()
        self._furnish(self.nodes[0])
        self.start(0)
        self._wait_for_owner(0)
        self.client.run(["ip", "neigh", "flush", "dev", "eth0"], check=True)
        self.settle()

    def _wait_for_answer(self, number: int, since: float) -> None:
        """Until the client has one of this node; what it has not by then it is taken to have at the end."""
        latest = self.client.path(PROBES + ".latest")
        while time.monotonic() < since + DEAF_SECONDS:
            at, node = struct.unpack("=dd", latest.read_bytes())
            if at > since and node == number:
                return
            time.sleep(0.005)

    def stop(self) -> None:
        """The master's daemon is told to end; it is started again later, and takes the address again."""
        self._do("stop", 0, lambda: self._daemons[0].send_signal(15))
        self._daemons[0].stop(10.0)
        self.come_back()

    def resign(self) -> None:
        """Ours only: the master is told to hand over for a while."""
        argv = [executable, "-m", "sidecar", "resign", "--for", "2"]
        env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(HERE.parents[1])}
        self._do("resign", 0, lambda: self._run(argv, env))
        self._do("return", 1, lambda: None)
        self.settle()

    def _run(self, argv: list[str], env: dict[str, str]) -> None:
        self.nodes[0].spawn(argv, env=env)

    def come_back(self) -> None:
        """The better node's daemon starts."""
        self._do("return", 1, lambda: self.start(0))
        self.settle()

    # -- what was seen

    def seen(self) -> Seen:
        """Everything until now; the client asks no more."""
        self._prober.stop(5.0)
        adverts = [Advert(frame.time_ns / 1e9 - self._wall, frame.data[SOURCE][3]) for frame in self._adverts.frames]
        of = {node.name: node.number for node in self.nodes}
        changes = [Ownership(one.at, frozenset(of[name] for name in one.owners)) for one in self.watch.changes]
        return Seen(self._probes(PROBES), adverts, changes, self._probes(PROBES + ".fine"))

    def _probes(self, name: str) -> list[Probe]:
        numbers = array.array("d", self.client.path(name).read_bytes())
        return [Probe(numbers[at], numbers[at + 1], int(numbers[at + 2])) for at in range(0, len(numbers), 3)]

    def close(self) -> None:
        """Take everything down."""
        if hasattr(self, "_adverts"):
            self._adverts.close()
        self.watch.close()
        self.network.close()


@contextmanager
def stage_for(contender: Contender, folder: Path, phase: float, deaf: bool = False) -> Iterator[Stage]:
    """Both nodes run and the better one is master; gone afterwards."""
    stage = Stage(contender, folder, phase, deaf)
    try:
        stage.start(0)
        stage.start(1)
        stage.settle()
        yield stage
    finally:
        stage.close()
