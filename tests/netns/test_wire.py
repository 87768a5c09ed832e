"""The wire on real packet sockets: known peers pass any crowd, strangers are limited unless somebody worries."""

import ctypes
import os
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import ip_address

import pytest

from sidecar.carp.config import Family
from sidecar.carp.receive import Datagram
from sidecar.lab.capture import index_of
from sidecar.lab.netns import CLONE_NEWNET
from sidecar.lab.topology import Network
from sidecar.net.doorkeeper import BURST, LOUD, MUTE, TURN
from sidecar.net.frames import GROUP_MAC, ipv4_header
from sidecar.net.wire import BUDGET, REST, Listener, Wire
from sidecar.runtime.timer import DeadlineTimer
from tests.netns.group import until

VHID = 10
GROUP = ip_address("224.0.0.18").packed
PEER, NEWCOMER, STRANGER = (ip_address(f"10.77.0.{last}").packed for last in (1, 2, 66))
CROWD = 1000
ARRIVAL = 0.2
"""Seconds until what was sent waits in the sockets; the kernel may put it off on a busy machine."""


@dataclass
class Bench:
    """A wire on a node's interface, whoever is believed, a clock, and somebody who sends."""

    wire: Wire
    sending: socket.socket
    open_again: Callable[[], None]
    now: float = 100.0
    worried: bool = False
    believed: set[bytes] = field(default_factory=set)
    heard: list[bytes] = field(default_factory=list)

    def receive(self, datagram: Datagram) -> bool:
        self.heard.append(datagram.source)
        return datagram.source in self.believed

    def send(self, source: bytes, times: int = 1) -> None:
        payload = bytes((0x21, VHID)) + bytes(34)
        head = GROUP_MAC[Family.V4] + bytes((2, 0, 0, 0, 0, 9)) + b"\x08\x00"
        for _ in range(times):
            self.sending.send(head + ipv4_header(source, GROUP, len(payload)) + payload)
        time.sleep(ARRIVAL)

    def drain(self, times: int = 1) -> list[bytes]:
        """What is heard in so many wake-ups."""
        self.heard.clear()
        for _ in range(times):
            self.wire.drain()
        return list(self.heard)


@pytest.fixture
def bench() -> Iterator[Bench]:
    with Network() as network, ThreadPoolExecutor(1) as inside:
        node, other = network.add_node("node1", 11), network.add_node("node2", 12)
        made: list[Bench] = []
        wire = Wire(DeadlineTimer(), lambda: made[0].now if made else 0.0)
        with other.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sending:
            sending.bind(("eth0", 0))
            with node.socket(socket.AF_INET, socket.SOCK_DGRAM) as there:
                index = index_of(there, "eth0")
            made.append(Bench(wire, sending, lambda: inside.submit(open_in, node.pid, wire, index).result()))
            made[0].open_again()
            wire.attach(VHID, Listener(made[0].receive, lambda: made[0].worried))
            yield made[0]
            wire.close()


def open_in(pid: int, wire: Wire, index: int) -> None:
    """Step into a node's network, for the rest of this thread, and listen there."""
    namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        assert ctypes.CDLL(None).setns(namespace, CLONE_NEWNET) == 0
        wire.open(index, "eth0")
    finally:
        os.close(namespace)


def know(bench: Bench, source: bytes = PEER) -> None:
    """The wire has believed this one before."""
    bench.believed.add(source)

    def heard() -> bool:
        bench.send(source)
        return source in bench.drain()

    until(heard, 5, "the first advertisement is heard")


def limit(bench: Bench) -> None:
    """A crowd has used up the looks."""
    bench.send(STRANGER, CROWD)
    looked = len(bench.drain(CROWD))
    assert looked < BURST + BUDGET, "not all of the crowd is looked at"


def test_a_known_peer_is_heard_first_however_many_strangers_wait(bench: Bench) -> None:
    know(bench)
    bench.send(STRANGER, CROWD)
    bench.send(PEER)
    assert bench.drain()[0] == PEER


def test_strangers_are_looked_at_by_allowance(bench: Bench) -> None:
    limit(bench)
    assert bench.drain(10) == []


def pass_turns(bench: Bench) -> None:
    """Until what was left of the crowd has been looked at, turn by turn."""
    for _ in range(CROWD // BUDGET * 2 + 10):
        bench.now += 2 * TURN
        bench.drain()


def test_a_loud_stranger_is_muted_and_a_newcomer_beside_it_is_heard(bench: Bench) -> None:
    limit(bench)
    pass_turns(bench)
    bench.believed.add(NEWCOMER)
    bench.send(STRANGER, CROWD)
    bench.send(NEWCOMER)
    bench.now += 2 * TURN
    assert bench.drain() == [NEWCOMER]


def test_a_muted_stranger_gets_another_chance(bench: Bench) -> None:
    limit(bench)
    pass_turns(bench)
    bench.now += MUTE + 1.0
    bench.drain()
    bench.send(STRANGER)
    assert bench.drain() == [STRANGER]


def test_who_worries_hears_everybody_at_once_the_muted_too(bench: Bench) -> None:
    limit(bench)
    bench.now += 2 * TURN
    bench.worried = True
    bench.drain(2)
    bench.drain(CROWD)
    bench.send(STRANGER, 10 * LOUD)
    assert len(bench.drain(CROWD)) == 10 * LOUD


def test_while_worried_no_crowd_is_limited(bench: Bench) -> None:
    bench.worried = True
    bench.send(STRANGER, CROWD)
    heard: list[bytes] = []

    def all_are_heard() -> bool:
        heard.extend(bench.drain(CROWD))
        return len(heard) == CROWD

    until(all_are_heard, 5, "all of the crowd are heard")


def test_a_wake_up_reads_a_bounded_number_of_frames(bench: Bench) -> None:
    know(bench)
    bench.send(PEER, CROWD)
    bench.send(STRANGER, CROWD)
    assert len(bench.drain()) <= BUDGET * 3 // 2


def test_all_that_came_from_known_peers_is_heard_before_silence_is_concluded(bench: Bench) -> None:
    know(bench)
    bench.send(PEER, CROWD)
    bench.heard.clear()
    bench.wire.drain_all()
    assert len(bench.heard) == CROWD


def test_a_known_peer_is_heard_once_and_by_one_socket(bench: Bench) -> None:
    know(bench)
    bench.send(PEER, 5)
    assert bench.drain(8) == [PEER] * 5


def test_a_master_that_was_believed_ends_the_wake_up_and_what_else_came_makes_the_next(bench: Bench) -> None:
    know(bench)
    bench.send(PEER, 2)
    bench.send(STRANGER)
    assert [bench.drain() for _ in range(3)] == [[PEER], [PEER], [STRANGER]]


def test_with_two_virtual_hosts_two_masters_are_heard_in_a_wake_up(bench: Bench) -> None:
    know(bench)
    bench.wire.attach(VHID + 1, Listener(bench.receive, lambda: False))
    bench.send(PEER, 3)
    assert [bench.drain() for _ in range(2)] == [[PEER] * 2, [PEER]]


def test_strangers_are_heard_though_a_master_is_believed_at_every_wake_up(bench: Bench) -> None:
    know(bench)
    bench.send(PEER, 2 * BUDGET)
    bench.send(NEWCOMER)
    assert NEWCOMER in bench.drain(times=BUDGET)


def test_who_forges_a_known_peers_name_is_read_together_a_thousand_times_a_second(bench: Bench) -> None:
    know(bench)
    bench.believed.clear()
    bench.send(PEER)
    assert bench.drain() == [PEER]
    bench.send(PEER, 3)
    assert bench.drain() == []
    bench.now += REST
    assert bench.drain() == [PEER] * 3
    bench.now += REST
    assert bench.drain() == []
    bench.send(PEER)
    assert bench.drain() == [PEER], "when nobody forges any more, everybody is heard at once"


def test_of_a_known_peer_that_is_forged_all_is_heard_before_silence_is_concluded(bench: Bench) -> None:
    know(bench)
    bench.believed.clear()
    bench.send(PEER)
    bench.drain()
    bench.send(PEER, CROWD)
    bench.heard.clear()
    bench.wire.drain_all()
    assert len(bench.heard) == CROWD


def test_a_wire_that_opens_anew_has_forgotten_who_was_forged(bench: Bench) -> None:
    know(bench)
    bench.believed.clear()
    bench.send(PEER)
    bench.drain()
    bench.open_again()
    bench.send(PEER)
    assert bench.drain() == [PEER]
