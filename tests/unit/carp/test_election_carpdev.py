"""INIT while the carpdev cannot carry traffic; back as a backup when it can."""

import pytest

from sidecar.carp import events as on
from sidecar.carp.effects import Reason, State
from sidecar.carp.events import Event
from tests.unit.carp.told import Told, backup, master


def test_nothing_happens_before_the_daemon_is_ready() -> None:
    node = Told(up=False)
    assert (node.state, node.election.deadline) == (State.INIT, None)
    assert node.status.reason == "not started"


@pytest.mark.parametrize("carpdev_first", [True, False])
def test_a_node_takes_part_when_it_has_started_and_its_carpdev_is_up(carpdev_first: bool) -> None:
    node = Told(up=False)
    node.election = type(node.election)(node.config)
    events: list[Event] = [on.Started(), on.CarpdevChanged(True, "up")]
    for event in reversed(events) if carpdev_first else events:
        assert node.state is State.INIT
        node.tell(event)
    assert node.state is State.BACKUP
    assert node.why is (Reason.STARTED if carpdev_first else Reason.CARPDEV_UP)


@pytest.mark.parametrize("make", [master, backup])
def test_a_node_without_its_carpdev_is_init_and_owns_nothing(make: type[Told]) -> None:
    node = make()
    node.tell(on.CarpdevChanged(False, "no carrier"))
    assert (node.state, node.owned, node.election.deadline) == (State.INIT, (), None)
    assert node.status.reason == "carpdev_down: no carrier"


def test_a_master_releases_before_it_says_that_it_is_init() -> None:
    kinds = [type(effect).__name__ for effect in master().tell(on.CarpdevChanged(False))]
    assert kinds == ["ReleaseAddresses", "StateChanged"]


def test_when_the_carpdev_is_back_silence_counts_anew() -> None:
    node = master(0)
    node.tell(on.CarpdevChanged(False))
    node.tell(on.CarpdevChanged(True), after=100.0)
    assert node.state is State.BACKUP
    assert node.deadline == pytest.approx(node.now + 3.0)


def test_to_hear_again_that_the_carpdev_is_up_or_down_changes_nothing() -> None:
    node = master()
    due = node.deadline
    assert node.tell(on.CarpdevChanged(True)) == ()
    assert node.deadline == due
    node.tell(on.CarpdevChanged(False, "no carrier"))
    assert node.tell(on.CarpdevChanged(False, "deleted")) == ()
    assert node.status.reason == "carpdev_down: deleted"


def test_what_failed_on_a_carpdev_that_has_gone_is_forgiven_with_it() -> None:
    """A backup could never show that it is well again: it sends nothing and holds nothing."""
    node = master()
    for _ in range(3):
        node.tell(on.AdvertisementFailed("no such device"))
    node.tell(on.AddressesFailed("no such device"))
    node.demote(80)
    node.tell(on.CarpdevChanged(False))
    assert node.demotion == 560
    node.tell(on.CarpdevChanged(True))
    assert node.status.causes == {"ntp": 80}
    node.tell(on.AdvertisementFailed("once"))
    assert node.status.causes == {"ntp": 80}
