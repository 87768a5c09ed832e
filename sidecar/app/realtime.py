"""What keeps the election's timers on time beside busy neighbours: asked for when permitted, said when not.

SCHED_FIFO takes the tail off the lateness (performance: 20-45 ms to 1 ms), a locked memory does not page out, a frozen
heap is not walked by the garbage collector. None of them is needed at advbase 1.
"""

import ctypes
import gc
import logging
import os
from typing import Final

_log: Final = logging.getLogger(__name__)
_PRIORITY: Final = 10
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4


def ask_for_realtime() -> None:
    """FIFO scheduling of this thread alone (children and other threads start with the ordinary one), locked memory."""
    try:
        policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, policy, os.sched_param(_PRIORITY))
    except OSError as error:
        _log.info("no real-time scheduling (%s): advbase 1 does not need it", error.strerror)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT):
        _log.info("memory not locked (%s)", os.strerror(ctypes.get_errno()))


def freeze_heap() -> None:
    """Everything alive now stays: a full collection costs nothing from here on."""
    gc.collect()
    gc.freeze()
