"""A host that wakes the daemon too late for its dead time is named in the log: at the start, and once an hour."""

import asyncio
import logging
import time

import pytest

from sidecar.app.punctuality import Punctuality, later_than, worst_lateness
from sidecar.carp.config import Config
from sidecar.report import Histogram, VhostReport
from tests.unit.ops_reports import ADDRESSES, report

BOUNDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


def fast(advskew: int = 3) -> VhostReport:
    """A dead time of three times advskew/256 s."""
    return report(config=Config(10, ADDRESSES, advbase=0, advskew=advskew), lateness=Histogram.of(*BOUNDS))


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]


def test_a_dead_time_that_the_host_cannot_hold_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        Punctuality(lambda: [fast(3), report()]).judge(0.020)
    assert "timers here are up to 20.0 ms late: good for a dead time of 60 ms" in caplog.text
    (text,) = warned(caplog)
    assert text.startswith("vhid=10 a dead time of 35 ms is short for this host")
    assert "CAP_SYS_NICE" in text


def test_a_dead_time_that_it_holds_is_not(caplog: pytest.LogCaptureFixture) -> None:
    Punctuality(lambda: [fast(6), report()]).judge(0.020)
    assert warned(caplog) == []


def test_timers_that_become_late_are_warned_of_once_an_hour(caplog: pytest.LogCaptureFixture) -> None:
    one, now = fast(3), [0.0]
    watch = Punctuality(lambda: [one], lambda: now[0])
    one.lateness.add(0.2)
    watch.look()
    assert warned(caplog) == [], "what was before the first look is not news"
    for minute in range(1, 62):
        now[0] = 60.0 * minute
        one.lateness.add(0.002)
        one.lateness.add(0.05)
        watch.look()
    assert [text.partition(":")[0] for text in warned(caplog)] == [
        "vhid=10 1 timers were more than 30 ms late, the dead time is 35 ms"
    ] * 2


def test_lateness_is_counted_from_the_next_bound_of_the_histogram() -> None:
    one = fast()
    for value in (0.002, 0.02, 0.05, 2.0):
        one.lateness.add(value)
    assert later_than(one, 0.0117) == (0.03, 2)
    assert later_than(one, 5.0) == (1.0, 1)


def test_a_loop_that_is_kept_busy_is_late() -> None:
    async def busy() -> float:
        asyncio.get_running_loop().call_later(0.05, time.sleep, 0.2)
        return await worst_lateness(20)

    assert asyncio.run(busy()) > 0.15
    assert asyncio.run(worst_lateness(3, 0.001)) < 1.0
