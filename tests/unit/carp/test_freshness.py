"""What is new and what is not, with and without a clock, after silence, and between two that count alike."""

from sidecar.carp.config import Family
from sidecar.carp.freshness import SLACK, Freshness
from sidecar.carp.marker import TICKS_PER_SECOND

NOON = 10_000_000
SECOND = TICKS_PER_SECOND


class Node:
    """A clock that the test sets (in seconds from noon; None: it has none), and what was heard and sent by it."""

    def __init__(self, clock: float | None = 0.0, jitter: float = 0.0) -> None:
        self.now = 100.0
        self.clock = clock
        self.freshness = Freshness(self._ticks, lambda: jitter)

    def _ticks(self) -> int:
        return 0 if self.clock is None else NOON + int(self.clock * SECOND)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        if self.clock is not None:
            self.clock += seconds

    def hear(self, ticks: int, family: Family = Family.V4, header: int = 0) -> bool:
        """``header``: what else a counter says; the same ticks with another one are another node's counter."""
        return self.freshness.accept(ticks, counter(ticks, header), family, self.now)

    def say(self, advbase: int = 1, advskew: int = 0) -> int:
        [ticks] = self.freshness.next_ticks(advbase, advskew, self.now, 1.0, 1)
        self.freshness.sent(ticks, counter(ticks), self.now)
        return ticks


def counter(ticks: int, header: int = 0) -> int:
    return ticks << 30 | header


def test_what_was_heard_is_not_new_a_second_time_nor_is_anything_before_it() -> None:
    node = Node()
    assert node.hear(NOON + 5)
    assert [node.hear(NOON + ticks) for ticks in (5, 4, 0, 6, 6)] == [False, False, False, True, False]


def test_the_same_is_new_once_on_the_other_family() -> None:
    node = Node()
    assert [node.hear(NOON, family) for family in (Family.V4, Family.V6, Family.V6, Family.V4)] == [
        True, True, False, False,
    ]  # fmt: skip
    assert node.hear(NOON + 1, Family.V6)
    assert not node.hear(NOON, Family.V4)
    assert node.hear(NOON + 1, Family.V4)


def test_other_words_with_the_same_ticks_are_not_new_on_either_family() -> None:
    node = Node()
    assert node.hear(NOON)
    assert not node.hear(NOON, Family.V6, header=1)
    assert not node.hear(NOON, Family.V4, header=1)


def test_who_sends_is_above_its_clock_all_it_sent_and_all_it_heard() -> None:
    node = Node()
    assert [node.say(), node.say()] == [NOON, NOON + 1]
    node.wait(1.0)
    assert node.say() == NOON + SECOND
    assert node.hear(NOON + 3600 * SECOND)
    assert node.say() == NOON + 3600 * SECOND + 1


def test_a_lot_is_drawn_so_that_two_do_not_count_alike() -> None:
    assert [Node(jitter=jitter).say() - NOON for jitter in (0.0, 0.3, 0.99)] == [0, 1, 3]


def test_a_long_interval_finds_ticks_that_can_carry_it() -> None:
    assert Node().say(advbase=200, advskew=9) & 0xFF == 200


def test_a_clock_that_jumps_back_does_not_take_the_ticks_with_it() -> None:
    node = Node()
    first = node.say()
    node.wait(60.0)
    node.clock = -86_400.0
    assert node.say() >= first + 60 * SECOND * 7 // 8


def test_a_restart_starts_above_what_was_sent_before() -> None:
    before, after = Node(), Node(clock=0.1)
    assert after.say() > before.say()


def test_without_a_clock_a_restart_is_above_its_past_once_it_hears() -> None:
    node = Node(clock=None)
    assert node.say() < NOON
    assert node.hear(NOON)
    assert node.say() > NOON


def test_what_is_older_than_the_slack_by_the_group_s_clock_is_not_new_though_it_was_never_heard() -> None:
    """A node whose cable was out for an hour believes nothing of that hour but the last seconds."""
    node = Node()
    assert node.hear(NOON)
    node.wait(3600.0)
    assert not node.hear(NOON + 1800 * SECOND)
    assert node.hear(NOON + 3600 * SECOND)


def test_a_sender_whose_clock_runs_slow_is_believed() -> None:
    node = Node()
    for beat in range(200):
        assert node.hear(NOON + int(beat * SECOND * 0.9))
        node.wait(1.0)


def test_a_recording_played_slower_than_it_was_recorded_falls_behind() -> None:
    node = Node()
    heard = 0
    while node.hear(NOON + heard * SECOND):
        heard += 1
        node.wait(2.9)
    assert heard <= 5


def test_a_new_node_believes_nothing_older_than_its_clock() -> None:
    node = Node()
    assert not node.hear(NOON - int(SLACK + 1) * SECOND)
    assert node.hear(NOON - int(SLACK - 1) * SECOND)


def test_a_recording_that_a_new_node_believes_does_not_open_the_door_to_the_next_one() -> None:
    """Its clock counts from then on, not the recording: nothing is believed for much longer than the slack."""
    node = Node()
    assert node.hear(NOON - 4 * SECOND)
    node.wait(4.0)
    assert node.hear(NOON - int(1.5 * SECOND))
    node.wait(4.0)
    assert not node.hear(NOON)


def test_a_new_node_whose_clock_is_ahead_follows_a_master_that_it_met() -> None:
    node = Node()
    for beat in range(100):
        assert node.hear(NOON + int((beat - SLACK) * SECOND))
        node.wait(1.0)


def test_a_new_node_without_a_clock_believes_any_until_it_has_one() -> None:
    node = Node(clock=None)
    assert node.hear(NOON - 86_400 * SECOND)
    node.clock = 0.0
    node.wait(1.0)
    assert not node.hear(NOON - 86_399 * SECOND)
    assert node.hear(NOON + SECOND)


def test_a_clock_that_steps_ahead_later_moves_nothing() -> None:
    node = Node()
    assert node.hear(NOON)
    node.wait(1.0)
    node.clock = 86_400.0
    assert node.hear(NOON + SECOND)


def test_what_was_sent_is_not_new_when_it_is_heard() -> None:
    node = Node()
    ticks = node.say()
    assert not node.hear(ticks)
    assert node.freshness.has_sent(ticks, counter(ticks))
    assert node.hear(ticks, header=1), "another node's, by chance at the same tick"


def test_what_was_sent_long_ago_is_forgotten_and_too_old_to_be_new() -> None:
    node = Node()
    first = node.say()
    for _ in range(10):
        node.wait(1.0)
        node.say()
    assert not node.freshness.has_sent(first, counter(first))
    assert not node.hear(first)


def test_two_masters_a_little_apart_hear_each_other_whatever_they_have_sent() -> None:
    """A node that believed only what lies above its own words would not hear an equal that is behind: two masters."""
    ahead, behind = Node(clock=2.0), Node(clock=0.0)
    for _ in range(100):
        said, answered = ahead.say(), behind.say()
        assert said > answered
        assert ahead.hear(answered, header=1)
        ahead.wait(1.0)
        behind.wait(1.0)


def test_of_two_masters_hours_apart_the_one_behind_hears_and_is_heard_from_then_on() -> None:
    ahead, behind = Node(clock=7200.0), Node(clock=0.0)
    said, answered = ahead.say(), behind.say()
    assert not ahead.hear(answered)
    assert behind.hear(said)
    assert ahead.hear(behind.say())


def test_ticks_end_without_a_fall() -> None:
    node = Node()
    assert node.hear((1 << 34) - 1)
    assert node.say() == (1 << 34) - 1


def test_who_counts_on_from_ours_comes_upon_a_right_mark_by_chance() -> None:
    node = Node()
    known = counter(NOON)
    assert node.hear(NOON)
    assert node.freshness.is_chance(NOON, known + (1 << 14), node.now)
    assert not node.freshness.is_chance(NOON, known, node.now)
    assert not node.freshness.is_chance(NOON, known + (1 << 18), node.now), "another advskew"
    assert not node.freshness.is_chance(NOON - 1, known - (1 << 30) + 5, node.now)


def test_who_counts_on_from_what_we_sent_does_too() -> None:
    node = Node()
    ticks = node.say()
    assert node.freshness.is_chance(ticks, counter(ticks) + (1 << 14), node.now)
    assert not node.freshness.is_chance(ticks, counter(ticks), node.now)


def test_ticks_of_a_day_that_nobody_has_seen_are_chance_once_the_day_is_known() -> None:
    node = Node()
    later = NOON + 2 * 86_400 * SECOND
    assert not node.freshness.is_chance(later, counter(later), node.now)
    assert node.hear(NOON)
    assert node.freshness.is_chance(later, counter(later), node.now)


def test_before_the_day_is_known_ticks_of_years_ahead_are_chance_where_there_is_a_clock() -> None:
    year = 365 * 86_400 * SECOND
    far, near = NOON + 6 * year, NOON + 4 * year
    node, clockless = Node(), Node(clock=None)
    assert node.freshness.is_chance(far, counter(far), node.now)
    assert not node.freshness.is_chance(near, counter(near), node.now), "the clock may not have been set"
    assert not clockless.freshness.is_chance(far, counter(far), clockless.now)
