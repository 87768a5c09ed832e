"""How late this host wakes a timer, measured now, and which dead time it can hold; busy hours may be worse.

A backup that is late only takes over late; a master that is late by two of its intervals loses the address to a backup
that sees nothing wrong. So the dead time should be several times the worst lateness.
"""

import ctypes
import select
import time
from collections.abc import Iterator
from threading import Thread
from typing import Final

from sidecar.app import punctuality
from sidecar.app.punctuality import FIX, holds
from sidecar.app.realtime import ask_for_realtime
from sidecar.check.finding import Finding, ok, warning
from sidecar.settings.values import VhostSettings

SECONDS: Final = 1.0
PERIOD: Final = 0.005


def dead_time(settings: VhostSettings) -> float:
    """Seconds, by the rule of its dialect."""
    return punctuality.dead_time(settings.config)


def lateness() -> list[float]:
    """Seconds that a timer was late, one after the other, as the daemon's own would be, ascending."""
    late: list[float] = []
    thread = Thread(target=_measure, args=(late,), name="timing")  # its scheduling is its own
    thread.start()
    thread.join()
    return sorted(late)


def _measure(late: list[float]) -> None:
    ask_for_realtime()
    poll = select.epoll()
    due = time.monotonic() + PERIOD
    end = due + SECONDS
    while due < end:
        poll.poll(max(0.0, due - time.monotonic()))
        late.append(max(0.0, time.monotonic() - due))
        due = max(due + PERIOD, time.monotonic())
    poll.close()
    ctypes.CDLL(None).munlockall()


def judge(settings: VhostSettings, late: list[float]) -> Iterator[Finding]:
    """Whether the dead time of a virtual host is long enough here."""
    dead, shortest = dead_time(settings), holds(late[-1])
    subject = f"dead time of vhid {settings.config.vhid}"
    measured = f"timers here were up to {late[-1] * 1000:.1f} ms late, good for {shortest * 1000:.0f} ms"
    if dead < shortest:
        yield warning(subject, f"{dead * 1000:.0f} ms; {measured}", FIX)
    else:
        yield ok(subject, f"{dead:.3f} s; {measured}")
