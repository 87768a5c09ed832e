"""Two families, two silence timers: any one may expire, and a family that is cut off does not make a group flap."""

import pytest

from sidecar.carp import events as on
from sidecar.carp.config import Config, Family
from sidecar.carp.effects import HoldAddresses, Reason, State
from tests.unit.carp.told import OTHER, PEER, PEER6, VIP, VIP6, Told, backup, master

V4, V6 = Family.V4, Family.V6


def dual(advskew: int = 20) -> Told:
    return Told(advskew, addresses=VIP + VIP6)


@pytest.mark.parametrize(("heard", "source"), [(V4, PEER), (V6, PEER6)])
def test_one_silent_family_is_enough_to_take_over(heard: Family, source: bytes) -> None:
    node = dual()
    node.hear(0, family=V4, source=PEER, after=1.0)
    node.hear(0, family=V6, source=PEER6)
    for _ in range(4):
        node.hear(0, family=heard, source=source, after=0.7)
    assert node.deadline == pytest.approx(1.0 + 3.078125, abs=1e-6)
    node.wait()
    assert node.state is State.MASTER
    assert node.why is Reason.MASTER_DOWN


def test_as_long_as_both_families_are_heard_a_backup_stays() -> None:
    node = dual()
    for _ in range(50):
        node.hear(0, family=V4, source=PEER, after=1.5)
        node.hear(0, family=V6, source=PEER6, after=1.5)
        node.run_until(node.now)
    assert node.state is State.BACKUP


def test_after_giving_way_only_what_is_heard_from_then_on_has_a_timer() -> None:
    """Otherwise a family that is cut off would make this node take over, and yield, every three seconds."""
    node = dual()
    node.wait()
    node.hear(0, family=V4, source=PEER, after=0.1)
    for _ in range(20):
        node.run(1.0)
        node.hear(0, family=V4, source=PEER)
    assert len(node.changes) == 3
    node.run(3.1)
    assert node.state is State.MASTER


def test_a_family_that_is_heard_again_has_its_timer_again() -> None:
    node = dual()
    node.wait()
    node.hear(0, family=V4, source=PEER, after=0.1)
    node.hear(0, family=V6, source=PEER6, after=1.0)
    silent_since = node.now
    for _ in range(3):
        node.hear(0, family=V4, source=PEER, after=0.9)
    assert node.deadline == pytest.approx(silent_since + 3.078125, abs=1e-6)


def test_a_goodbye_on_either_family_is_one() -> None:
    for family, source in ((V4, PEER), (V6, PEER6)):
        node = dual()
        node.hear(0, family=V4, source=PEER)
        node.hear(0, family=V6, source=PEER6)
        node.hear_goodbye(family=family, source=source, after=0.5)
        node.run(0.1)
        assert node.state is State.MASTER


def test_the_second_half_of_a_goodbye_does_not_disturb_the_successor() -> None:
    node = dual(0)
    node.hear(0, family=V4, source=PEER)
    node.hear_goodbye(family=V4, source=PEER, after=0.5)
    assert node.state is State.MASTER
    assert node.hear_goodbye(family=V6, source=PEER6) == ()


def test_another_address_of_another_family_is_held_and_listened_to() -> None:
    node = master()
    effects = node.tell(on.ConfigChanged(Config(1, VIP + VIP6, advskew=100)))
    assert HoldAddresses(VIP + VIP6) in effects
    node.hear(50, source=OTHER)
    node.hear(50, family=V6, source=PEER6, after=1.0)
    assert {peer.source for peer in node.status.peers} == {OTHER, PEER6}


def test_a_family_that_is_configured_away_has_no_timer() -> None:
    node = Told(20, addresses=VIP + VIP6)
    node.hear(0, family=V4, source=PEER, after=2.0)
    node.tell(on.ConfigChanged(Config(1, VIP, advskew=20)), after=1.0)
    assert node.deadline == pytest.approx(2.0 + 3.078125, abs=1e-6)
    assert node.hear(0, family=V6, source=PEER6) == ()


def test_a_family_that_is_configured_into_a_backup_starts_its_silence_now() -> None:
    node = backup(20, hears=0)
    node.tell(on.ConfigChanged(Config(1, VIP + VIP6, advskew=20)), after=2.0)
    node.hear(0, after=0.1)
    assert node.deadline == pytest.approx(2.0 + 3.078125, abs=1e-6)
