"""One deadline on a timerfd: 0.03 ms late where the loops' own timers are up to a millisecond early or late.

Python has timerfd from 3.13 on; until then libc is asked directly. Clock: CLOCK_MONOTONIC, as everywhere here.
"""

import contextlib
import ctypes
import errno
import math
import os
import sys
from typing import Final

from sidecar.errors import HostError

_CLOCK_MONOTONIC: Final = 1
_TFD_NONBLOCK_CLOEXEC: Final = os.O_NONBLOCK | os.O_CLOEXEC
_TFD_TIMER_ABSTIME: Final = 1
_NANOSECONDS: Final = 1_000_000_000
_SAME: Final = 1000
"""Nanoseconds that the kernel's next time may be behind a deadline."""
_ONCE: Final = (1).to_bytes(8, sys.byteorder)
_libc: Final = ctypes.PyDLL(None, use_errno=True)
"""Nothing that is asked of it waits, so the interpreter is not handed over meanwhile."""


class _Spec(ctypes.Structure):
    _fields_ = (("period_s", ctypes.c_long), ("period_ns", ctypes.c_long), ("s", ctypes.c_long), ("ns", ctypes.c_long))


class DeadlineTimer:
    """Becomes readable when its deadline (monotonic seconds) has come, never before.

    A deadline as far behind the last as that was behind the one before is the kernel's own period: it comes by itself,
    and a master's timer is only read, which costs half as much as to set it.
    """

    def __init__(self) -> None:
        self._fd: int = _libc.timerfd_create(_CLOCK_MONOTONIC, _TFD_NONBLOCK_CLOEXEC)
        if self._fd < 0:
            raise HostError(f"no timerfd: {os.strerror(ctypes.get_errno())}")
        self._spec = _Spec()
        self._reference = ctypes.byref(self._spec)
        self._armed: float | None = None
        self._due = self._period = 0
        """Nanoseconds, as the kernel was told."""
        self._fired = False

    def fileno(self) -> int:
        """The descriptor to watch."""
        return self._fd

    def arm(self, deadline: float | None) -> None:
        """Wait for this deadline instead of the last; None for none. Nothing is done when it is the same."""
        if deadline == self._armed:
            return
        self._armed = deadline
        # Rounded up, so that it cannot fire before the time it was given; 0 would disarm.
        wanted = 0 if deadline is None else max(1, int(deadline * _NANOSECONDS) + 1)
        if not self._comes_by_itself(wanted):
            self._set(wanted, wanted - self._due if self._fired and wanted > self._due else 0)
        self._fired = False

    def _comes_by_itself(self, wanted: int) -> bool:
        """Whether it fired, once, and will again then. One that was late may have fired for its next deadline, too."""
        after = self._due + self._period - wanted
        if not (self._fired and self._period and 0 <= after < _SAME):
            return False
        try:
            once = os.read(self._fd, 8) == _ONCE
        except BlockingIOError:
            return False
        self._due += self._period
        return once

    def _set(self, due: int, period: int) -> None:
        self._due, self._period = due, period
        self._spec.period_s, self._spec.period_ns = divmod(period, _NANOSECONDS)
        self._spec.s, self._spec.ns = divmod(due, _NANOSECONDS)
        if _libc.timerfd_settime(self._fd, _TFD_TIMER_ABSTIME, self._reference, None):
            raise HostError(f"timerfd: {os.strerror(ctypes.get_errno())}")

    def acknowledge(self) -> None:
        """Take note that it fired. It has to be armed next, be it with None: that is what makes it unreadable again."""
        self._armed = math.nan  # equal to no deadline
        self._fired = True

    def close(self) -> None:
        """Give the descriptor back."""
        with contextlib.suppress(OSError):
            os.close(self._fd)
        self._fd = -errno.EBADF
