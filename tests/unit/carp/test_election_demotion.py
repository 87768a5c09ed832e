"""What demotion does to a master and to a backup, and that equal demotion moves nothing."""

import pytest

from sidecar.carp import events as on
from sidecar.carp.config import Dialect
from sidecar.carp.effects import DemotionChanged, Reason, SendAdvertisement, State
from tests.unit.carp.told import VIP, Told, backup, master

BOW_OUT = SendAdvertisement(255, 255, 0)


def test_a_master_says_at_once_that_it_is_demoted_and_that_it_is_well_again() -> None:
    node = master(20)
    node.said = []
    assert node.demote(80)[0] == DemotionChanged(0, 80, "ntp")
    assert node.said == [SendAdvertisement(1, 100, 0)]
    node.demote(0)
    assert node.said[-1] == SendAdvertisement(1, 20, 0)


def test_openbsd_s_dialect_says_so_in_its_byte() -> None:
    node = master(20, dialect=Dialect.OPENBSD)
    node.demote(80)
    assert node.said[-1] == SendAdvertisement(1, 20, 80)
    node.demote(480)
    assert node.said[-1] == SendAdvertisement(1, 20, 255)


def test_the_same_demotion_again_is_no_news() -> None:
    node = master()
    node.demote(80)
    assert node.demote(80) == ()


def test_a_backup_that_is_demoted_says_nothing() -> None:
    node = backup()
    assert node.demote(80) == (DemotionChanged(0, 80, "ntp"),)
    assert node.said == []


def test_causes_and_their_sum_are_shown() -> None:
    node = backup(20)
    node.demote(80)
    node.demote(240, "maintenance")
    assert node.status.causes == {"ntp": 80, "maintenance": 240}
    assert (node.status.demotion, node.status.effective_advskew) == (320, 240)


def test_a_demoted_backup_leaves_a_master_alone_that_it_would_have_preempted() -> None:
    node = backup(20, hears=0)
    node.demote(80)
    node.hear(50, after=0.5)
    node.run(0.5)
    assert node.state is State.BACKUP


# -- stepping down against a peer that would not preempt


def with_better_peer_that_does_not_preempt(advskew: int = 100) -> Told:
    """A master that has heard, a while ago, from a peer that would be better than it is once demoted."""
    node = Told(advskew)
    node.hear(advskew + 20)
    node.run(3.6)
    assert node.state is State.MASTER
    node.said = []
    return node


def test_a_demoted_master_gives_a_peer_an_interval_to_preempt_and_then_steps_down() -> None:
    node = with_better_peer_that_does_not_preempt()
    node.demote(80)
    demoted_at = node.now
    while BOW_OUT not in node.said:
        node.wait()
    assert node.now - demoted_at == pytest.approx(1.390625, abs=1e-6)
    node.hear(120, after=0.01)
    assert (node.state, node.why) == (State.BACKUP, Reason.STEPPED_DOWN)


def test_it_does_not_step_down_for_a_peer_that_is_still_worse() -> None:
    node = with_better_peer_that_does_not_preempt()
    node.demote(10)
    node.run(200.0)
    assert BOW_OUT not in node.said


def test_it_does_not_step_down_when_it_is_well_again_in_time() -> None:
    node = with_better_peer_that_does_not_preempt()
    node.demote(80)
    node.run(1.0)
    node.demote(0)
    node.run(200.0)
    assert BOW_OUT not in node.said


def test_it_asks_a_peer_that_has_said_goodbye_for_it_may_be_back() -> None:
    node = with_better_peer_that_does_not_preempt()
    node.hear_goodbye()
    node.demote(80)
    node.run(2.0)
    assert BOW_OUT in node.said


def test_it_asks_nobody_when_it_has_heard_nobody() -> None:
    node = master()
    node.demote(80)
    node.run(1000.0)
    assert BOW_OUT not in node.said


def asked_at(node: Told, seconds: float) -> list[float]:
    """Minutes after which it said goodbye, in so many seconds."""
    start, moments = node.now, []
    while node.deadline <= start + seconds:
        if BOW_OUT in node.wait():
            moments.append(round((node.now - start) / 60, 1))
    return moments


def test_a_silent_peer_is_asked_ever_more_rarely() -> None:
    """It may have died long ago."""
    node = with_better_peer_that_does_not_preempt()
    node.demote(80)
    assert asked_at(node, 60 * 300) == [0.0, 1.0, 3.0, 7.0, 15.0, 31.0, 63.0, 123.0, 183.0, 243.0]
    assert (node.state, node.owned) == (State.MASTER, VIP)


def test_one_that_is_demoted_when_it_takes_over_asks_after_a_minute_whether_the_other_is_back() -> None:
    node = backup(100, hears=50)
    node.demote(240)
    node.wait()
    assert node.state is State.MASTER
    assert asked_at(node, 200) == [1.0, 2.0, 3.0]


def test_a_fully_demoted_master_asks_once_a_minute_whether_anybody_is_there() -> None:
    node = master()
    node.demote(240)
    node.said = []
    node.run(301.0)
    assert node.said.count(BOW_OUT) == 5
    assert (node.state, node.owned) == (State.MASTER, VIP)


def test_a_further_rise_is_a_reason_to_ask_at_once() -> None:
    node = with_better_peer_that_does_not_preempt()
    node.demote(80)
    node.run(5.0)
    assert node.said.count(BOW_OUT) == 1
    node.demote(240)
    node.run(1.5)
    assert node.said.count(BOW_OUT) == 2


def test_a_rise_during_a_hand_over_is_not_forgotten() -> None:
    node = with_better_peer_that_does_not_preempt()
    node.demote(80)
    while BOW_OUT not in node.said:
        node.wait()
    node.demote(240)
    node.run(3.0)
    assert node.said.count(BOW_OUT) == 2


@pytest.mark.parametrize("dialect", Dialect)
def test_equal_demotion_moves_nothing(dialect: Dialect) -> None:
    """A fully demoted master asks; a backup that is as bad lets it come back."""
    node = backup(20, hears=0, dialect=dialect)
    node.demote(240)
    demote = 240 if dialect is Dialect.OPENBSD else 0
    node.hear(0 if demote else 240, demote=demote, after=0.5)
    node.hear_goodbye(after=0.5)
    node.run(0.5)
    assert node.state is State.BACKUP
    node.hear(0 if demote else 240, demote=demote)
    node.run(2.0)
    assert node.state is State.BACKUP


@pytest.mark.parametrize("dialect", Dialect)
def test_but_a_demoted_backup_takes_over_before_a_demoted_master_that_leaves_has_let_go(dialect: Dialect) -> None:
    node = backup(20, hears=0, dialect=dialect)
    node.demote(240)
    demote = 240 if dialect is Dialect.OPENBSD else 0
    node.hear(0 if demote else 240, demote=demote, after=0.5)
    node.hear_goodbye(after=0.5)
    left = node.now
    node.run(0.99)
    assert node.state is State.MASTER
    assert 0.5 < node.status.since - left < 1.0


@pytest.mark.parametrize(
    ("demotion", "leaver", "declines"),
    [(0, 240, False), (80, 240, False), (240, 240, True), (240, 0, False), (240, 239, False)],
)
def test_only_a_node_as_bad_as_a_fully_demoted_leaver_declines(demotion: int, leaver: int, declines: bool) -> None:
    node = backup(20, hears=0)
    node.demote(demotion)
    node.hear(leaver, after=0.5)
    node.hear_goodbye(after=0.001)
    node.run(0.2)
    assert (node.state is State.BACKUP) is declines


@pytest.mark.parametrize(("advskew", "declines"), [(254, True), (241, True), (239, False)])
def test_a_node_that_is_worse_than_full_demotion_declines_for_it_would_be_told_to_go(
    advskew: int, declines: bool
) -> None:
    node = backup(advskew, hears=240)
    node.hear_goodbye(after=0.5)
    node.run(0.3)
    assert (node.state is State.BACKUP) is declines


@pytest.mark.parametrize(("leaver", "declines"), [(180, True), (170, True), (159, False), (190, False)])
def test_a_demoted_node_declines_when_the_leaver_may_be_demoted_as_much_and_is_no_worse(
    leaver: int, declines: bool
) -> None:
    """FreeBSD's advskew holds the demotion: below 160 nobody is demoted by 160 (180 is our own)."""
    node = backup(20, hears=0)
    node.demote(160)
    node.hear(leaver, after=0.5)
    node.hear_goodbye(after=0.001)
    node.run(0.2)
    assert (node.state is State.BACKUP) is declines


def test_openbsd_s_leaver_shows_its_demotion_so_a_high_advskew_is_none() -> None:
    node = backup(20, hears=0, dialect=Dialect.OPENBSD)
    node.demote(3)
    node.hear(200)
    node.hear_goodbye(after=0.5)
    node.run(0.2)
    assert node.state is State.MASTER


def test_openbsd_s_leaver_with_a_demotion_byte_may_only_have_asked() -> None:
    node = backup(20, hears=0, dialect=Dialect.OPENBSD)
    node.demote(3)
    node.hear(0, demote=3)
    node.hear_goodbye(after=0.5)
    node.run(0.2)
    assert node.state is State.BACKUP


# -- send errors


def failed(node: Told, times: int) -> None:
    for _ in range(times):
        node.tell(on.AdvertisementFailed("no buffer space"))


def sent(node: Told, times: int) -> None:
    for _ in range(times):
        node.tell(on.AdvertisementSent())


def test_three_sends_that_fail_demote_and_three_that_leave_forgive() -> None:
    node = master()
    failed(node, 2)
    assert node.demotion == 0
    failed(node, 1)
    assert node.status.causes == {"senderr": 240}
    sent(node, 2)
    assert node.demotion == 240
    sent(node, 1)
    assert node.demotion == 0


def test_a_master_whose_sends_fail_tries_as_often_as_it_would_speak_were_it_not_demoted_for_it() -> None:
    """It may be alone: in the fast mode a demoted interval is longer than the rest of its lease."""
    node = master(25, advbase=0)
    failed(node, 3 + 1)
    assert node.status.effective_advskew == 240
    assert node.deadline - node.now == pytest.approx(25 / 256, abs=1e-6)


def test_each_advertisement_that_left_renews_the_lease_of_a_master() -> None:
    node = master()
    sent(node, 3)
    assert node.renewed == 3
    failed(node, 1)
    assert node.renewed == 3


def test_an_advertisement_that_left_late_renews_no_lease_of_a_backup() -> None:
    node = backup()
    sent(node, 1)
    assert node.renewed == 0


# -- addresses that the kernel refuses


def test_a_master_that_cannot_own_the_address_lets_go_and_bows_out() -> None:
    node = master()
    kinds = [type(effect).__name__ for effect in node.tell(on.AddressesFailed("refused"))]
    assert kinds == ["ReleaseAddresses", "StateChanged", "DemotionChanged", "SendAdvertisement"]
    assert node.said[-1] == BOW_OUT
    assert (node.state, node.why) == (State.BACKUP, Reason.ADDRESSES_FAILED)
    assert node.status.causes == {"addresses": 240}


def test_a_node_whose_kernel_refuses_never_says_that_it_is_master() -> None:
    node = Told(20)
    node.refuses = True
    node.wait()
    assert (node.state, node.why, node.said) == (State.BACKUP, Reason.ADDRESSES_FAILED, [])


def test_a_node_whose_kernel_refused_leaves_a_worse_master_alone_and_follows_a_goodbye() -> None:
    node = Told(20)
    node.refuses = True
    node.wait()
    node.refuses = False
    node.hear(254)
    node.run(1.0)
    assert node.state is State.BACKUP
    node.hear(255, advbase=255)
    node.run(1.0)
    assert (node.state, node.demotion) == (State.MASTER, 0)


def test_it_tries_again_when_nobody_else_does_and_is_forgiven_when_that_works() -> None:
    node = master()
    node.tell(on.AddressesFailed("refused"))
    node.run(5.0)
    assert node.state is State.MASTER
    node.tell(on.AddressesHeld())
    assert node.demotion == 0


def test_a_failure_that_is_told_late_demotes_a_backup_quietly() -> None:
    node = backup()
    assert node.tell(on.AddressesFailed("refused")) == (DemotionChanged(0, 240, "addresses"),)
    assert node.state is State.BACKUP


def test_addresses_held_as_expected_are_no_news() -> None:
    assert master().tell(on.AddressesHeld()) == ()


def test_a_demotion_that_falls_a_little_is_said_and_changes_no_plan_to_ask() -> None:
    node = master()
    node.demote(240)
    node.run(5.0)
    node.demote(100)
    assert node.said[-1] == SendAdvertisement(1, 200, 0)
    assert asked_at(node, 120) == []
