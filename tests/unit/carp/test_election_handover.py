"""Leaving in peace: bow out, go on answering without another word, let go when the successor speaks or time is up."""

import pytest

from sidecar.carp import events as on
from sidecar.carp.effects import Reason, SendAdvertisement, State
from sidecar.carp.events import Event
from tests.unit.carp.told import OTHER, VIP, Told, backup, master

BOW_OUT = SendAdvertisement(255, 255, 0)
RESIGN = on.ResignRequested(30.0)
SHUT_DOWN = on.ShutdownRequested()
STEP_DOWN = on.StepDownRequested("maintenance")
WAYS = pytest.mark.parametrize(
    ("way", "after", "why"),
    [
        pytest.param(RESIGN, State.BACKUP, Reason.RESIGNED, id="resign"),
        pytest.param(SHUT_DOWN, State.INIT, Reason.SHUTDOWN, id="shutdown"),
        pytest.param(STEP_DOWN, State.BACKUP, Reason.STEPPED_DOWN, id="step down"),
    ],
)


@WAYS
def test_a_leaving_master_says_goodbye_and_goes_on_answering(way: Event, after: State, why: Reason) -> None:
    node = master()
    assert node.tell(way) == (BOW_OUT,)
    assert node.state is State.MASTER
    assert node.owned == VIP
    assert node.status.handing_over


@WAYS
def test_it_lets_go_when_the_successor_speaks(way: Event, after: State, why: Reason) -> None:
    node = master()
    node.tell(way)
    node.hear(150, after=0.01) if way is not STEP_DOWN else node.hear(50, after=0.01)
    assert node.state is after
    assert node.owned == ()
    assert node.why is why
    assert "to 192.0.2.1" in node.changes[-1].detail


@WAYS
def test_it_says_nothing_more_while_it_waits(way: Event, after: State, why: Reason) -> None:
    node = master()
    node.tell(way)
    node.said = []
    node.demote(80)
    node.run(0.49)
    assert node.said == []
    assert node.state is State.MASTER


@pytest.mark.parametrize(("way", "after"), [(RESIGN, State.BACKUP), (SHUT_DOWN, State.INIT)])
@pytest.mark.parametrize(("advbase", "advskew", "limit"), [(1, 0, 1.0), (1, 254, 1.0), (0, 25, 0.75)])
def test_it_lets_go_when_nobody_has_taken_over_in_time(
    way: Event, after: State, advbase: int, advskew: int, limit: float
) -> None:
    node = master(advskew, advbase=advbase)
    node.tell(way)
    asked = node.now
    node.wait()
    assert node.now - asked == pytest.approx(limit, abs=1e-6)
    assert node.state is after
    assert node.owned == ()
    assert "nobody took over" in node.changes[-1].detail


def test_one_that_steps_down_stays_when_nobody_is_there() -> None:
    node = master()
    node.tell(STEP_DOWN)
    asked = node.now
    node.said = []
    node.wait()
    assert node.now - asked == pytest.approx(0.5)
    assert node.said == [SendAdvertisement(1, 100, 0)]
    assert (node.state, node.owned, node.status.handing_over) == (State.MASTER, VIP, False)


def test_one_that_steps_down_refuses_a_worse_successor() -> None:
    node = master()
    node.tell(STEP_DOWN)
    node.said = []
    node.hear(150, after=0.01)
    assert node.said == [SendAdvertisement(1, 100, 0)]
    assert (node.state, node.owned, node.status.handing_over) == (State.MASTER, VIP, False)


def test_the_lease_is_kept_while_the_goodbye_is_under_way() -> None:
    node = master()
    node.tell(RESIGN)
    node.tell(on.AdvertisementSent())
    assert node.renewed == 1


def test_another_goodbye_is_no_successor() -> None:
    node = master()
    node.tell(RESIGN)
    assert node.hear_goodbye(after=0.01) == ()
    assert node.state is State.MASTER


@pytest.mark.parametrize(
    ("first", "second", "state_after"),
    [
        (STEP_DOWN, RESIGN, State.BACKUP),
        (STEP_DOWN, SHUT_DOWN, State.INIT),
        (RESIGN, SHUT_DOWN, State.INIT),
        (RESIGN, STEP_DOWN, State.BACKUP),
        (SHUT_DOWN, STEP_DOWN, State.INIT),
        (SHUT_DOWN, RESIGN, State.INIT),
    ],
)
def test_of_two_ways_to_leave_the_further_one_prevails(first: Event, second: Event, state_after: State) -> None:
    node = master()
    node.tell(first)
    node.tell(second, after=0.1)
    node.run(1.2)
    assert node.state is state_after
    assert node.owned == ()
    assert node.stopped is (state_after is State.INIT)


@WAYS
def test_to_be_told_again_changes_nothing(way: Event, after: State, why: Reason) -> None:
    node = master()
    node.tell(way)
    due = node.deadline
    assert node.tell(way, after=0.1) == ()
    assert node.deadline == due


# -- rest


@pytest.mark.parametrize("advskew", [0, 100])
def test_a_node_that_resigned_takes_no_part_until_its_rest_is_over(advskew: int) -> None:
    node = master(advskew)
    node.tell(RESIGN)
    node.hear(150, after=0.01)
    until = node.now + 30.0
    assert node.status.resting_until == pytest.approx(until)
    node.hear(150, after=1.0)
    node.hear_goodbye(after=1.0)
    node.run_until(until - 0.01)
    assert node.state is State.BACKUP
    node.run(0.02)
    assert node.status.resting_until is None


def test_after_its_rest_it_takes_over_from_a_worse_one() -> None:
    node = master()
    node.tell(RESIGN)
    node.run(31.1)
    assert node.owned == ()
    node.hear(150)
    node.run(0.1)
    assert node.state is State.MASTER


def test_after_its_rest_silence_counts_anew() -> None:
    node = master(0)
    node.tell(RESIGN)
    node.run(31.0)
    assert node.status.resting_until is None
    assert node.deadline == pytest.approx(node.now + 3.0)


def test_a_backup_that_resigns_rests_too() -> None:
    node = backup()
    assert node.tell(on.ResignRequested(5.0)) == ()
    node.hear_goodbye(after=0.1)
    node.run(4.8)
    assert node.owned == ()
    node.run(4.0)
    assert node.state is State.MASTER


def test_a_backup_that_resigns_forgets_an_invitation() -> None:
    node = backup()
    node.hear_goodbye(after=0.1)
    node.tell(on.ResignRequested(5.0))
    node.run(1.0)
    assert node.state is State.BACKUP


@pytest.mark.parametrize(("first", "second"), [(5.0, 30.0), (30.0, 5.0)])
def test_a_node_that_resigned_twice_rests_until_the_later_end(first: float, second: float) -> None:
    node = master()
    node.tell(on.ResignRequested(first))
    resigned = node.now
    node.tell(on.ResignRequested(second), after=0.1)
    node.hear(150, after=0.0001)
    assert node.status.resting_until is not None
    assert node.status.resting_until - resigned == pytest.approx(30.1, abs=0.001)


@pytest.mark.parametrize(("first", "second"), [(5.0, 30.0), (30.0, 5.0)])
def test_so_does_one_that_is_told_again_while_it_rests(first: float, second: float) -> None:
    node = backup()
    node.tell(on.ResignRequested(first))
    node.tell(on.ResignRequested(second), after=0.1)
    assert node.status.resting_until == pytest.approx(max(first, 0.1 + second))


def test_a_rest_outlives_the_loss_of_the_carpdev() -> None:
    for node in (master(), Told(up=False)):
        node.tell(on.ResignRequested(10.0))
        node.tell(on.CarpdevChanged(False))
        node.tell(on.CarpdevChanged(True), after=2.0)
        assert node.state is State.BACKUP
        node.run(7.9)
        assert node.state is State.BACKUP
        assert node.status.resting_until is not None


# -- shutdown


def test_a_backup_that_shuts_down_says_nothing() -> None:
    node = backup()
    node.tell(SHUT_DOWN)
    assert (node.state, node.said, node.stopped) == (State.INIT, [], True)


def test_a_node_that_never_started_shuts_down() -> None:
    node = Told(up=False)
    node.tell(SHUT_DOWN)
    assert (node.state, node.said, node.stopped) == (State.INIT, [], True)


@pytest.mark.parametrize("state", State)
def test_nothing_starts_a_node_again_that_has_shut_down(state: State) -> None:
    node = Told(up=False) if state is State.INIT else master() if state is State.MASTER else backup()
    node.tell(SHUT_DOWN)
    node.run(2.0)
    node.tell(on.CarpdevChanged(True))
    node.tell(SHUT_DOWN)
    node.hear(0)
    node.run(20.0)
    assert node.state is State.INIT
    assert node.owned == ()
    assert len(node.said) == (2 if state is State.MASTER else 0)


def test_a_shutdown_is_over_when_the_carpdev_goes() -> None:
    node = master()
    node.tell(SHUT_DOWN)
    node.tell(on.CarpdevChanged(False))
    assert (node.state, node.owned, node.stopped) == (State.INIT, (), True)


def test_a_shutdown_is_over_when_the_addresses_fail() -> None:
    node = master()
    node.tell(SHUT_DOWN)
    node.tell(on.AddressesFailed("gone"))
    assert (node.state, node.owned, node.stopped) == (State.INIT, (), True)


def test_a_crossing_take_over_ends_a_shutdown_well() -> None:
    """A better node preempts at the very moment: its advertisement is as good as a successor's."""
    node = master()
    node.tell(SHUT_DOWN)
    node.hear(0, source=OTHER)
    assert node.stopped
    assert [one for one in node.said if one == BOW_OUT] == [BOW_OUT]
