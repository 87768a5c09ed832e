"""A hundred node-days of misfortune, each story from its seed. A failure names the command that cuts it short.

CARP_SIM_DAYS=20000 plays that many node-days instead, CARP_SIM_FIRST=1000 begins with another seed.
"""

import os

import pytest

from tests.sim.compiled import HOT, sources
from tests.sim.draw import SORTS, draw
from tests.sim.play import NODE_DAYS, failure_of, play, play_seed
from tests.sim.script import FOREIGN, Happening, Script
from tests.sim.shrink import shrink

FIRST = int(os.environ.get("CARP_SIM_FIRST", "0"))
STORIES = round(float(os.environ.get("CARP_SIM_DAYS", "80")) / NODE_DAYS)
A_TEST = 10
"""Stories of one test."""


@pytest.mark.timeout(600)  # ten seconds, by itself
@pytest.mark.parametrize("first", range(FIRST, FIRST + STORIES, A_TEST))
def test_whatever_happens_the_promises_are_kept(first: int) -> None:
    for seed in range(first, first + A_TEST):
        play_seed(seed)


def test_every_sort_of_group_is_among_the_first_stories() -> None:
    groups = [draw(seed, 0.01).group for seed in range(200)]
    assert {len(group.members) for group in groups} == {2, 3, 4, 5, 6, 7}
    kinds = [
        (group.secret, group.weather, group.dual, group.late, group.attacker, bool(group.builders()))
        for group in groups
    ]
    same = 2  # "ordinary", "equal" and "fast" differ in their advskews only
    assert len(set(kinds)) >= len(SORTS) - same
    assert {member.kind for group in groups if group.secret for member in group.members} == {"ours", *FOREIGN}
    assert {group.strict for group in groups if group.attacker} == {True, False}


def test_what_is_compiled_for_a_long_run_is_there() -> None:
    assert {f"tests/sim/{name}.py" for name in HOT} <= {str(path) for path in sources()}


def test_the_same_seed_is_the_same_story_with_the_same_end() -> None:
    assert draw(5, 0.1) == draw(5, 0.1)
    assert play(draw(5, 0.1)) == play(draw(5, 0.1))


def test_a_script_comes_back_from_its_file_as_it_was() -> None:
    script = draw(7, 0.1)
    assert Script.loaded(script.dumped()) == script


def test_a_failing_story_is_cut_down_to_what_matters() -> None:
    """A promise that is none: nobody is ever killed and then started again."""

    def fails(script: Script) -> bool:
        fates = [one.fate for one in script.happenings]
        return "kill" in fates and "restart" in fates[fates.index("kill") :]

    short = shrink(draw(3, 1.0), fails)
    assert [one.fate for one in short.happenings if one.fate != "wait"] == ["kill", "restart"]
    assert all(one.wait == 0.0 for one in short.happenings)


def test_what_fails_is_told_with_its_happening() -> None:
    script = draw(3, 0.05)
    broken = script.with_only([Happening(5.0, "no_such_fate")])
    failure = failure_of(broken)
    assert failure is not None
    assert failure.number == 0
