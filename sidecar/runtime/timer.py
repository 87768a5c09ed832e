"""One deadline on a timerfd: 0.03 ms late where the loops' own timers are up to a millisecond early or late.

Python has timerfd from 3.13 on; until then libc is asked directly. Clock: CLOCK_MONOTONIC, as everywhere here.
"""

import contextlib
import ctypes
import errno
import math
import os
from typing import Final

from sidecar.errors import HostError

_CLOCK_MONOTONIC: Final = 1
_TFD_NONBLOCK_CLOEXEC: Final = os.O_NONBLOCK | os.O_CLOEXEC
_TFD_TIMER_ABSTIME: Final = 1
_NANOSECONDS: Final = 1_000_000_000
_libc: Final = ctypes.PyDLL(None, use_errno=True)
"""Nothing that is asked of it waits, so the interpreter is not handed over meanwhile."""


class _Spec(ctypes.Structure):
    _fields_ = (("period_s", ctypes.c_long), ("period_ns", ctypes.c_long), ("s", ctypes.c_long), ("ns", ctypes.c_long))


class DeadlineTimer:
    """Becomes readable when its deadline (monotonic seconds) has come, never before."""

    def __init__(self) -> None:
        self._fd: int = _libc.timerfd_create(_CLOCK_MONOTONIC, _TFD_NONBLOCK_CLOEXEC)
        if self._fd < 0:
            raise HostError(f"no timerfd: {os.strerror(ctypes.get_errno())}")
        self._spec = _Spec()
        self._reference = ctypes.byref(self._spec)
        self._armed: float | None = None

    def fileno(self) -> int:
        """The descriptor to watch."""
        return self._fd

    def arm(self, deadline: float | None) -> None:
        """Wait for this deadline instead of the last; None for none. Nothing is done when it is the same."""
        if deadline == self._armed:
            return
        self._armed = deadline
        # Rounded up, so that it cannot fire before the time it was given; 0 would disarm.
        nanoseconds = 0 if deadline is None else max(1, int(deadline * _NANOSECONDS) + 1)
        self._spec.s, self._spec.ns = divmod(nanoseconds, _NANOSECONDS)
        if _libc.timerfd_settime(self._fd, _TFD_TIMER_ABSTIME, self._reference, None):
            raise HostError(f"timerfd: {os.strerror(ctypes.get_errno())}")

    def acknowledge(self) -> None:
        """Take note that it fired. It has to be armed next, be it with None: that is what makes it unreadable again."""
        self._armed = math.nan  # equal to no deadline; the kernel forgets expirations when it is set, so none is read

    def close(self) -> None:
        """Give the descriptor back."""
        with contextlib.suppress(OSError):
            os.close(self._fd)
        self._fd = -errno.EBADF
