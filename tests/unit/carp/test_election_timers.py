"""When a backup takes over, when a master speaks, and who goes first."""

from itertools import pairwise

import pytest

from sidecar.carp import events as on
from sidecar.carp.config import Dialect, Family
from sidecar.carp.effects import Reason, SendAdvertisement, State
from tests.unit.carp.told import OTHER, PEER, Told, backup, master

FREEBSD, OPENBSD = Dialect.FREEBSD, Dialect.OPENBSD


@pytest.mark.parametrize(
    ("dialect", "advbase", "advskew", "seconds"),
    [
        (FREEBSD, 1, 0, 3.0),
        (FREEBSD, 1, 100, 3.390625),
        (FREEBSD, 2, 100, 6.390625),
        (OPENBSD, 1, 100, 4.171875),
        (FREEBSD, 0, 25, 0.292968),
        (FREEBSD, 0, 26, 0.304686),
        (OPENBSD, 0, 128, 1.5),
    ],
)
def test_backup_takes_over_after_three_silent_intervals(
    dialect: Dialect, advbase: int, advskew: int, seconds: float
) -> None:
    node = Told(advskew, advbase=advbase, dialect=dialect)
    assert node.deadline == pytest.approx(seconds, abs=1e-6)
    node.wait()
    assert node.state is State.MASTER
    assert node.why is Reason.MASTER_DOWN


def test_every_advertisement_of_a_better_master_starts_the_silence_anew() -> None:
    node = Told(20)
    for _ in range(100):
        node.hear(0, after=2.9)
    assert node.state is State.BACKUP
    assert node.deadline == pytest.approx(node.now + 3.078125, abs=1e-6)


def test_the_deadline_of_a_backup_never_comes_early() -> None:
    node = backup(20, hears=0)
    assert node.tell(on.DeadlineReached(), after=3.078) == ()
    assert node.state is State.BACKUP


@pytest.mark.parametrize(
    ("advbase", "advskew", "interval"), [(1, 0, 1.0), (1, 100, 1.390625), (2, 50, 2.195312), (0, 25, 0.097656)]
)
def test_a_master_advertises_at_its_interval_without_drift(advbase: int, advskew: int, interval: float) -> None:
    node = master(advskew, advbase=advbase)
    started = node.now
    for beat in range(1, 100):
        late = 0.3 * interval
        node.now = node.deadline + late
        node.tell(on.DeadlineReached())
        assert node.said[-1] == SendAdvertisement(advbase, advskew, 0)
        assert node.deadline == pytest.approx(started + (beat + 1) * interval, abs=1e-6)


def test_after_a_stall_a_master_does_not_catch_up() -> None:
    node = master(0)
    node.said = []
    node.now += 100.0
    node.tell(on.DeadlineReached())
    assert len(node.said) == 1
    assert node.deadline == pytest.approx(node.now + 1.0)


def test_a_node_that_is_demoted_speaks_and_waits_as_one_that_it_says_it_is() -> None:
    node = Told(20)
    node.demote(80)
    assert node.deadline == pytest.approx(3.390625)
    node.wait()
    assert node.said == [SendAdvertisement(1, 100, 0)]
    assert node.deadline == pytest.approx(node.now + 1.390625, abs=1e-6)


def test_patience_that_shrinks_below_the_silence_so_far_is_over_at_once() -> None:
    node = Told(0)
    node.demote(240)
    node.now = 3.5
    node.demote(0)
    assert 0 < node.deadline - node.now < 0.01
    node.wait()
    assert node.state is State.MASTER


@pytest.mark.parametrize(
    ("demotion", "advskews", "spacing"),
    [(0, (0, 20, 40), 0.015), (240, (0, 20, 40), 0.005), (0, (0, 1, 2, 3), 0.002), (0, (46, 47, 48), 0.00075)],
)
@pytest.mark.parametrize("dialect", Dialect)
def test_of_backups_that_hear_the_same_goodbye_the_best_speaks_first(
    dialect: Dialect, demotion: int, advskews: tuple[int, ...], spacing: float
) -> None:
    moments = []
    for advskew in advskews:
        node = backup(advskew, hears=0, preempt=False, dialect=dialect)
        node.demote(demotion)
        node.hear_goodbye(after=0.5)
        moments.append(node.now if node.state is State.MASTER else node.deadline)
    assert moments == sorted(moments)
    assert min(later - earlier for earlier, later in pairwise(moments)) >= spacing * 0.99


@pytest.mark.parametrize("dialect", Dialect)
def test_of_backups_that_hear_the_same_goodbye_the_undemoted_speaks_first(dialect: Dialect) -> None:
    fit, unfit = backup(60, hears=0, dialect=dialect), backup(0, hears=0, dialect=dialect)
    unfit.demote(160)
    for node in (fit, unfit):
        node.hear_goodbye(after=0.5)
    assert fit.deadline < unfit.deadline


def test_a_backup_that_was_invited_stays_when_a_better_one_speaks_first() -> None:
    node = backup(40, hears=0)
    node.hear_goodbye(after=0.5)
    node.hear(20, source=OTHER, after=0.006)
    node.run(1.0)
    assert node.state is State.BACKUP


def test_a_backup_counts_from_the_master_that_it_left_alone() -> None:
    node = backup(101, hears=100)
    node.hear_goodbye(after=0.5)
    assert node.deadline - node.now == pytest.approx(0.002)


def test_a_backup_counts_from_what_a_demoted_master_was_before() -> None:
    node = backup(101, hears=100)
    node.hear(240, after=0.5)
    assert node.deadline - node.now == pytest.approx(0.002)


def test_a_backup_that_yielded_counts_from_the_better_one_at_once() -> None:
    node = master(101)
    node.hear(100)
    node.hear_goodbye(after=0.5)
    assert node.deadline - node.now == pytest.approx(0.002)


def test_one_that_would_not_preempt_counts_from_nought_for_a_better_one_may_be_there() -> None:
    node = backup(101, hears=100, preempt=False)
    node.hear_goodbye(after=0.5)
    assert node.deadline - node.now == pytest.approx(101 * 0.00025 + 48 * 0.0005 + 4 * 0.00125)


def test_a_backup_goes_after_a_better_one_that_was_master_once() -> None:
    node = Told(61)
    node.hear(60, source=OTHER)
    node.hear(0, after=0.5)
    node.hear_goodbye(after=0.5)
    alone = backup(61, hears=0)
    alone.hear_goodbye(after=0.5)
    assert (node.deadline - node.now) - (alone.deadline - alone.now) == pytest.approx(0.002)


def test_a_better_one_that_the_master_would_have_let_go_first_is_not_waited_for() -> None:
    """It would have taken over from the master long ago, were it there."""
    node = Told(61)
    node.hear(40, source=OTHER)
    node.hear(60, after=0.5)
    node.hear_goodbye(after=0.5)
    assert node.deadline - node.now == pytest.approx(0.002)


def test_a_backup_without_advskew_answers_a_goodbye_at_once() -> None:
    node = backup(0, hears=0)
    node.hear_goodbye(after=0.5)
    assert node.state is State.MASTER


def test_being_invited_again_changes_nothing() -> None:
    node = backup(100, hears=0)
    node.hear_goodbye(after=0.5)
    due = node.deadline
    node.hear_goodbye(after=0.01)
    assert node.deadline == due


def test_an_earlier_invitation_replaces_a_later_one() -> None:
    node = backup(20, hears=0)
    node.demote(240)
    node.hear(240, after=0.5)
    node.hear_goodbye(after=0.5)
    declining = node.deadline
    node.demote(0)
    node.hear_goodbye(after=0.01)
    assert node.deadline < declining - 0.5


def test_silence_that_ends_before_an_invitation_is_due_wins() -> None:
    node = Told(100)
    node.hear_goodbye(after=3.38)
    node.wait()
    assert node.why is Reason.MASTER_DOWN


def test_a_goodbye_counts_only_from_the_master_that_was_heard_last() -> None:
    """It crossed the advertisement of the one that took over: another master would be one too many."""
    node = backup(40, hears=20)
    node.hear(0, source=OTHER, after=0.5)
    node.hear_goodbye(source=PEER)
    node.run(2.9)
    assert node.state is State.BACKUP
    master_heard = node.status.master
    assert master_heard is not None
    assert master_heard.source == OTHER


def test_a_goodbye_of_a_master_that_was_never_heard_before_counts() -> None:
    node = Told(20)
    node.hear_goodbye(after=0.1)
    node.run(0.1)
    assert node.state is State.MASTER


def test_a_family_that_is_not_ours_is_not_heard() -> None:
    node = Told(20)
    due = node.deadline
    assert node.hear(0, family=Family.V6, after=1.0) == ()
    assert node.deadline == due
    assert node.status.peers == ()
