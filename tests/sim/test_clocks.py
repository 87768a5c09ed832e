"""Clocks that are wrong, and a recording of everything: for how long a node that has just begun can be kept waiting.

Decision 9 says what can be, and that it cannot be less; these are its windows, each with what ends it.
"""

import pytest

from sidecar.carp.freshness import SLACK
from tests.sim.cluster import Cluster, configs
from tests.sim.invariants import nothing_moves, one_is_master, the_master_is_the_fittest
from tests.sim.wire import Message

DAYS = 3 * 86_400.0
PACE = 0.75
DEAD_TIME = 3.1
OLDEST = (SLACK + 0.3) / PACE
"""Seconds: how old a word may be, with the ticks that its sender drew, by a clock that is carried on more slowly."""


class Recorder:
    """Two nodes on a wire of bytes, and everything that was said; ``play`` lets all hear one of it again."""

    def __init__(self, *offsets: float) -> None:
        """``offsets``: what each wall clock is wrong by (s)."""
        self.cluster = Cluster(configs(0, 20), seed=1)
        self.cluster.strict = True
        self.cluster.put_on_a_real_wire(b"secret")
        for number, offset in enumerate(offsets):
            self.cluster.step_the_clock(number, offset)
        self.tape: list[Message] = []
        self.cluster.taps.append(lambda _, message: self.tape.append(message))
        self.cluster.start()
        self.cluster.run(60.5)

    def play(self, message: Message) -> None:
        for node in self.cluster.nodes:
            if node.takes_part:
                self.cluster.hear(node, message)

    def play_in_order(self, pause: float, seconds: float) -> None:
        """The whole recording from its beginning, a word in each pause."""
        words, until = list(self.tape), self.cluster.now + seconds
        while self.cluster.now < until and not self.cluster.masters:
            if words:
                self.play(words.pop(0))
            self.cluster.run(pause)

    def everybody_dies_and_one_begins(self, number: int) -> float:
        """When it began."""
        for node in self.cluster.nodes:
            self.cluster.power_off(node.number)
        self.cluster.start(number)
        return self.cluster.now


@pytest.mark.parametrize("behind", [0.0, -DAYS, DAYS])
def test_to_a_backup_that_heard_it_no_recording_is_new_whatever_its_clock_says(behind: float) -> None:
    group = Recorder(0.0, behind)
    assert group.cluster.masters == [0]
    died = group.cluster.now
    group.cluster.power_off(0)
    group.play_in_order(0.5, 60.0)
    assert group.cluster.masters == [1]
    assert group.cluster.now - died < DEAD_TIME + 0.5


@pytest.mark.parametrize("pause", [0.05, 0.1, 0.11, 0.12, 0.15, 0.2, 0.5, 2.9])
def test_a_node_that_begins_with_a_right_clock_waits_for_the_last_words_of_its_group_at_most(pause: float) -> None:
    """However slowly they are played: the first one that it believes does not open the door to the others."""
    group = Recorder(0.0, 0.0)
    began = group.everybody_dies_and_one_begins(1)
    group.play_in_order(pause, 60.0)
    assert group.cluster.masters == [1]
    assert group.cluster.now - began < OLDEST + DEAD_TIME + pause


def test_the_worst_that_can_be_played_to_it_is_the_oldest_word_and_then_the_others_one_by_one() -> None:
    group = Recorder(0.0, 0.0)
    began = group.everybody_dies_and_one_begins(1)
    for word in group.tape[-5:]:
        group.play(word)
        group.cluster.run(2.5)
    group.cluster.run(DEAD_TIME)
    assert group.cluster.masters == [1]
    assert group.cluster.journal[-1].at - began < OLDEST + DEAD_TIME


def test_a_node_whose_clock_is_days_behind_may_be_kept_waiting_until_that_is_set() -> None:
    group = Recorder(0.0, -DAYS)
    group.everybody_dies_and_one_begins(1)
    for word in group.tape[:20]:
        group.play(word)
        group.cluster.run(1.0)
    assert group.cluster.masters == [], "nobody can tell it that these are old"
    group.cluster.step_the_clock(1, 0.0)
    right = group.cluster.now
    group.play_in_order(1.0, 60.0)
    assert group.cluster.masters == [1]
    assert group.cluster.now - right < DEAD_TIME + 1.0


def test_where_a_master_lives_its_next_word_ends_it() -> None:
    group = Recorder(0.0, -DAYS)
    group.cluster.start(1)
    for word in list(group.tape):
        group.play(word)
        group.cluster.run(0.3)
    assert the_master_is_the_fittest(group.cluster).number == 0
    before = len(group.cluster.journal)
    group.cluster.power_off(0)
    died = group.cluster.now
    group.play_in_order(0.5, 60.0)
    assert one_is_master(group.cluster).number == 1
    assert group.cluster.now - died < DEAD_TIME + 0.5
    assert len(group.cluster.journal) == before + 1


@pytest.mark.parametrize("ahead", [0, 1])
def test_a_clock_that_is_days_ahead_moves_nothing_while_anybody_lives_who_heard_it(ahead: int) -> None:
    """The group counts on from there: who comes back with a right clock hears, and is above that."""
    group = Recorder(*(DAYS if number == ahead else 0.0 for number in range(2)))
    for number in (0, 1, 0):
        group.cluster.step_the_clock(number, 0.0)
        group.cluster.start(number)
        group.cluster.run(10.0)
    assert the_master_is_the_fittest(group.cluster).number == 0
    nothing_moves(group.cluster, 600.0)


def test_after_such_a_clock_and_a_restart_of_all_at_once_the_recording_may_be_heard_through_once() -> None:
    group = Recorder(DAYS, 0.0)
    group.cluster.step_the_clock(0, 0.0)
    began = group.everybody_dies_and_one_begins(1)
    recorded = len(group.tape)
    group.play_in_order(1.0, 300.0)
    assert group.cluster.masters == [1]
    assert recorded < group.cluster.now - began < recorded + DEAD_TIME + 1.0
