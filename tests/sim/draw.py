"""A story from a seed: what sort of group it is, in what weather, and what befalls it; the same again each time."""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any, NamedTuple

from sidecar.carp.config import Dialect
from tests.sim.network import Weather
from tests.sim.script import Argument, Group, Happening, Member, Script

HOUR = 3600.0
DAY = 24 * HOUR
DEMOTIONS = (0, 0, 80, 160, 240)
RATES = (60.0, 200.0, 1000.0)
"""Happenings an hour."""
DIALECTS = {"openbsd": Dialect.OPENBSD, "freebsd": Dialect.FREEBSD, "ucarp": Dialect.FREEBSD}
"""What those beside another implementation are told to speak."""
CLOCKS = (-2.0, -1.0, 0.0, 1.0, 2.0)
"""What a wall clock is wrong by (s); decision 9 says what days do to nodes that have just begun."""


class Sort(NamedTuple):
    """A sort of group. ``skews``: first and step, and what advskew may become."""

    skews: tuple[int, int] = (0, 20)
    may_become: tuple[int, ...] = (0, 5, 20, 40, 60, 99, 254)
    advbases: tuple[int, ...] = (1, 1, 2, 3, 5, 10)
    weather: Weather = Weather()
    late: float = 0.0
    options: dict[str, Any] = {}  # noqa: RUF012 - never changed
    foreign: bool = False


SORTS = {
    "ordinary": Sort(),
    "late": Sort(late=0.004, weather=Weather(0, (0.0001, 0.002))),
    "equal": Sort((7, 0), (7,)),
    "dual stack": Sort(options={"dual": True}),
    "fast": Sort((25, 1), (25, 26, 30, 59), (0,)),
    "lossy": Sort(weather=Weather(0.1, (0.0001, 0.003)), options={"dual": True}),
    "rough": Sort(weather=Weather(0.0, (0.0002, 0.02), 0.05, 0.1), late=0.002, options={"secret": "keyed"}),
    "bytes": Sort(options={"secret": "keyed"}),
    "rough bytes": Sort(weather=Weather(0.02, (0.0002, 0.01), 0.05, 0.1), options={"secret": "keyed", "dual": True}),
    "mixed": Sort(foreign=True, advbases=(1,)),
    "mixed bytes": Sort(foreign=True, advbases=(1,), options={"secret": "keyed"}),
    "attacked": Sort(options={"secret": "keyed", "attacker": True, "dual": True}),
    "attacked equals": Sort((7, 0), (7,), options={"secret": "keyed", "attacker": True}),
}


def draw(seed: int, node_days: float) -> Script:
    """The story of this seed, of about so many node-days."""
    random = Random(seed)
    sort = SORTS[random.choice(list(SORTS))]
    group = _group(random, sort)
    rate = random.choice(RATES)
    left = node_days * DAY / len(group.members)
    if group.advbase == 0:
        left /= 4
    happenings = []
    while left > 0:
        wait = random.expovariate(rate / HOUR)
        happenings.append(_happening(random, sort, group, wait))
        left -= wait
    return Script(seed, group, (*happenings, Happening(1.0, "mend")))


def _group(random: Random, sort: Sort) -> Group:
    nodes = random.choice((2, 2, 3, 3, 3, 4, 5, 6, 7))
    first, step = sort.skews
    kinds = ["ours"] * nodes
    if sort.foreign:
        kinds[random.randrange(nodes)] = random.choice(("freebsd", "openbsd", "ucarp"))
    members = tuple(Member(first + step * number, kind) for number, kind in enumerate(kinds))
    group = Group(
        members,
        advbase=random.choice(sort.advbases),
        preempt=random.random() < 0.7,
        dialect=random.choice(list(Dialect)),
        late=sort.late,
        weather=sort.weather,
        strict=random.random() < 0.5 and bool(sort.options.get("secret")) and not sort.foreign,
        **sort.options,
    )
    # `run` and `check` say so: a demotion byte means nothing to the other dialect, and they may yield to each other
    dialects = [DIALECTS[kind] for kind in kinds if kind in DIALECTS]
    return replace(group, dialect=dialects[0]) if dialects else group


def _happening(random: Random, sort: Sort, group: Group, wait: float) -> Happening:
    if random.random() < 0.08:
        return Happening(wait, "mend")
    if group.attacker and random.random() < 0.15:
        return Happening(wait, "attack", (random.choice((1.0, 10.0, 60.0)), random.choice((20, 100))))
    fate = random.choice(list(FATES))
    return Happening(wait, fate, FATES[fate](random, sort, group))


def _node(random: Random, group: Group) -> int:
    return random.randrange(len(group.members))


Draw = Callable[[Random, Sort, Group], tuple[Argument, ...]]
FATES: dict[str, Draw] = {
    "kill": lambda random, _, group: (_node(random, group),),
    "power_off": lambda random, _, group: (_node(random, group),),
    "restart": lambda random, _, group: (_node(random, group),),
    "storm": lambda random, *_: (random.randint(1, 4),),
    "freeze": lambda random, _, group: (_node(random, group),),
    "thaw": lambda random, _, group: (_node(random, group),),
    "stall": lambda random, _, group: (_node(random, group), random.choice((0.2, 1.0, 3.3, 7.0))),
    "set_clock": lambda random, _, group: (_node(random, group), random.choice(CLOCKS)),
    "fail_or_recover": lambda random, _, group: (_node(random, group), random.choice(("sends", "holds"))),
    "pull_or_plug": lambda random, _, group: (_node(random, group),),
    "cut": lambda random, _, group: (_node(random, group), _node(random, group), random.choice((0, 0, 4, 6))),
    "part": lambda random, _, group: (random.randrange(1 << len(group.members)),),
    "heal": lambda *_: (),
    "reflect": lambda random, *_: (random.randrange(2),),
    "demote": lambda random, _, group: (_node(random, group), random.choice(DEMOTIONS)),
    "maintain": lambda random, _, group: (_node(random, group), random.choice((0, 0, 1))),
    "resign": lambda random, _, group: (_node(random, group), round(random.uniform(0, 30), 3)),
    "step_down": lambda random, _, group: (_node(random, group),),
    "shut_down": lambda random, _, group: (_node(random, group),),
    "set_advskew": lambda random, sort, group: (_node(random, group), random.choice(sort.may_become)),
    "set_preempt": lambda random, _, group: (_node(random, group), int(group.preempt)),
    "set_advbase": lambda random, sort, _: (random.choice(sort.advbases), random.choice((0.0, 0.4, 5.0))),
    "renumber": lambda random, *_: (random.randint(100, 110), random.choice((0.0, 0.5, 3.0))),
    "rotate": lambda random, _, group: (_node(random, group),),
}
"""What may happen, and how its arguments are drawn."""
