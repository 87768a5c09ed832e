"""One real node of a dual-stack group without a kernel: frames in by the real path, what it asks of the world counted.

The path is the product's from the bytes of an Ethernet frame to the effects of the election; only sockets, timer and
addresses are stand-ins, and time stands still until somebody moves it.
"""

from collections.abc import Iterator
from ipaddress import ip_address

from sidecar.app.observer import ElectionObserver
from sidecar.carp import events as on
from sidecar.carp.auth import Authenticator, Key
from sidecar.carp.config import Address, Config, Family
from sidecar.carp.effects import State
from sidecar.carp.election import Election
from sidecar.carp.freshness import Freshness
from sidecar.carp.marker import EPOCH, ticks_of
from sidecar.carp.packet import Advertisement, encode
from sidecar.carp.receive import Datagram, Receiver
from sidecar.carp.transmit import Transmitter
from sidecar.net.frames import advertisement_head, virtual_mac
from sidecar.net.wire import Listener, Wire
from sidecar.ops.droplog import drop_logger
from sidecar.runtime.driver import Driver
from sidecar.runtime.ports import Ports

VHID = 10
PASSPHRASE = b"only for tests"
ADDRESSES: tuple[Address, ...] = (ip_address("10.77.0.100"), ip_address("fd77::100"))
OURS = {Family.V4: ip_address("10.77.0.11").packed, Family.V6: ip_address("fe80::11").packed}
PEERS = {Family.V4: ip_address("10.77.0.12").packed, Family.V6: ip_address("fe80::12").packed}
HOSTS = {Family.V4: ip_address("10.77.0.13").packed, Family.V6: ip_address("fe80::13").packed}
SIGNER = Authenticator(VHID, ADDRESSES, [Key(PASSPHRASE)], sign_link_local=True)
BIRTH = EPOCH + 300 * 86_400.0
"""Unix time at which every story begins."""


class World:
    """Kernel, wire and timer: ``touched`` counts what they were asked for, an armed timer included."""

    def __init__(self) -> None:
        self.now = 100.0
        self.touched = 0
        self.owned: tuple[Address, ...] = ()

    def wall(self) -> float:
        """Unix time, in step with the elections' clock."""
        return BIRTH + self.now

    @property
    def held(self) -> tuple[Address, ...]:
        return self.owned

    def hold(self, addresses: tuple[Address, ...]) -> str | None:
        self.touched += 1
        self.owned = addresses
        return None

    def release(self) -> str | None:
        self.touched += 1
        self.owned = ()
        return None

    def renew(self) -> str | None:
        self.touched += 1
        return None

    def announce(self) -> None:
        self.touched += 1

    def stop(self) -> None:
        self.touched += 1

    def arm(self, deadline: float | None) -> None:
        self.touched += 1

    def acknowledge(self) -> None:
        self.touched += 1


class Alarm:
    """The wire's own timer, which nobody waits for here."""

    def fileno(self) -> int:
        return -1

    def arm(self, deadline: float | None) -> None:
        return

    def acknowledge(self) -> None:
        return


class Voice:
    """A member's mouth: signs, marks and frames advertisements, one a family, and keeps them as a recording."""

    def __init__(self, world: World, sources: dict[Family, bytes], freshness: Freshness) -> None:
        self.sources = sources
        self.recording: list[bytes] = []
        self._transmitter = Transmitter(VHID, SIGNER, freshness, lambda: world.now)
        self._transmitter.send_from(frozenset(sources.values()))

    def say(self, advbase: int, advskew: int, demote: int = 0) -> list[bytes]:
        """The frames of the next advertisement."""
        payload = self._transmitter.payload(advbase, advskew, demote)
        frames = [framed(family, self.sources[family], payload) for family in Family]
        self.recording += frames
        return frames


class Mouth:
    """The port that advertises with a voice."""

    def __init__(self, world: World, voice: Voice) -> None:
        self._world = world
        self._voice = voice

    def send(self, advbase: int, advskew: int, demote: int) -> str | None:
        self._world.touched += 1
        self._voice.say(advbase, advskew, demote)
        return None


class Node:
    """A member that is up and has heard nobody yet; ``strict``: all members are carp-sidecar."""

    def __init__(self, *, strict: bool) -> None:
        world = self.world = World()
        config = Config(VHID, ADDRESSES, advskew=20)
        fresh = Freshness(lambda: ticks_of(world.wall()))
        self.voice = Voice(world, OURS, fresh)
        self.peer = Voice(world, PEERS, Freshness(lambda: ticks_of(world.wall())))
        observer = ElectionObserver(VHID, drop_logger(lambda: world.now))
        ports = Ports(Mouth(world, self.voice), world, world, world, observer)
        receiver = Receiver(config, SIGNER, fresh, strict=strict)
        self.driver = Driver(Election(config), receiver, ports, lambda: world.now, world.wall)
        self.believed: list[Datagram] = []
        self.driver.on_heard = self.believed.append
        self.wire = Wire(Alarm(), lambda: world.now)
        self.wire.attach(VHID, Listener(self.driver.receive, lambda: self.driver.worried))
        self.driver.post(on.CarpdevChanged(up=True))
        self.driver.post(on.Started())

    def hear(self, frame: bytes) -> None:
        """A frame of a stranger that the kernel let in."""
        self.wire._meet(frame)

    def wait(self, seconds: float) -> None:
        """Time passes; whatever is due happens."""
        end = self.world.now + seconds
        while (due := self.driver.deadline) is not None and due <= end:
            self.world.now = max(due, self.world.now)
            self.driver.on_timer()
        self.world.now = end

    def hear_peer(self, advskew: int = 0) -> None:
        """The better master says that it lives."""
        for frame in self.peer.say(1, advskew):
            self.hear(frame)

    def live(self, seconds: int, *, peer: bool) -> None:
        """So many seconds of ordinary life."""
        for _ in range(seconds):
            self.wait(1.0)
            if peer:
                self.hear_peer()


def settled(*, master: bool, strict: bool) -> Node:
    """A node in the middle of its life: it has heard a master, and may have followed it."""
    node = Node(strict=strict)
    node.live(3, peer=True)
    if master:
        node.live(5, peer=False)
    assert node.driver.state is (State.MASTER if master else State.BACKUP)
    return node


def framed(family: Family, source: bytes, payload: bytes) -> bytes:
    """An advertisement to the group of a family."""
    return advertisement_head(family, virtual_mac(VHID), source) + payload


def unmarked(count: int) -> Iterator[bytes]:
    """What a BSD host with the group's passphrase says: an ordinary counter, which nothing can tell from a replay."""
    for counter in range(1 << 40, (1 << 40) + count):
        said = encode(Advertisement(VHID, 1, 0, 0, counter, SIGNER.sign(counter)))
        yield from (framed(family, HOSTS[family], said) for family in Family)
