"""What a flood may not do to the engine: make a master late, or let a backup conclude before it heard all."""

from sidecar.carp import events as on
from sidecar.carp.auth import Authenticator, Key
from sidecar.carp.effects import State
from sidecar.carp.election import Election
from sidecar.carp.freshness import Freshness
from sidecar.carp.receive import Receiver
from sidecar.runtime.driver import Driver
from sidecar.runtime.ports import Ports
from tests.runtime.test_driver import CONFIG, World, from_peer


def started() -> tuple[Driver, World, list[float]]:
    """A backup, its world, and when it heard all that had come."""
    world, drained = World(), list[float]()
    keys = Authenticator(CONFIG.vhid, CONFIG.addresses, [Key(b"secret")], sign_link_local=True)
    ports = Ports(world, world, world, world, world)
    receiver = Receiver(CONFIG, keys, Freshness())
    driver = Driver(Election(CONFIG), receiver, ports, lambda: world.now, lambda: 0.0)
    driver.drain = lambda: drained.append(world.now)
    driver.post(on.CarpdevChanged(up=True))
    driver.post(on.Started())
    return driver, world, drained


def wake(driver: Driver, world: World, late: float = 0.0) -> None:
    """The deadline comes, or came a while ago."""
    world.now = (world.armed or 0.0) + late
    driver.on_timer()


def test_a_backup_hears_all_that_has_come_before_it_concludes() -> None:
    driver, world, drained = started()
    wake(driver, world)
    assert drained == [world.now]
    assert driver.state is State.MASTER


def test_a_master_in_time_speaks_before_it_reads() -> None:
    driver, world, drained = started()
    wake(driver, world)
    drained.clear()
    spoken = len(world.sent)
    wake(driver, world)
    assert len(world.sent) == spoken + 1
    assert drained == []


def test_a_master_that_was_stalled_hears_before_it_speaks() -> None:
    driver, world, drained = started()
    wake(driver, world)
    drained.clear()
    wake(driver, world, late=2.0)
    assert drained == [world.now]


def test_what_is_believed_is_told_apart_from_what_is_not() -> None:
    driver, _, _ = started()
    genuine = from_peer()
    assert driver.receive(genuine)
    assert not driver.receive(genuine._replace(payload=genuine.payload[:-1] + b"\0"))


def test_a_backup_worries_until_it_hears_a_master_and_when_its_next_word_is_missing() -> None:
    driver, world, _ = started()
    worries = [driver.worried]
    driver.receive(from_peer(advskew=0, advbase=1))
    for later in (0.0, 1.2, 0.1):
        world.now += later
        worries.append(driver.worried)
    assert worries == [True, False, False, True]


def test_a_master_does_not_worry() -> None:
    driver, world, _ = started()
    wake(driver, world)
    assert not driver.worried
