"""Interleaved runs: one round of every contender, then the next, so that they share the machine's good and bad minutes.

Each round of a contender is a stage of its own: crash, return, stop, return and, for ours, resign, return. The phase of
a round's events is the same for every contender, and over the rounds phases cover the interval evenly: with a few
rounds at random phases a median would say more about the phases than about the contenders.
"""

import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from tests.bench.contenders import BY_KEY
from tests.bench.figures import figures
from tests.bench.results import FAILURES, Failure, Measured, stolen
from tests.bench.stage import Stage, stage_for

Tell = Callable[[str], None]
Played = list[Measured | Failure]
Job = tuple[str, int, int, int, float]
"""Arguments of ``play``."""

Play = Callable[[Stage], None]


def phase(number: int, rounds: int, seed: int) -> float:
    """Of a round, numbered from 1: a share of the interval, from 0 up to 1."""
    slots = list(range(rounds))
    random.Random(seed).shuffle(slots)
    return (slots[number - 1] + random.Random(f"{seed} {number}").random()) / rounds


def hand_overs(stage: Stage) -> None:
    """Everything that takes the address from the master, and back."""
    stage.crash()
    stage.stop()
    if stage.contender.ours:
        stage.resign()


def deaf(stage: Stage, seconds: float) -> None:
    """Power losses one after the other, as many as the time allows, with a client that is told nothing."""
    end = time.monotonic() + seconds
    while True:
        stage.crash_for_the_deaf()
        if time.monotonic() > end:
            return


def play(key: str, number: int, rounds: int, seed: int, deaf_for: float = 0.0) -> Played:
    """One round; its phases from the seed."""
    contender, share = BY_KEY[key], phase(number, rounds, seed)
    acts: Play = partial(deaf, seconds=deaf_for) if deaf_for else hand_overs
    before = stolen()
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            stage_for(contender, Path(folder), share, bool(deaf_for)) as stage,
        ):
            failed = acted(stage, acts, "deaf" if deaf_for else "events")
            seen = stage.seen()
        load, steal = os.getloadavg()[0], stolen() - before
        told = [(event.kind, figures(seen, event)) for event in stage.events]
        return [Measured(key, number, kind, share, one, load, steal) for kind, one in told] + failed
    except FAILURES as error:
        return [Failure("events", key, f"round {number}: {type(error).__name__}: {error}")]


def acted(stage: Stage, acts: Play, part: str) -> list[Failure]:
    """What happened until something went wrong counts."""
    try:
        acts(stage)
    except FAILURES as error:
        return [Failure(part, stage.contender.key, f"{type(error).__name__}: {error}")]
    return []


def interleaved(keys: Sequence[str], rounds: int, seed: int, lanes: int, tell: Tell) -> Iterator[Measured | Failure]:
    """Every contender in turn, ``rounds`` times, ``lanes`` of them side by side, each on a network of its own.

    The order within a round is drawn, so that each contender has each neighbour.
    """
    jobs: list[Job] = []
    for number in range(1, rounds + 1):
        order = random.Random(f"order {seed} {number}").sample(list(keys), len(keys))
        jobs += [(key, number, rounds, seed, 0.0) for key in order]
    yield from side_by_side(jobs, lanes, tell)


def side_by_side(jobs: Sequence[Job], lanes: int, tell: Tell) -> Iterator[Measured | Failure]:
    """Each played in a process of its own, so that no contender waits for another's observer."""
    with ProcessPoolExecutor(max_workers=max(1, lanes), mp_context=get_context("fork")) as pool:
        playing: dict[Future[Played], tuple[str, int]] = {pool.submit(play, *job): (job[0], job[1]) for job in jobs}
        for done, one in enumerate(as_completed(playing), start=1):
            key, number = playing[one]
            tell(f"  {done} of {len(jobs)}: {key}, round {number}")
            try:
                yield from one.result()
            except BrokenExecutor as error:
                yield Failure("events", key, f"round {number}: its process died: {error}")
