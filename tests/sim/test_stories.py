"""Stories that once broke a promise, as short as the simulator could make them; each would again without its mend."""

from pathlib import Path

import pytest

from tests.sim.play import play
from tests.sim.script import Script

STORIES = sorted(Path(__file__).parent.glob("stories/*.jsonl"))


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.stem)
def test_what_once_broke_a_promise_does_so_no_more(story: Path) -> None:
    assert play(Script.loaded(story.read_text())).happenings > 0


def test_there_are_such_stories() -> None:
    assert STORIES
