"""A flood of forged advertisements against a pair of nodes: who fails over, how late the master speaks, what it costs.

All on the same two cores as the flood itself, so what is measured is the defence and not the wire.
"""

import os
import random
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

from sidecar.lab.netns import socket_in
from sidecar.lab.owners import OwnerWatch
from sidecar.lab.space import Process
from sidecar.lab.topology import Network, Node
from tests.attacks import frames
from tests.attacks.frames import Packet
from tests.attacks.verdict import story

VHID, ADDRESS = 10, "10.77.0.100"
MASTER, BACKUP, STRANGER = "10.77.0.11", "10.77.0.12", "10.77.0.66"
FLOODER = Path(__file__).with_name("flooder.py")
PACKET_IGNORE_OUTGOING = 23
SOL_PACKET = 263
SEED = 8112
SAID = "/run/flooder"
MOST_SECONDS = 60.0
PATIENCE = 30.0
Start = Callable[[Node, Path], Process]
"""Starts a daemon on a node, its output in a file."""


class Source(StrEnum):
    """Whom the flood pretends to come from."""

    STRANGER = "one stranger"
    MANY = "a thousand strangers"
    PEER = "the master itself"


def forged(source: Source, count: int = 1024) -> list[bytes]:
    """Advertisements that only their digest gives away: the best there can be, TTL 255, right vhid and length."""
    draw = random.Random(SEED)
    names = {
        Source.STRANGER: lambda: STRANGER,
        Source.PEER: lambda: MASTER,
        Source.MANY: lambda: str(IPv4Address(draw.getrandbits(32))),
    }
    made = (
        frames.signed(VHID, ADDRESS, "wrong", names[source](), draw.getrandbits(64), 0, 0)._replace(
            mac=b"\x02" + draw.randbytes(5) if source is Source.MANY else frames.ATTACKER_MAC
        )
        for _ in range(count)
    )
    return [Packet.frame(one) for one in made]


class Harm(NamedTuple):
    """What a flood of some seconds did."""

    pps: float
    """Sent, a second."""
    moves: int
    """Changes of owner: each is a false failover."""
    late_median: float
    late_p99: float
    late_max: float
    """Seconds that the master's advertisements came later than they should, one after the other."""
    silence: float
    cpu: float
    """Of a core, the busier of the two daemons."""
    growth: int
    """KiB of memory that the larger daemon grew by."""


@dataclass
class Pair:
    """Two nodes that serve the address, and an attacker."""

    network: Network
    watch: OwnerWatch
    nodes: list[Node]
    attacker: Node
    running: list[Process] = field(default_factory=list)
    starts: Sequence[Start] = ()
    folder: Path = Path()

    def start(self, rank: int) -> None:
        """Start a node's daemon, again if it has run before."""
        node = self.nodes[rank]
        process = self.starts[rank](node, self.folder / f"{node.name}.log")
        self.running[rank : rank + 1] = [process]

    def overlap(self, since: float) -> float:
        """Seconds with two owners from a moment on, in all."""
        return story(self.watch.changes, ADDRESS, since, time.monotonic()).two

    def owners(self) -> frozenset[str]:
        """The nodes whose kernels have the address."""
        return self.watch.owners(ADDRESS)

    def settle(self, rank: int = 0, seconds: float = 20.0) -> None:
        """Until this node alone has it."""
        end = time.monotonic() + seconds
        while self.owners() != {self.nodes[rank].name}:
            assert time.monotonic() < end, f"{set(self.owners())} instead of {self.nodes[rank].name}"
            time.sleep(0.05)

    def flood(self, source: Source, seconds: float, interval: float, rate: float = 0.0) -> Harm:
        """Flood for some seconds and see; ``interval`` is the master's."""
        since, usage = len(self.watch.changes), [Usage.of(one) for one in self.running]
        with self._ear() as ear:
            said = self._flood(source, seconds, rate)
            heard = list(arrivals(ear))
        used = [Usage.of(one).minus(before) for one, before in zip(self.running, usage, strict=True)]
        sent, took = map(float, said.split())
        gaps = [later - earlier - interval for earlier, later in pairwise(heard)]
        gaps = gaps or [took]  # it said nothing all the while
        return Harm(
            sent / took,
            len([one for one in self.watch.changes[since:] if one.address == ADDRESS]),
            median(gaps),
            quantiles(gaps, n=100, method="inclusive")[-1] if len(gaps) > 20 else max(gaps),
            max(gaps),
            max(gaps) + interval,
            max(one.cpu for one in used) / took,
            max(one.rss for one in used),
        )

    @contextmanager
    def flooded(self, source: Source) -> Iterator[None]:
        """A flood goes on meanwhile."""
        flooding = self._start(source, MOST_SECONDS, 0.0)
        try:
            time.sleep(0.5)
            assert flooding.poll() is None, "the flood has ended already"
            yield
            assert flooding.poll() is None, "the flood ended too early"
        finally:
            flooding.stop()

    def _flood(self, source: Source, seconds: float, rate: float) -> str:
        assert self._start(source, seconds, rate).wait(seconds + PATIENCE) == 0
        return self.attacker.path(SAID).read_text()

    def _start(self, source: Source, seconds: float, rate: float) -> Process:
        frames = self.attacker.write("/run/frames", "\n".join(one.hex() for one in forged(source)))
        argv = [sys.executable, "-I", str(FLOODER), "eth0", str(seconds), str(rate), frames, SAID]
        return self.attacker.spawn(argv, log=self.folder / "flooder.log")

    @contextmanager
    def _ear(self) -> Iterator[socket.socket]:
        """What the first node says, with the kernel's time stamps, and nothing of the flood."""
        port = self.nodes[0].port
        ear = socket_in(self.network.switch.pid, socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            ear.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
            ear.setsockopt(socket.SOL_SOCKET, 35, 1)
            with suppress(PermissionError):  # in a user namespace; what it is to hear is little
                ear.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)
            ear.bind((port, 3))
            ear.setblocking(False)
            yield ear
        finally:
            ear.close()


class Usage(NamedTuple):
    """Seconds on a processor, and KiB of memory."""

    cpu: float
    rss: int

    @classmethod
    def of(cls, process: Process) -> "Usage":
        """Of now, children included, also those that have ended."""
        folders = [Path(f"/proc/{process.pid}"), *children(process.pid)]
        ticks = sum(sum(map(int, (one / "stat").read_text().rpartition(")")[2].split()[11:15])) for one in folders)
        lines = (folders[0] / "status").read_text().splitlines()
        rss = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
        return cls(ticks / os.sysconf("SC_CLK_TCK"), rss)

    def minus(self, earlier: "Usage") -> "Usage":
        """What came since."""
        return Usage(self.cpu - earlier.cpu, self.rss - earlier.rss)


def children(pid: int) -> list[Path]:
    """The processes that this one started."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [Path(f"/proc/{one}") for one in text.split()]


def arrivals(ear: socket.socket) -> Iterator[float]:
    """The moments of the advertisements that wait in the socket."""
    while True:
        try:
            frame, ancillary, _, _ = ear.recvmsg(2048, 64)
        except BlockingIOError:
            return
        if frame[12:14] == b"\x08\x00" and frame[23] == 112:
            seconds = int.from_bytes(ancillary[0][2][:8], sys.byteorder)
            yield seconds + int.from_bytes(ancillary[0][2][8:16], sys.byteorder) / 1e9


@contextmanager
def pair_of(starts: Sequence[Start], folder: Path) -> Iterator[Pair]:
    """Two nodes with a daemon each, gone afterwards."""
    with Network() as network:
        nodes = [network.add_node("node1", 11), network.add_node("node2", 12)]
        attacker = network.add_node("attacker", 66)
        pair = Pair(network, OwnerWatch([ADDRESS]), nodes, attacker, [], starts, folder)
        try:
            for rank, node in enumerate(nodes):
                pair.watch.attach(node)
                pair.start(rank)
            pair.settle()
            time.sleep(1.0)
            yield pair
        finally:
            pair.watch.close()
