"""Chores in company: what is not urgent is done by a wake-up that an election had anyway, once its work is done.

Law: a chore is done once a plan, between its earliest and its latest moment: in company when an election comes by in
between (it compares its time with ``due``, and calls ``visit`` from then on), else alone, by the one timer that all
chores share. The election never waits: chores have a turn of the loop to themselves, behind everything that is ready.
A process that is woken for one thing pays three times what it does, for caches that are cold (decision 12).
"""

import asyncio
import logging
import math
from collections.abc import Callable
from operator import attrgetter
from time import monotonic
from typing import Final

_log: Final = logging.getLogger(__name__)
_EARLY: Final = 0.002
"""Seconds by which the loops' timers may be early: no plan is narrower, so nothing is done before its time."""

Work = Callable[[], object]
_latest: Final = attrgetter("latest")


class Chore:
    """Something to do. Its work may plan it anew."""

    __slots__ = ("_company", "earliest", "latest", "name", "work")

    def __init__(self, company: "Company", name: str, work: Work) -> None:
        self.name = name
        self.work = work
        self.earliest = self.latest = math.inf
        self._company = company

    def plan(self, earliest: float, latest: float) -> None:
        """Do it between these moments (monotonic seconds), in place of what was planned before."""
        self.earliest = earliest
        self.latest = latest if latest - earliest > _EARLY else earliest + _EARLY
        company = self._company
        company.planned[self] = None
        if not company.at_work:
            company.look_ahead()

    def cancel(self) -> None:
        """Do not do it."""
        self.earliest = self.latest = math.inf
        self._company.forget(self)


class Company:
    """All chores of a process. Needs the running loop from the first plan on."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self.due = math.inf
        """From when on a visit is worth it."""
        self.now = clock
        self.planned: dict[Chore, None] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._next_visit = math.inf
        self.at_work = False

    def chore(self, name: str, work: Work) -> Chore:
        """Something to do, with a name for the log. Nothing is planned yet."""
        return Chore(self, name, work)

    def every(self, name: str, work: Work, least: float, most: float) -> Chore:
        """Do it again and again from now on, so many seconds apart at least and at most."""

        def again() -> None:
            now = self.now()
            chore.plan(now + least, now + most)
            work()

        chore = self.chore(name, again)
        now = self.now()
        chore.plan(now + least, now + most)
        return chore

    def visit(self, again_at: float = math.inf) -> None:
        """An election has done its work, and something is due. ``again_at``: when it is sure to come by, if it is."""
        self._next_visit = again_at
        if self._loop is not None and self.due < math.inf:
            self.due = math.inf
            self._loop.call_soon(self._work)

    def miss(self) -> None:
        """An election may not come by when it said."""
        if self._next_visit < math.inf:
            self._next_visit = math.inf
            self.look_ahead()

    def forget(self, chore: Chore) -> None:
        """It is planned no more."""
        if self.planned.pop(chore, chore) is None and not self.at_work:
            self.look_ahead()

    def _alone(self) -> None:
        self._timer, self._timer_at = None, math.inf
        self._work()

    def _work(self) -> None:
        now = self.now()
        self.at_work = True
        due = [chore for chore in self.planned if chore.earliest <= now]
        if len(due) > 1:
            due.sort(key=_latest)
        for chore in due:
            if chore.earliest <= now:  # none before it thought otherwise
                del self.planned[chore]
                try:
                    chore.work()
                except Exception:  # noqa: BLE001 - whatever it was, the others and the elections go on
                    _log.exception("%s failed", chore.name)
        self.at_work = False
        self.look_ahead()

    def look_ahead(self) -> None:
        """Set ``due`` and the timer as the plans are now.

        Later by less than timers are early anyway is not worth a new timer: the old one looks ahead again.
        """
        earliest = latest = math.inf
        for chore in self.planned:
            if chore.earliest < earliest:  # noqa: PLR1730 - each second, and a third of the cost
                earliest = chore.earliest
            if chore.latest < latest and not chore.earliest <= self._next_visit <= chore.latest:
                latest = chore.latest
        self.due = earliest
        if not self._timer_at <= latest < self._timer_at + _EARLY:
            self._set_timer(latest)

    def _set_timer(self, latest: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = None, latest
        if latest < math.inf:
            if self._loop is None:
                self._loop = asyncio.get_running_loop()
            pause = latest - self.now()
            self._timer = self._loop.call_later(max(0.0, pause), self._alone)
