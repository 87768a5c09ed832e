"""What an attack did to an address, told by comparison with an address that was not attacked in the same seconds.

Owners are what the kernels say; an attack that leaves them alone did nothing, whatever it cost the daemon.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from sidecar.lab.owners import Change
from tests.attacks.client import Answer

NOTICEABLE = 0.6
"""Seconds beyond the control's before it is the attack's doing: two addresses of one node differ by less."""


class Verdict(StrEnum):
    """Worst first."""

    NOBODY = "nobody has it"
    TWO = "two owners"
    MOVED = "moved"
    MISLED = "clients misled"
    """Who owns it has not changed, and yet clients no longer reach it."""
    NOTHING = "nothing"
    NONE = "-"
    """The protocol has no such thing."""


@dataclass(frozen=True)
class Story:
    """What became of an address in a span of time."""

    nobody: float
    """Seconds without an owner."""
    two: float
    """Seconds with more than one."""
    moves: int
    """How often another set of owners followed."""
    silence: float = 0.0
    """The longest time a client had no answer."""
    answered: frozenset[str] = frozenset()

    def misleads(self, control: "Story") -> Verdict:
        """The same for clients, whoever owns the address."""
        return Verdict.MISLED if self.silence - control.silence > NOTICEABLE else Verdict.NOTHING

    def verdict(self, control: "Story") -> Verdict:
        """What the attack did that would not have happened otherwise."""
        nobody, two = self.nobody - control.nobody, self.two - control.two
        if max(nobody, two) > NOTICEABLE:
            return Verdict.NOBODY if nobody >= two else Verdict.TWO
        return Verdict.NOTHING if self.moves <= control.moves else Verdict.MOVED


def story(changes: Sequence[Change], address: str, start: float, end: float, answers: Sequence[Answer] = ()) -> Story:
    """What became of an address between two moments."""
    ours = [one for one in changes if one.address == address and one.at <= end]
    owners = frozenset[str]()
    spans: list[tuple[float, float, frozenset[str]]] = []
    since = start
    for change in ours:
        if change.at > start:
            spans.append((since, change.at, owners))
            since = change.at
        owners = change.owners
    spans.append((since, end, owners))
    nobody = sum(until - at for at, until, who in spans if not who)
    two = sum(until - at for at, until, who in spans if len(who) > 1)
    heard = [one for one in answers if start <= one.at <= end]
    moments = [start, *(one.at for one in heard), end]
    silence = max(later - earlier for earlier, later in pairwise(moments))
    return Story(nobody, two, len(spans) - 1, silence, frozenset(one.node for one in heard))
