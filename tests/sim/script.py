"""A story of a group as data: who is in it, in what weather, and what happens when.

It can be drawn from a seed, kept in a file, cut down to what matters, and played again to the same end.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sidecar.carp.config import Config, Dialect, Family
from tests.sim.bsd import FreeBsd, OpenBsd, Ucarp
from tests.sim.network import FAIR, Weather
from tests.sim.node import DUAL, V4

Argument = int | float | str
FOREIGN = {
    "freebsd": lambda node: FreeBsd(node.config),
    "openbsd": lambda node: OpenBsd(node.config),
    "ucarp": lambda node: Ucarp(node.config, node.sources[Family.V4]),
}


class Happening(NamedTuple):
    """After so many seconds a fate befalls somebody (``Fates``)."""

    wait: float
    fate: str
    arguments: tuple[Argument, ...] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """One node: ``ours``, or a key of ``FOREIGN``."""

    advskew: int
    kind: str = "ours"


@dataclass(frozen=True, slots=True)
class Group:
    """Who is there. ``secret``: empty for a wire of values, else the passphrase on a wire of bytes.

    ``strict`` and ``attacker`` are of a wire of bytes: only carp-sidecar is believed; somebody records and plays.
    """

    members: tuple[Member, ...]
    advbase: int = 1
    preempt: bool = True
    dialect: Dialect = Dialect.FREEBSD
    dual: bool = False
    secret: str = ""
    strict: bool = False
    attacker: bool = False
    late: float = 0.0
    weather: Weather = FAIR

    def configs(self) -> list[Config]:
        addresses = DUAL if self.dual else V4
        ours = Config(1, addresses, self.advbase, 0, self.preempt, self.dialect)
        return [replace(ours, advskew=member.advskew) for member in self.members]

    def builders(self) -> dict[int, Any]:
        """What replaces our election, by number of the node."""
        return {number: FOREIGN[one.kind] for number, one in enumerate(self.members) if one.kind != "ours"}


@dataclass(frozen=True, slots=True)
class Script:
    """``seed`` feeds the loss, the delays and the lots, not the story: that is written here."""

    seed: int
    group: Group
    happenings: tuple[Happening, ...]

    def with_only(self, happenings: Sequence[Happening]) -> "Script":
        return replace(self, happenings=tuple(happenings))

    def dumped(self) -> str:
        """One line for the group, one for each happening."""
        group = self.group
        head = {
            "seed": self.seed,
            "members": [[member.advskew, member.kind] for member in group.members],
            "advbase": group.advbase,
            "preempt": group.preempt,
            "dialect": group.dialect,
            "dual": group.dual,
            "secret": group.secret,
            "strict": group.strict,
            "attacker": group.attacker,
            "late": group.late,
            "weather": group.weather,
        }
        return "\n".join([json.dumps(head), *(json.dumps([*one[:2], *one.arguments]) for one in self.happenings)])

    @classmethod
    def loaded(cls, text: str) -> "Script":
        """What ``dumped`` wrote."""
        head, *rest = [json.loads(line) for line in text.splitlines() if line.strip()]
        loss, delay, doubled, overtaken = head.pop("weather")
        group = Group(
            tuple(Member(*one) for one in head.pop("members")),
            dialect=Dialect(head.pop("dialect")),
            weather=Weather(loss, (delay[0], delay[1]), doubled, overtaken),
            **{name: value for name, value in head.items() if name != "seed"},
        )
        return cls(head["seed"], group, tuple(Happening(one[0], one[1], tuple(one[2:])) for one in rest))
