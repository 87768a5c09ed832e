"""Another configuration while it runs."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from sidecar.carp import events as on
from sidecar.carp.config import Address, Config
from sidecar.carp.effects import HoldAddresses, SendAdvertisement, State
from tests.unit.carp.told import VIP, Told, backup, master

MORE: tuple[Address, ...] = (*VIP, ip_address("192.0.2.11"))


def changed(node: Told, **fields: object) -> tuple[object, ...]:
    node.config = replace(node.config, **fields)  # type: ignore[arg-type]
    return node.tell(on.ConfigChanged(node.config), after=0.1)


@pytest.mark.parametrize(
    "node", [Told(up=False), Told(), backup(), master()], ids=["init", "started", "backup", "master"]
)
def test_the_same_configuration_asks_for_nothing(node: Told) -> None:
    due = node.election.deadline
    assert node.tell(on.ConfigChanged(Config(1, VIP, advskew=100))) == ()
    assert node.election.deadline == due


def test_a_master_advertises_its_new_advskew_at_once() -> None:
    node = master()
    assert changed(node, advskew=20) == (SendAdvertisement(1, 20, 0),)
    assert node.deadline == pytest.approx(node.now + 1.078125, abs=1e-6)


def test_a_master_owns_the_addresses_that_it_is_given() -> None:
    node = master()
    changed(node, addresses=MORE)
    assert node.owned == MORE
    assert node.announced == 2


def test_a_backup_waits_as_its_new_advskew_says() -> None:
    node = backup(100, hears=50)
    assert changed(node, advskew=20) == ()
    assert node.deadline == pytest.approx(3.078125, abs=1e-6)


def test_a_backup_holds_its_new_addresses_when_it_becomes_master() -> None:
    node = backup()
    assert changed(node, addresses=MORE) == ()
    node.wait()
    assert node.owned == MORE


def test_a_node_in_init_takes_its_new_configuration_with_it() -> None:
    node = Told(100, up=False)
    changed(node, advskew=20)
    node.tell(on.CarpdevChanged(True))
    assert node.deadline == pytest.approx(node.now + 3.078125, abs=1e-6)


def test_demotion_counts_on_in_a_new_configuration() -> None:
    node = master()
    node.demote(80)
    changed(node, advskew=20)
    assert node.said[-1] == SendAdvertisement(1, 100, 0)


def test_a_master_that_hands_over_stays_silent_and_yet_owns_what_it_is_given() -> None:
    node = master()
    node.tell(on.ResignRequested(30.0))
    assert changed(node, advskew=20) == ()
    assert HoldAddresses(MORE) in changed(node, addresses=MORE)
    assert node.state is State.MASTER


def test_a_worse_configuration_invites_the_peer_to_preempt_not_us_to_yield() -> None:
    node = master(0)
    changed(node, advskew=200)
    assert node.owned == VIP
    node.hear(100)
    assert node.state is State.BACKUP
