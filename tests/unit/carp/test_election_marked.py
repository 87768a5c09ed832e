"""What an election makes of carp-sidecar peers: between equals the source decides, and who begins is wary."""

from dataclasses import replace

import pytest

from sidecar.carp import events as on
from sidecar.carp.config import Family
from sidecar.carp.effects import Reason, State
from sidecar.carp.packet import Advertisement
from sidecar.carp.receive import Speaker
from tests.unit.carp.told import PEER, PEER6, VIP, VIP6, Told, master


def heard(
    node: Told, advskew: int, *, outranks: bool = True, family: Family = Family.V4, advbase: int = 1, after: float = 0.0
) -> None:
    """An advertisement of carp-sidecar."""
    said = Advertisement(1, advbase, advskew, 0, 7, bytes(20))
    source = PEER if family is Family.V4 else PEER6
    node.tell(on.AdvertisementReceived(said, family, source, 1, Speaker.CARP_SIDECAR, outranks), after)


def test_of_two_equals_the_higher_source_yields() -> None:
    node = master(0)
    heard(node, 0)
    assert (node.state, node.why) == (State.BACKUP, Reason.EQUAL_PEER)


def test_of_two_equals_the_lower_source_stays_and_says_so_at_once() -> None:
    node = master(0)
    node.said = []
    heard(node, 0, outranks=False, after=0.5)
    assert node.state is State.MASTER
    assert len(node.said) == 1


def test_the_source_matters_between_equals_only() -> None:
    better, worse = master(100), master(100)
    heard(better, 50, outranks=False)
    heard(worse, 150, outranks=True)
    assert (better.state, worse.state) == (State.BACKUP, State.MASTER)


def test_ipv4_decides_between_equals_when_it_is_heard() -> None:
    """Sources may be ordered otherwise on the other family, and then both would yield, or neither."""
    node = master(0, addresses=VIP + VIP6)
    heard(node, 0, outranks=False)
    heard(node, 0, outranks=True, family=Family.V6)
    states = [node.state]
    heard(node, 0, outranks=True)
    assert [*states, node.state] == [State.MASTER, State.BACKUP]


def test_ipv6_decides_when_nothing_is_heard_on_ipv4() -> None:
    staying, yielding = (master(0, addresses=VIP + VIP6) for _ in range(2))
    heard(staying, 0, outranks=False, family=Family.V6)
    heard(yielding, 0, outranks=True, family=Family.V6)
    assert (staying.state, yielding.state) == (State.MASTER, State.BACKUP)


def test_a_leaving_master_lets_an_equal_take_over_whatever_its_source() -> None:
    node = master(0)
    node.tell(on.ResignRequested(30.0))
    heard(node, 0, outranks=False, after=0.1)
    assert (node.state, node.why) == (State.BACKUP, Reason.RESIGNED)


@pytest.mark.parametrize(("advbase", "advskew"), [(1, 200), (255, 255), (9, 0)])
def test_who_begins_follows_no_invitation_that_may_be_a_recording(advbase: int, advskew: int) -> None:
    node = Told(100)
    heard(node, advskew, advbase=advbase, after=1.0)
    node.run(0.4)
    assert node.state is State.BACKUP


def test_after_an_interval_and_a_quarter_it_does() -> None:
    node = Told(0)
    heard(node, 200, after=1.3)
    assert (node.state, node.why) == (State.MASTER, Reason.PREEMPT)


def test_a_shorter_interval_is_listened_for_from_the_start() -> None:
    """Else it would let a goodbye pass that came soon after a change from advbase 10 to 1, and nobody would answer."""
    node = Told(20, advbase=10)
    node.tell(on.ConfigChanged(replace(node.config, advbase=1)), after=2.0)
    heard(node, 255, advbase=255, after=0.5)
    node.run(0.1)
    assert (node.state, node.why) == (State.MASTER, Reason.PEER_BOWED_OUT)


def test_a_longer_interval_does_not_make_wary_again() -> None:
    node = Told(20)
    node.tell(on.ConfigChanged(replace(node.config, advbase=10)), after=5.0)
    heard(node, 200, advbase=10, after=1.0)
    node.run(0.1)
    assert (node.state, node.why) == (State.MASTER, Reason.PREEMPT)


def test_a_carpdev_that_was_away_makes_wary_again() -> None:
    node = Told(0)
    heard(node, 0, after=1.0)
    node.tell(on.CarpdevChanged(False), after=100.0)
    node.tell(on.CarpdevChanged(True), after=1.0)
    heard(node, 200, after=1.0)
    assert node.state is State.BACKUP


def test_an_unmarked_invitation_is_followed_at_once() -> None:
    """It could be repeated at any time: nothing is won by waiting."""
    node = Told(0)
    node.hear(200, after=0.5)
    assert node.state is State.MASTER


def test_its_own_last_words_played_to_who_begins_are_no_equal_s() -> None:
    """It would draw lots from then on, and a worse node be faster to follow a goodbye."""
    node = Told(20, jitter=lambda: 0.9)
    heard(node, 20, after=0.5)
    heard(node, 0, after=1.0)
    assert node.deadline == pytest.approx(1.5 + 3.0 + 20 / 256)
