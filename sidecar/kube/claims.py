"""Exactly one master label: whom a new master relieves of a stale one, and when it must not. Pure.

A master that has been alone for three intervals looks who else is labelled master and takes those labels, each once.
Who claims again afterwards is alive on the other side of a split network: that one is let be and reported.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

INTERVALS: Final = 3.0
LOOKS: Final = (0.0, 1.5, 4.0, 10.0, 30.0)
"""Seconds after the first look at which a new master looks again; later every ``SELDOM`` seconds."""
SELDOM: Final = 300.0
"""A look is two requests; with what a master asserts that makes less than two a minute."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A pod or node that is labelled master. ``kind``: ``pod`` or ``node``."""

    kind: str
    name: str
    uid: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Findings:
    """What to do after a look: relieve ``stale``; ``rivals`` are news to report."""

    stale: tuple[Claim, ...]
    rivals: tuple[Claim, ...]


@dataclass(slots=True)
class Tenure:
    """One virtual host's mastership here, as the API's reader sees it."""

    began: float
    interval: float
    looks: int = 0
    next_look: float = 0.0
    relieved: set[str] = field(default_factory=set)
    rivals: dict[str, Claim] = field(default_factory=dict)


class Claims:
    """The claims against one vhid."""

    def __init__(self) -> None:
        self._tenure: Tenure | None = None

    @property
    def rivals(self) -> tuple[Claim, ...]:
        """Others that claim to be master, now, though they were relieved."""
        return tuple(self._tenure.rivals.values()) if self._tenure else ()

    def follow(self, *, master: bool, alone: bool, interval: float, now: float) -> None:
        """What the election says now."""
        if not master:
            self._tenure = None
        elif self._tenure is None or not alone:
            kept = self._tenure or Tenure(now, interval)
            kept.began, kept.looks, kept.next_look = now, 0, now + INTERVALS * interval
            self._tenure = kept

    def due(self) -> float | None:
        """When to look next; None while not master."""
        return self._tenure.next_look if self._tenure else None

    def looked(self, found: Iterable[Claim], now: float, pause: float = SELDOM) -> Findings:
        """Who else is labelled master. ``pause``: seconds to the next look in steady state."""
        tenure = self._tenure
        if tenure is None:
            return Findings((), ())
        seen = tuple(found)
        tenure.looks += 1
        first = tenure.began + INTERVALS * tenure.interval
        tenure.next_look = max(now + 0.5, first + LOOKS[tenure.looks]) if tenure.looks < len(LOOKS) else now + pause
        stale = tuple(one for one in seen if one.uid not in tenure.relieved)
        rivals = {one.uid: one for one in seen if one.uid in tenure.relieved}
        news = tuple(one for uid, one in rivals.items() if uid not in tenure.rivals)
        tenure.rivals = rivals
        return Findings(stale, news)

    def relieved(self, claim: Claim) -> None:
        """It was taken off this one: the same claim again is a counter-claim."""
        if self._tenure:
            self._tenure.relieved.add(claim.uid)

    def failed(self, until: float) -> None:
        """The look failed."""
        if self._tenure:
            self._tenure.next_look = until
