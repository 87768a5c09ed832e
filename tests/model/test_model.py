"""The authenticated counter, model-checked: every interleaving, not a sample, of two nodes, links, ends and replays.

A choice is a beat of a second with either link up or down, an end of a node (killed, or leaving in peace), its return,
or a recording played to a node. Depths are in choices; CARP_MODEL_DEPTH=N goes N deeper, at about five times the time
for each.
"""

import os
from collections.abc import Callable

import pytest

from sidecar.carp.effects import State
from sidecar.carp.freshness import Freshness
from sidecar.carp.marker import Sealed
from sidecar.carp.tenure import Standby
from tests.model.search import Search
from tests.model.world import BrokenError, Clocks, World

pytestmark = pytest.mark.timeout(900)  # half a minute where nothing else runs
DEEPER = int(os.environ.get("CARP_MODEL_DEPTH", "0"))
HOUR = 3600.0
RIGHT = (0.0, 0.0)


def begin(world: World) -> World:
    """Both have just started."""
    return world


def settled(world: World) -> World:
    """One is master, the other has heard it for a while."""
    world.run(14.0)
    return world


def split(world: World) -> World:
    """Both are master, and have not heard each other for a while."""
    settled(world)
    world.links = [False, False]
    world.run(12.0)
    return world


WRONG: list[Clocks] = [(-HOUR, 0.0), (0.0, -HOUR), (HOUR, 0.0), (None, 0.0), (None, None)]
CASES = [
    *((begin, 7, RIGHT), (settled, 5, RIGHT), (split, 3, RIGHT)),
    *((start, depth, clocks) for clocks in WRONG for start, depth in ((begin, 5), (settled, 3), (split, 2))),
]


def explore(start: Callable[[World], World], depth: int, clocks: Clocks, advskews: tuple[int, int]) -> Search:
    search = Search()
    search.explore(start(World(advskews, clocks)), depth)
    return search


@pytest.mark.parametrize("advskews", [(0, 128), (7, 7)], ids=["unequal", "equal"])
@pytest.mark.parametrize(("start", "depth", "clocks"), CASES)
def test_no_recording_moves_the_address_and_every_world_comes_to_rest(
    start: Callable[[World], World], depth: int, clocks: Clocks, advskews: tuple[int, int]
) -> None:
    """With the invariants of ``World``; the clocks' errors in seconds, None for no clock."""
    found = explore(start, depth + DEEPER, clocks, advskews)
    print(f"depth {depth + DEEPER}: {found.states} states, {found.steps} steps, {found.accepted} recordings believed")
    assert found.states > 50


def test_split_nodes_are_both_master() -> None:
    assert [one and one.state for one in split(World((0, 128), RIGHT)).processes] == [State.MASTER, State.MASTER]


# -------------------------------------------------------------------- each rule, taken away, is missed by the model


def nothing_heard_counts(fresh: Freshness, ticks: int, _counter: int, now: float) -> bool:
    return ticks >= fresh._group_clock(now, 12) - 80


def own_words_count_as_heard(fresh: Freshness, ticks: int, counter: int, now: float) -> bool:
    return ticks > max(fresh._heard, next(reversed(fresh._sent), -1))


def own_words_are_not_known(fresh: Freshness, ticks: int, _counter: int, now: float) -> bool:
    return ticks > fresh._heard and ticks >= fresh._group_clock(now, 12) - 80


def nothing_is_too_old(fresh: Freshness, ticks: int, counter: int, _now: float) -> bool:
    return ticks > fresh._heard and not fresh.has_sent(ticks, counter)


def never(*_: object) -> bool:
    return False


def always(*_: object) -> bool:
    return True


@pytest.mark.parametrize(
    ("whose", "method", "without", "start", "depth"),
    [
        (Freshness, "_is_new", nothing_heard_counts, settled, 3),
        (Freshness, "_is_new", own_words_are_not_known, settled, 3),
        (Freshness, "_is_new", nothing_is_too_old, split, 2),
        (Freshness, "_meets_the_clock", always, settled, 5),
        (Sealed, "agrees_with", always, settled, 2),
        (Standby, "is_wary_of", never, settled, 5),
    ],
)
def test_a_rule_that_is_taken_away_is_missed(
    monkeypatch: pytest.MonkeyPatch,
    whose: type,
    method: str,
    without: Callable[..., bool],
    start: Callable[[World], World],
    depth: int,
) -> None:
    monkeypatch.setattr(whose, method, without)
    with pytest.raises(BrokenError):
        explore(start, depth, RIGHT, (0, 128))


def hears_the_better_one_by_a_link_of_one_way() -> bool:
    """Whether a master whose clock is two seconds ahead gives way to a better one that does not hear it."""
    world = split(World((0, 128), (0.0, 2.0)))
    world.links = [True, False]
    world.run(5.0)
    assert world.processes[1] is not None
    return world.processes[1].state is State.BACKUP


def test_own_words_do_not_count_as_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """The obvious rule, that what is new lies above everything said or heard, would be a split for ever."""
    assert hears_the_better_one_by_a_link_of_one_way()
    monkeypatch.setattr(Freshness, "_is_new", own_words_count_as_heard)
    assert not hears_the_better_one_by_a_link_of_one_way()
