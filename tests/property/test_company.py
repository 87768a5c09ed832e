"""A chore is done once, between its bounds: in company where there is any in time, else alone. Time is virtual."""

import asyncio
import logging
import math
from collections.abc import Callable
from itertools import pairwise
from selectors import DefaultSelector

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.company import Company

END = 100.0
MARGIN = 0.0021
"""Seconds: no plan is narrower, for the timers of a loop may be early."""
TINY = 1e-6
"""The clock of the loop is a sum of what it waited: on the very edge either is right."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop, for which waiting is a jump of its clock."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        return self.now

    def pending(self) -> list[asyncio.TimerHandle]:
        """What it waits for."""
        return [handle for handle in self._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]


class _Jumping(DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[object]:  # type: ignore[override]
        self._loop.now += timeout or 0.0
        return []


def run(begin: Callable[[VirtualLoop, Company], None]) -> None:
    """Plan within a running loop, then let time pass."""
    loop = VirtualLoop()
    company = Company(loop.time)

    async def whole() -> None:
        begin(loop, company)
        await asyncio.sleep(END)

    try:
        loop.run_until_complete(whole())
    finally:
        loop.close()


def visit_at(loop: VirtualLoop, company: Company, moment: float) -> None:
    """An election has done its work then."""

    def visit() -> None:
        if loop.now >= company.due:
            company.visit()

    loop.call_at(moment, visit)


moments = st.floats(0.0, 50.0, allow_nan=False)
plans = st.lists(st.tuples(moments, st.floats(0.0, 20.0)), min_size=1, max_size=6)


@given(plans, st.lists(moments, max_size=12))
def test_every_chore_is_done_once_in_company_if_there_is_any_in_time_else_at_its_latest(
    planned: list[tuple[float, float]], visits: list[float]
) -> None:
    done: list[list[float]] = [[] for _ in planned]

    def begin(loop: VirtualLoop, company: Company) -> None:
        for number, (earliest, window) in enumerate(planned):
            chore = company.chore(str(number), lambda number=number: done[number].append(loop.now))  # type: ignore[misc]
            chore.plan(earliest, earliest + window)
        for moment in visits:
            visit_at(loop, company, moment)

    run(begin)
    for (earliest, window), times in zip(planned, done, strict=True):
        assert len(times) == 1
        assert earliest <= times[0] <= earliest + window + MARGIN
        in_time = [moment for moment in visits if earliest + TINY <= moment <= earliest + window - TINY]
        assert times[0] <= min(in_time, default=math.inf) + MARGIN, "by whoever came by first"


@given(st.floats(0.1, 3.0), st.floats(0.1, 5.0), st.floats(0.0, 5.0))
def test_what_is_done_again_and_again_is_never_sooner_nor_later_than_it_should(
    interval: float, least: float, more: float
) -> None:
    times: list[float] = [0.0]

    def begin(loop: VirtualLoop, company: Company) -> None:
        company.every("chore", lambda: times.append(loop.now), least, least + more)
        for number in range(1, int(END / interval)):
            visit_at(loop, company, number * interval)

    run(begin)
    pauses = [late - early for early, late in pairwise(times)]
    assert len(pauses) >= int((END - 1) / (least + more + MARGIN))
    assert all(least - TINY <= pause <= least + more + MARGIN for pause in pauses)


def test_a_visit_costs_nothing_while_nothing_is_due_and_one_turn_serves_all() -> None:
    turns: list[tuple[float, str]] = []

    def begin(loop: VirtualLoop, company: Company) -> None:
        assert company.due == math.inf
        for name, earliest in (("first", 1.0), ("second", 2.0)):
            company.chore(name, lambda name=name: turns.append((loop.now, name))).plan(earliest, 50.0)  # type: ignore[misc]
        assert company.due == 1.0
        for moment in (0.5, 2.5, 3.5):
            visit_at(loop, company, moment)

    run(begin)
    assert turns == [(2.5, "first"), (2.5, "second")]


def test_the_most_urgent_chore_is_done_first() -> None:
    order: list[str] = []

    def begin(loop: VirtualLoop, company: Company) -> None:
        company.chore("patient", lambda: order.append("patient")).plan(0.0, 9.0)
        company.chore("pressing", lambda: order.append("pressing")).plan(0.0, 8.0)
        visit_at(loop, company, 1.0)

    run(begin)
    assert order == ["pressing", "patient"]


def test_a_chore_that_raises_stops_neither_the_others_nor_its_own_next_time(caplog: pytest.LogCaptureFixture) -> None:
    times: list[float] = []
    wells: list[float] = []

    def begin(loop: VirtualLoop, company: Company) -> None:
        def fail() -> None:
            times.append(loop.now)
            raise ValueError("broken")

        company.every("the broken one", fail, 10.0, 20.0)
        company.every("the well one", lambda: wells.append(loop.now), 10.0, 20.0)
        visit_at(loop, company, 11.0)

    with caplog.at_level(logging.ERROR):
        run(begin)
    assert times == wells == [11.0, 31.0, 51.0, 71.0, 91.0]
    assert {record.getMessage() for record in caplog.records} == {"the broken one failed"}
    assert all(record.exc_info and record.exc_info[0] is ValueError for record in caplog.records)


def test_what_is_cancelled_or_planned_anew_by_another_chore_follows_the_last_word() -> None:
    done: list[tuple[str, float]] = []

    def begin(loop: VirtualLoop, company: Company) -> None:
        def note(name: str) -> Callable[[], None]:
            return lambda: done.append((name, loop.now))

        dropped, moved = company.chore("dropped", note("dropped")), company.chore("moved", note("moved"))

        def first() -> None:
            dropped.cancel()
            moved.plan(30.0, 40.0)

        company.chore("first", first).plan(1.0, 2.0)
        dropped.plan(1.0, 3.0)
        moved.plan(1.0, 3.0)

    run(begin)
    assert done == [("moved", 40.0)]


def test_a_chore_may_plan_itself_and_needs_no_company() -> None:
    times: list[float] = []

    def begin(loop: VirtualLoop, company: Company) -> None:
        def work() -> None:
            times.append(loop.now)
            if len(times) < 3:
                chore.plan(loop.now + 5.0, loop.now + 6.0)

        chore = company.chore("itself", work)
        chore.plan(0.0, 0.0)

    run(begin)
    assert times == pytest.approx([0.0, 6.0, 12.0], abs=3 * MARGIN)


@pytest.mark.parametrize(
    ("comes", "says_so", "done"),
    [(2.0, False, 2.0), (9.0, True, 2.5), (2.3, True, 2.3)],
    ids=["as said", "not", "later"],
)
def test_what_an_election_is_sure_to_come_by_for_needs_no_timer_of_its_own(
    comes: float, says_so: bool, done: float
) -> None:
    """A master says when it advertises next; when something happens to it, it may not."""
    when: list[float] = []
    timers: list[float] = []

    def begin(loop: VirtualLoop, company: Company) -> None:
        later = company.chore("later", lambda: when.append(loop.now))

        def plan() -> None:
            later.plan(1.5, 2.5)
            loop.call_soon(lambda: timers.extend(handle.when() for handle in loop.pending()))

        company.chore("now", plan).plan(0.0, 5.0)
        loop.call_at(1.0, company.visit, 2.0)
        if says_so:
            loop.call_at(1.8, company.miss)
        visit_at(loop, company, comes)

    run(begin)
    assert when == [pytest.approx(done, abs=MARGIN)]
    assert 2.5 not in timers
