"""Interleaved runs: one round of every contender, then the next, so that they share the machine's good and bad minutes.

Each round of a contender is a stage of its own: crash, return, stop, return and, for ours, resign, return.
"""

import os
import random
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench.contenders import Contender
from tests.bench.figures import Figures, figures
from tests.bench.stage import stage_for

Tell = Callable[[str], None]


class Measured(NamedTuple):
    """One event of one round."""

    contender: str
    round: int
    kind: str
    figures: Figures
    load: float
    steal: float
    """Ticks of 10 ms that the hypervisor kept from this machine during the round."""


def play(contender: Contender, number: int, seed: int) -> list[Measured]:
    """One round; its phases by chance, from the seed."""
    luck = random.Random(f"{seed} {number} {contender.key}")
    before = stolen()
    with tempfile.TemporaryDirectory() as folder, stage_for(contender, Path(folder), luck) as stage:
        stage.crash()
        stage.stop()
        if contender.ours:
            stage.resign()
        seen = stage.seen()
    load, steal = os.getloadavg()[0], stolen() - before
    told = [(event.kind, figures(seen, event)) for event in stage.events]
    return [Measured(contender.key, number, kind, one, load, steal) for kind, one in told]


def interleaved(contenders: Iterable[Contender], rounds: int, seed: int, tell: Tell) -> Iterator[Measured]:
    """Every contender in turn, ``rounds`` times; a round that could not be played is told and left out."""
    playing = list(contenders)
    for number in range(1, rounds + 1):
        for contender in playing:
            tell(f"round {number} of {rounds}: {contender.title}")
            try:
                yield from play(contender, number, seed)
            except (RuntimeError, OSError) as error:
                tell(f"  not played: {error}")


def stolen() -> float:
    """Ticks that the hypervisor kept from this machine since it started."""
    return float(Path("/proc/stat").read_text().split("\n", 1)[0].split()[8])


def as_json(measured: Iterable[Measured]) -> list[dict[str, Any]]:
    """Every event as it was measured, for a file."""
    return [one._asdict() | {"figures": one.figures._asdict()} for one in measured]
