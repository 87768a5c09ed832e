"""Days of misfortune, from seeds. A failure prints its seed and the story; with the seed it happens again.

CARP_SIM_SEEDS=FIRST-LAST runs those seeds instead of the few of every day: about half a node-day a second.
"""

import os
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from sidecar.carp.config import Config, Dialect
from tests.sim.chaos import Chaos
from tests.sim.cluster import configs
from tests.sim.node import DUAL

RATES = (60.0, 400.0, 2000.0)  # happenings an hour
DAYS = 0.1


class Kind(NamedTuple):
    """A sort of group, of two to five nodes."""

    first_skew: int
    step: int
    advbase: int = 1
    dual: bool = False
    options: dict[str, Any] = {}  # noqa: RUF012 - never changed


KINDS = {
    "ordinary": Kind(0, 20),
    "all equal": Kind(7, 0, options={"skews": [7]}),
    "dual stack": Kind(0, 20, dual=True),
    "lossy dual stack": Kind(0, 20, dual=True, options={"loss": 0.1}),
    "fast": Kind(25, 1, advbase=0, options={"skews": range(25, 60)}),
}


def seeds() -> range:
    first, _, last = os.environ.get("CARP_SIM_SEEDS", "0-3").partition("-")
    return range(int(first), int(last or first) + 1)


def members(kind: Kind, nodes: int, dialect: Dialect, preempt: bool) -> list[Config]:
    skews = [kind.first_skew + kind.step * number for number in range(nodes)]
    plain = configs(*skews, advbase=kind.advbase, preempt=preempt, dialect=dialect)
    return [replace(config, addresses=DUAL) for config in plain] if kind.dual else plain


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("preempt", [True, False], ids=["preempt", "no preempt"])
@pytest.mark.parametrize("seed", seeds())
def test_whatever_happens_the_promises_are_kept(seed: int, preempt: bool, dialect: Dialect, kind: str) -> None:
    sort = KINDS[kind]
    group = members(sort, 2 + seed % 4, dialect, preempt)
    days = DAYS / 4 if sort.advbase == 0 else DAYS
    Chaos(seed, *group, rate=RATES[seed % 3], **sort.options).run(days)


def test_the_same_seed_is_the_same_story() -> None:
    stories = []
    for _ in range(2):
        chaos = Chaos(5, *configs(0, 20, 40), rate=2000.0, loss=0.05)
        chaos.run(0.02)
        stories.append([*map(str, chaos.cluster.journal), *chaos.cluster.happenings])
    assert stories[0] == stories[1]
    assert len(stories[0]) > 100
