"""What an advertisement costs, in what no machine's speed changes: calls, and memory that stays behind.

A budget is what is needed today. Who needs more has to say so here; who needs less lowers it.
"""

import gc
import sys
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from types import FrameType

import pytest

from sidecar.carp import events as on
from sidecar.carp.auth import Authenticator, Key
from sidecar.carp.config import Config, Family
from sidecar.carp.effects import State
from sidecar.carp.election import Election
from sidecar.carp.freshness import Freshness
from sidecar.carp.packet import decode, encode
from sidecar.carp.receive import DropReason, Receiver
from sidecar.carp.transmit import Transmitter
from sidecar.net.frames import advertisement_head
from sidecar.net.wire import dissect
from sidecar.runtime.driver import Driver
from sidecar.runtime.ports import Ports
from tests.runtime.test_driver import World

CONFIG = Config(vhid=10, addresses=(ip_address("192.0.2.10"),), advskew=20)
HEAD = advertisement_head(Family.V4, bytes((0, 0, 0x5E, 0, 1, 10)), ip_address("192.0.2.1").packed)
WARM = 2000
"""Advertisements until every bounded memory (recorder, peers, counters sent) is full."""
HEARD_CALLS, SENT_CALLS, SIGNED_CALLS, FORGED_CALLS, TAKEOVER_CALLS = 83, 55, 294, 28, 143


class Node(World):
    """A node whose wire is a list, with the real election, checks, counters, recorder and driver."""

    def __init__(self) -> None:
        super().__init__()
        keys = Authenticator(CONFIG.vhid, CONFIG.addresses, [Key(b"secret")], sign_link_local=True)
        freshness = Freshness(lambda: 1 + int(self.now * 16))
        self.transmitter = Transmitter(CONFIG.vhid, keys, freshness, lambda: self.now)
        receiver = Receiver(CONFIG, keys, freshness)
        ports = Ports(self, self, self, self, self)
        self.driver = Driver(Election(CONFIG), receiver, ports, lambda: self.now, lambda: 0.0)
        self.driver.post(on.CarpdevChanged(up=True))
        self.driver.post(on.Started())

    def send(self, advbase: int, advskew: int, demote: int) -> str | None:
        self.frame = HEAD + self.transmitter.payload(advbase, advskew, demote)
        return None

    def renew(self) -> str | None:
        return None

    def dropped(self, reason: str, source: bytes) -> None:
        """Counted by the driver."""

    def hear(self, frame: bytes) -> None:
        datagram = dissect(frame)
        assert datagram is not None
        self.driver.receive(datagram)

    def speak(self) -> None:
        self.now = self.armed or self.now
        self.driver.on_timer()


def hear_next(node: Node, peer: Node) -> Callable[[], None]:
    """Hear a better master's advertisement, signed before, a second after the last."""
    node.now += 1.0
    peer.now = node.now
    peer.send(1, 0, 0)
    return lambda: node.hear(peer.frame)


def hear(node: Node, peer: Node) -> None:
    hear_next(node, peer)()


def calls(action: Callable[[], None]) -> int:
    """Functions called, Python's and C's."""
    count = -1  # the end of the count

    def note(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(None)
    return count


def kept(action: Callable[[], None], times: int = 1000) -> float:
    """Blocks of memory that stay behind each time."""
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(times):
        action()
    gc.collect()
    return (sys.getallocatedblocks() - before) / times


@pytest.fixture
def peer() -> Node:
    """A master better than ours."""
    return Node()


@pytest.fixture
def backup(peer: Node) -> Node:
    """It has heard its master for half an hour."""
    node = Node()
    for _ in range(WARM):
        hear(node, peer)
    assert node.driver.state is State.BACKUP
    return node


@pytest.fixture
def master() -> Node:
    """It has spoken for half an hour."""
    node = Node()
    for _ in range(WARM):
        node.speak()
    assert node.driver.state is State.MASTER
    return node


def forged(peer: Node) -> bytes:
    """As the peer's last, with another digest and the right checksum."""
    payload = peer.frame[len(HEAD) :]
    return HEAD + encode(decode(payload)._replace(digest=bytes(20)))


def test_an_advertisement_heard_costs_so_many_calls(backup: Node, peer: Node) -> None:
    assert calls(hear_next(backup, peer)) <= HEARD_CALLS


def test_an_advertisement_sent_costs_so_many_calls(master: Node) -> None:
    """Seven of eight were signed with the eighth."""
    counts = sorted(calls(master.speak) for _ in range(24))
    assert counts[20] <= SENT_CALLS
    assert counts[-1] <= SIGNED_CALLS


def test_a_forged_advertisement_costs_less_than_half_of_a_genuine_one(backup: Node, peer: Node) -> None:
    """It is refused at its digest: nothing of ours is asked, and nothing is written down but a count."""
    frame = forged(peer)
    assert calls(lambda: backup.hear(frame)) <= FORGED_CALLS
    assert backup.driver.counters.dropped == {DropReason.BADAUTH: 1}


def test_nothing_stays_in_memory_of_what_was_heard_sent_or_refused(backup: Node, peer: Node, master: Node) -> None:
    frame = forged(peer)
    assert kept(partial(hear, backup, peer)) < 0.05
    assert kept(lambda: backup.hear(frame)) < 0.05
    assert kept(master.speak) < 0.05


def test_a_takeover_costs_so_many_calls(backup: Node, peer: Node) -> None:
    hear(backup, peer)
    backup.log.clear()
    assert calls(backup.speak) <= TAKEOVER_CALLS
    assert backup.log == ["hold", "announce", "MASTER"]
    assert backup.driver.state is State.MASTER
