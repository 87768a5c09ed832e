"""Whether this host wakes the daemon in time for its dead time: measured once it has started, then looked at.

A master that is late by two of its intervals loses the address to a backup that sees nothing wrong, and nobody would
know why. Measured is the daemon's own loop with its own scheduling; afterwards its elections' timers tell.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

from sidecar.carp.config import Config, master_down_us
from sidecar.company import Company
from sidecar.errors import HostError
from sidecar.report import VhostReport
from sidecar.runtime.timer import DeadlineTimer

_log: Final = logging.getLogger("sidecar.carp")
MARGIN: Final = 3.0
"""A dead time should be so many times the worst lateness."""
FLOOR: Final = 0.035
"""Seconds: the shortest dead time for which no false failover was seen under load (docs/benchmarks.md)."""
FIX: Final = "raise advskew or advbase on every node, grant CAP_SYS_NICE, or give the host less to do"
_SETTLED: Final = 5.0
_TICKS: Final = 100
_PERIOD: Final = 0.01
_LOOK: Final = (60.0, 75.0)
_SILENT: Final = 3600.0


def dead_time(config: Config) -> float:
    """Seconds of silence after which a backup takes over, by the rule of its dialect."""
    return master_down_us(config.advbase, config.advskew, config.dialect) / 1e6


def holds(worst: float) -> float:
    """The shortest dead time that a host can be trusted with, whose timers are so late at worst; in seconds."""
    return max(FLOOR, MARGIN * worst)


async def worst_lateness(ticks: int = _TICKS, period: float = _PERIOD) -> float:
    """Seconds that the loop was late at worst, for so many timers in turn. ``HostError`` without a timer."""
    loop, timer, ticked = asyncio.get_running_loop(), DeadlineTimer(), asyncio.Event()
    worst, due, seen = 0.0, time.monotonic(), 0.0

    def tick() -> None:
        nonlocal worst, seen
        seen = time.monotonic()
        worst = max(worst, seen - due)
        timer.acknowledge()
        timer.arm(None)
        ticked.set()

    loop.add_reader(timer.fileno(), tick)
    try:
        for _ in range(ticks):
            ticked.clear()
            due = max(due + period, seen)  # also of what the loop did between two of them
            timer.arm(due)
            await ticked.wait()
    finally:
        loop.remove_reader(timer.fileno())
        timer.close()
    return worst


class Punctuality:
    """``watch`` measures once, and then looks in this company for as long as it runs; it only logs."""

    def __init__(
        self,
        reports: Callable[[], Sequence[VhostReport]],
        clock: Callable[[], float] = time.monotonic,
        company: Company | None = None,
    ) -> None:
        self._reports = reports
        self._company = company or Company()
        self._clock = clock
        self._late: dict[int, int] = {}
        self._told: dict[int, float] = {}

    async def watch(self) -> None:
        """Once when what starts has started, then each minute."""
        await asyncio.sleep(_SETTLED)
        try:
            self.judge(await worst_lateness())
        except HostError as error:
            _log.warning("how late timers are here is not known: %s", error)
        self.look()
        self._company.every("the look at late timers", self.look, *_LOOK)

    def judge(self, worst: float) -> None:
        """Say what the host is good for, and warn of every dead time that is shorter."""
        good = holds(worst)
        _log.info("timers here are up to %.1f ms late: good for a dead time of %.0f ms", worst * 1e3, good * 1e3)
        for report in self._reports():
            dead = dead_time(report.status.config)
            if dead < good:
                text = (
                    "vhid=%d a dead time of %.0f ms is short for this host, which may lose the address for nothing: %s"
                )
                _log.warning(text, report.status.config.vhid, dead * 1e3, FIX)
                self._told[report.status.config.vhid] = self._clock()

    def look(self) -> None:
        """Warn when timers of an election were so late since the last look that its dead time is in danger."""
        for report in self._reports():
            vhid, dead = report.status.config.vhid, dead_time(report.status.config)
            limit, count = later_than(report, dead / MARGIN)
            new = count - self._late.get(vhid, count)
            self._late[vhid] = count
            if new > 0 and self._clock() - self._told.get(vhid, -_SILENT) >= _SILENT:
                self._told[vhid] = self._clock()
                text = "vhid=%d %d timers were more than %.0f ms late, the dead time is %.0f ms: %s"
                _log.warning(text, vhid, new, limit * 1e3, dead * 1e3, FIX)


def later_than(report: VhostReport, seconds: float) -> tuple[float, int]:
    """How many timers were later than the histogram's first bound that is no less, and that bound."""
    bounds, counts = report.lateness.bounds, report.lateness.counts
    first = next((index for index, bound in enumerate(bounds) if bound >= seconds), len(bounds) - 1)
    return bounds[first], sum(counts[first + 1 :])
