"""The engine: order of effects, run to completion, and what it does after it slept. The world is interpreted."""

from ipaddress import ip_address

import pytest

from sidecar.carp import effects as do
from sidecar.carp import events as on
from sidecar.carp.auth import Authenticator, Key
from sidecar.carp.config import Address, Config, Family
from sidecar.carp.constants import GROUP_V4
from sidecar.carp.effects import State
from sidecar.carp.election import Election
from sidecar.carp.freshness import Freshness
from sidecar.carp.receive import Datagram, Receiver
from sidecar.carp.transmit import Transmitter
from sidecar.runtime.driver import Driver
from sidecar.runtime.ports import Ports

CONFIG = Config(vhid=10, addresses=(ip_address("192.0.2.10"),), advskew=20)
PEER = ip_address("192.0.2.1").packed


class World:
    """A clock, a wire, a kernel and a switch, each as simple as it can be and still be wrong about."""

    def __init__(self) -> None:
        self.now = 100.0
        self.log: list[str] = []
        self.sent: list[tuple[int, int, int]] = []
        self.owned: tuple[Address, ...] = ()
        self.send_fails: str | None = None
        self.hold_fails: str | None = None
        self.armed: float | None = None
        self.drops: list[str] = []

    # Sender
    def send(self, advbase: int, advskew: int, demote: int) -> str | None:
        self.log.append("send")
        if self.send_fails is None:
            self.sent.append((advbase, advskew, demote))
        return self.send_fails

    # Addresses
    @property
    def held(self) -> tuple[Address, ...]:
        return self.owned

    def hold(self, addresses: tuple[Address, ...]) -> str | None:
        self.log.append("hold")
        if self.hold_fails is None:
            self.owned = addresses
        return self.hold_fails

    def release(self) -> str | None:
        self.log.append("release")
        self.owned = ()
        return None

    def renew(self) -> str | None:
        self.log.append("renew")
        return None

    # Announcer
    def announce(self) -> None:
        self.log.append("announce")

    def stop(self) -> None:
        self.log.append("hush")

    # Timer
    def arm(self, deadline: float | None) -> None:
        self.armed = deadline

    def acknowledge(self) -> None:
        self.armed = None

    # Observer
    def state_changed(self, change: do.StateChanged) -> None:
        self.log.append(f"{change.new}")

    def demotion_changed(self, change: do.DemotionChanged) -> None:
        self.log.append(f"demotion {change.new}")

    def dropped(self, reason: str, source: bytes) -> None:
        self.drops.append(f"{reason} {ip_address(source)}")

    def stopped(self) -> None:
        self.log.append("stopped")


def keys() -> Authenticator:
    return Authenticator(CONFIG.vhid, CONFIG.addresses, [Key(b"secret")], sign_link_local=True)


def from_peer(advskew: int = 0, advbase: int = 1) -> Datagram:
    payload = Transmitter(CONFIG.vhid, keys(), Freshness(), float).payload(advbase, advskew, 0)
    return Datagram(Family.V4, PEER, GROUP_V4, 255, payload)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def driver(world: World) -> Driver:
    receiver = Receiver(CONFIG, keys(), Freshness())
    driver = Driver(
        Election(CONFIG), receiver, Ports(world, world, world, world, world), lambda: world.now, lambda: 0.0
    )
    driver.post(on.CarpdevChanged(up=True))
    driver.post(on.Started())
    return driver


def until_master(driver: Driver, world: World) -> None:
    world.now = world.armed or 0.0
    driver.on_timer()
    assert driver.state is State.MASTER


def test_a_new_master_owns_speaks_announces_and_only_then_tells_people(driver: Driver, world: World) -> None:
    world.log.clear()
    until_master(driver, world)
    assert world.log == ["hold", "send", "announce", "renew", "MASTER"]


def test_the_one_timer_follows_the_elections_deadline(driver: Driver, world: World) -> None:
    until_master(driver, world)
    assert world.armed == driver.deadline == pytest.approx(world.now + 1 + 20 / 256, abs=1e-5)


def test_a_yielding_master_falls_silent_and_lets_go_before_anything_else(driver: Driver, world: World) -> None:
    until_master(driver, world)
    world.log.clear()
    driver.receive(from_peer(advskew=0))
    assert world.log == ["hush", "release", "BACKUP"]
    assert world.owned == ()


def test_a_kernel_that_refuses_an_address_keeps_the_node_silent(driver: Driver, world: World) -> None:
    """A word of it, and whoever owns the address lets go."""
    world.hold_fails = "Operation not permitted"
    world.now = world.armed or 0.0
    driver.on_timer()
    assert driver.state is State.BACKUP
    assert world.sent == []
    assert world.owned == ()


def test_three_failed_sends_demote_and_the_lease_is_not_renewed(driver: Driver, world: World) -> None:
    until_master(driver, world)
    world.log.clear()
    world.send_fails = "Network is down"
    for _ in range(3):
        world.now = world.armed or 0.0
        driver.on_timer()
    assert "demotion 240" in world.log
    assert "renew" not in world.log


def test_after_a_stall_a_backup_hears_before_it_concludes_silence(driver: Driver, world: World) -> None:
    world.now += 60.0
    driver.drain = lambda: driver.receive(from_peer(advskew=0))
    driver.on_timer()
    assert driver.state is State.BACKUP


def test_after_a_stall_a_master_hears_before_it_speaks(driver: Driver, world: World) -> None:
    until_master(driver, world)
    spoken = len(world.sent)
    world.now += 60.0
    driver.drain = lambda: driver.receive(from_peer(advskew=0))
    driver.on_timer()
    assert driver.state is State.BACKUP
    assert len(world.sent) == spoken


def test_a_timer_that_comes_early_changes_nothing(driver: Driver, world: World) -> None:
    due = driver.deadline
    world.now += 0.5
    driver.on_timer()
    assert driver.state is State.BACKUP
    assert world.armed == due


def test_what_an_effect_posts_waits_for_the_others(driver: Driver, world: World) -> None:
    """What a failed send leads to must not come before the announcement of the same step."""
    world.send_fails = "No buffer space available"
    world.log.clear()
    until_master(driver, world)
    assert world.log == ["hold", "send", "announce", "MASTER"]


def test_a_bad_advertisement_is_counted_and_told_and_nothing_else(driver: Driver, world: World) -> None:
    before = driver.deadline
    driver.receive(from_peer()._replace(ttl=254))
    assert driver.counters.dropped == {"badttl": 1}
    assert world.drops == ["badttl 192.0.2.1"]
    assert (driver.deadline, driver.counters.received) == (before, 0)


def test_lateness_is_measured_against_the_deadline(driver: Driver, world: World) -> None:
    world.now = (world.armed or 0.0) + 0.002
    driver.on_timer()
    report = driver.report("eth0")
    assert report.lateness.total == pytest.approx(0.002, abs=1e-6)
    assert sum(report.lateness.counts) == 1


def test_every_transition_is_reported_with_its_reason(driver: Driver, world: World) -> None:
    until_master(driver, world)
    driver.receive(from_peer(advskew=0))
    reasons = [str(one.reason) for one in driver.report("eth0").transitions]
    assert reasons == ["started", "master_down", "better_peer"]


@pytest.mark.parametrize("leave", [on.ShutdownRequested(), on.ResignRequested(30.0)], ids=["shutdown", "resign"])
def test_an_orderly_leave_keeps_answering_until_the_successor_speaks(
    driver: Driver, world: World, leave: on.ShutdownRequested | on.ResignRequested
) -> None:
    until_master(driver, world)
    driver.post(leave)
    assert world.sent[-1] == (255, 255, 0)
    assert world.owned == CONFIG.addresses
    driver.receive(from_peer(advskew=100))
    assert world.owned == ()
