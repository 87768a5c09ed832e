"""Floods of forged advertisements against pairs that stand ready: the attack of `tests/attacks` at fixed rates."""

import tempfile
from pathlib import Path

from tests.attacks.contenders import FAST, KEEPALIVED, UCARP, Contender
from tests.attacks.flood import Source, pair_of
from tests.bench.results import FAILURES, Flooded, Results
from tests.bench.runs import Tell

RATES = {Source.STRANGER: 200_000.0, Source.PEER: 50_000.0}
"""Frames a second that are wanted; what the machine sends beside its victims may be less, and is told."""


def flood(seconds: float, results: Results, tell: Tell, *, quick: bool) -> None:
    """Every contender, one after the other: a flood wants the machine for itself."""
    for contender in (FAST, KEEPALIVED) if quick else (FAST, KEEPALIVED, UCARP):
        tell(f"  {contender.title}")
        try:
            one_by_one(contender, seconds, results)
        except FAILURES as error:
            results.fail("floods", contender.title, error)


def one_by_one(contender: Contender, seconds: float, results: Results) -> None:
    """Both floods against one pair."""
    with tempfile.TemporaryDirectory() as place, pair_of(contender.starts, Path(place)) as pair:
        for source, rate in RATES.items():
            harm = pair.flood(source, seconds, contender.interval, rate)
            told = (harm.pps, harm.moves, harm.late_p99, harm.late_max, harm.cpu)
            results.floods.append(Flooded(contender.title, contender is FAST, str(source), rate, *told))
            pair.settle()
