"""Plays stories, and cuts a failing one down to what matters.

python -m tests.sim.play SEED              one story; when it fails, the shortest script that still does
python -m tests.sim.play FIRST-LAST        many, with the figures
python -m tests.sim.play SCRIPT.jsonl      a script from a file
"""

import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tests.sim.draw import DAY, draw
from tests.sim.fates import Fates
from tests.sim.promise import BrokenPromiseError
from tests.sim.script import Script
from tests.sim.shrink import shrink

NODE_DAYS = 1.0
"""Of one story."""


class Figures(NamedTuple):
    """What was played."""

    stories: int = 0
    node_days: float = 0.0
    happenings: int = 0
    steps: int = 0

    def and_then(self, more: "Figures") -> "Figures":
        return Figures(
            self.stories + more.stories,
            self.node_days + more.node_days,
            self.happenings + more.happenings,
            self.steps + more.steps,
        )

    def __str__(self) -> str:
        return (
            f"{self.stories} stories, {self.node_days:.0f} node-days, {self.happenings} happenings, {self.steps} steps"
        )


def play(script: Script) -> Figures:
    """To the end; ``BrokenPromiseError`` tells what was promised, the story so far, and how to see it again."""
    fates, number = Fates(script.group, seed=script.seed), 0
    try:
        for number, happening in enumerate(script.happenings):  # noqa: B007 - told when it fails
            fates.cluster.run(happening.wait)
            fates.befall(happening.fate, *happening.arguments)
    except Exception as broken:
        raise FailedStoryError(f"{broken}\n{fates.cluster.explain()}", number) from broken
    cluster = fates.cluster
    return Figures(1, len(cluster.nodes) * cluster.now / DAY, len(script.happenings), cluster.steps)


class FailedStoryError(BrokenPromiseError):
    """The promise that was broken, and the ``number`` of the happening at which that showed."""

    def __init__(self, text: str, number: int) -> None:
        super().__init__(text)
        self.number = number


def failure_of(script: Script) -> FailedStoryError | None:
    """What a script breaks, if anything."""
    try:
        play(script)
    except FailedStoryError as broken:
        return broken
    return None


def play_seed(seed: int, node_days: float = NODE_DAYS) -> Figures:
    """The story of a seed; a failure names the command that shows it again, shortened."""
    try:
        return play(draw(seed, node_days))
    except BrokenPromiseError as broken:
        again = f"again and shorter: .venv/bin/python -m tests.sim.play {seed}"
        raise BrokenPromiseError(f"{broken}\n{again}") from broken


def tell(script: Script) -> int:
    """Play one; shorten it when it fails."""
    broken = failure_of(script)
    if broken is None:
        print(play(script))
        return 0
    print(broken, "\n\nis shortened ...", flush=True)
    begin = script.with_only(script.happenings[: broken.number + 1])
    short = shrink(begin, lambda one: kind(failure_of(one)) == kind(broken))
    print(f"{len(script.happenings)} happenings became {len(short.happenings)}:")
    print(short.dumped(), failure_of(short), sep="\n\n")
    return 1


def kind(broken: FailedStoryError | None) -> str:
    """Which promise it was: shortening must not wander off to another failure."""
    return str(broken).partition(":")[0]


def play_all(seeds: Iterable[int]) -> int:
    """Every seed; failures are told in a line each."""
    done, failed, began = Figures(), 0, time.process_time()
    for seed in seeds:
        try:
            done = done.and_then(play_seed(seed))
        except BrokenPromiseError as broken:
            failed += 1
            print(f"seed {seed}: {str(broken).splitlines()[0]}", flush=True)
        if seed % 10 == 0:
            print(f"up to seed {seed}: {done}, {failed} failed", flush=True)
    seconds = time.process_time() - began
    print(f"{done}, {failed} failed, {done.node_days / seconds * 60:.0f} node-days a minute of processor")
    return 1 if failed else 0


def main(what: str) -> int:
    if Path(what).exists():
        return tell(Script.loaded(Path(what).read_text()))
    first, _, last = what.partition("-")
    return play_all(range(int(first), int(last) + 1)) if last else tell(draw(int(first), NODE_DAYS))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
