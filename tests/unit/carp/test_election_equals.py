"""Equal nodes: the hearer yields, and lots keep the same from happening again."""

import pytest

from sidecar.carp import events as on
from sidecar.carp.config import Config
from sidecar.carp.effects import Reason, State
from tests.unit.carp.told import OTHER, VIP, Told, backup, master


def half() -> float:
    return 0.5


def test_the_hearer_of_an_equal_yields() -> None:
    node = master(0)
    node.hear(0, after=0.1)
    assert (node.state, node.why, node.owned) == (State.BACKUP, Reason.EQUAL_PEER, ())


def test_but_not_to_one_whose_word_crossed_its_first() -> None:
    """That one hears a master, too, and yields, unless its source decides (ucarp): its next word tells."""
    node = master(0)
    node.hear(0, after=0.0004)
    assert (node.state, len(node.said), node.announced) == (State.MASTER, 2, 2)
    node.hear(0, after=1.0)
    assert (node.state, node.why) == (State.BACKUP, Reason.EQUAL_PEER)


def test_who_has_not_spoken_yet_yields_to_an_equal() -> None:
    node = Told(0)
    node.election.handle(on.DeadlineReached(), node.deadline)
    assert node.state is State.MASTER
    node.hear(0, after=node.deadline)
    assert (node.state, node.said) == (State.BACKUP, [])


def test_who_has_said_goodbye_yields_to_an_equal_that_follows() -> None:
    node = master(0)
    node.tell(on.StepDownRequested("maintenance"))
    node.hear(0, after=0.0004)
    assert (node.state, node.why) == (State.BACKUP, Reason.STEPPED_DOWN)


def test_a_backup_leaves_an_equal_master_alone() -> None:
    node = backup(0, hears=0)
    for _ in range(10):
        node.hear(0, after=1.0)
    assert node.state is State.BACKUP


def test_without_equals_nothing_is_drawn() -> None:
    node = backup(20, hears=0, jitter=half)
    assert node.deadline == pytest.approx(3.078125, abs=1e-6)
    node.hear_goodbye(after=0.5)
    assert node.deadline == pytest.approx(0.5 + 0.02)


def test_a_backup_that_knows_an_equal_bears_silence_for_up_to_a_quarter_interval_longer() -> None:
    node = Told(0, jitter=half)
    node.hear(0, after=1.0)
    assert node.deadline == pytest.approx(1.0 + 3.0 + 0.125)


def test_the_lot_of_one_that_was_demoted_a_moment_is_no_longer_than_anybody_s_afterwards() -> None:
    """It is a part of what the node waits by now: drawn while it was slow, it would be in force for ever."""
    node = Told(0, jitter=half)
    node.tell(on.DemotionSet("ntp", 160))
    node.hear(160, after=1.0)
    assert node.deadline == pytest.approx(1.0 + 3.0 + 0.625 + 0.5 * 1.625 / 4)
    node.tell(on.DemotionSet("ntp", 0))
    assert node.deadline == pytest.approx(1.0 + 3.0 + 0.125)


def test_what_crosses_a_moment_later_does_not_undo_the_lot() -> None:
    """Three equals, or two families: the next advertisement arrives while all of them yield."""
    node = master(0, jitter=half)
    node.hear(0, after=0.1)
    node.hear(0, source=OTHER, after=0.0001)
    assert node.deadline == pytest.approx(node.now + 3.0 + 0.125)


def test_a_lot_is_drawn_again_with_each_standby() -> None:
    lots = iter((0.1, 0.2, 0.9, 0.9))
    node = Told(0, jitter=lambda: next(lots))
    node.hear(0)
    assert node.deadline == pytest.approx(3.0 + 0.025)
    node.wait()
    node.hear(0, after=0.1)
    assert node.deadline - node.now > 3.2


def test_equals_answer_a_goodbye_at_different_moments() -> None:
    moments = []
    for lot in (0.1, 0.6):
        node = backup(20, hears=20, jitter=lambda lot=lot: lot)
        node.hear_goodbye(after=0.5)
        moments.append(node.deadline - node.now)
    assert moments == pytest.approx([0.002, 0.012])


def test_another_configuration_is_perhaps_nobody_s_equal() -> None:
    node = backup(20, hears=20, jitter=half)
    node.tell(on.ConfigChanged(Config(1, VIP, advskew=40)))
    node.hear(20)
    node.wait()
    node.hear(20)
    assert node.deadline == pytest.approx(node.now + 3.15625, abs=1e-6)
