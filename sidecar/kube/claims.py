"""Exactly one master label: whom a new master relieves of a stale one, and when it must not. Pure.

A master that has heard nobody for two intervals, one of them since it is master, looks who else is labelled master and
takes those labels, each once. Who claims again afterwards is alive on the other side of a split network, and so is
whoever takes the label of this master: that one is let be and reported.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

INTERVALS: Final = 2.0
"""Of silence before a look. A dead master has been silent for three when another takes over."""
SINCE: Final = 1.0
"""Of them, those that the new master has spoken itself: whoever hears it has answered or yielded."""
RIVALRY: Final = 30.0
"""Seconds between two looks while there are rivals: whether they gave up is worth knowing."""
CHALLENGED: Final = 0.5
"""Seconds from the loss of the own label to a look who did it."""
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

    first_look: float
    next_look: float
    looks: int = 0
    challenged: bool = False
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

    def follow(self, *, master: bool, alone: bool, interval: float, now: float, silence: float = 0.0) -> None:
        """What the election says now. ``silence``: seconds of it before this node became master."""
        if not master:
            self._tenure = None
        elif self._tenure is None or not alone:
            wait = max(SINCE * interval, INTERVALS * interval - silence) if alone else INTERVALS * interval
            kept = self._tenure or Tenure(0.0, 0.0)
            kept.looks, kept.first_look, kept.next_look = 0, now + wait, now + wait
            self._tenure = kept

    def challenged(self, now: float) -> None:
        """Somebody took the label of this master: it is looked at soon, and relieves nobody."""
        if self._tenure:
            self._tenure.challenged = True
            self._tenure.looks, self._tenure.first_look = 0, now + CHALLENGED
            self._tenure.next_look = now + CHALLENGED

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
        tenure.challenged = tenure.challenged and bool(seen)
        rivals = {one.uid: one for one in seen if tenure.challenged or one.uid in tenure.relieved}
        stale = tuple(one for one in seen if one.uid not in rivals)
        news = tuple(one for uid, one in rivals.items() if uid not in tenure.rivals)
        tenure.rivals = rivals
        tenure.next_look = self._next(tenure, now, min(pause, RIVALRY) if rivals else pause)
        return Findings(stale, news)

    def _next(self, tenure: Tenure, now: float, pause: float) -> float:
        """When to look again."""
        soon = tenure.looks < len(LOOKS)
        return max(now + 0.5, tenure.first_look + LOOKS[tenure.looks]) if soon else now + pause

    def relieved(self, claim: Claim) -> None:
        """It was taken off this one: the same claim again is a counter-claim."""
        if self._tenure:
            self._tenure.relieved.add(claim.uid)

    def failed(self, until: float) -> None:
        """The look failed."""
        if self._tenure:
            self._tenure.next_look = until
