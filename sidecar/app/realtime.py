"""What keeps the election's timers on time beside busy neighbours: asked for when permitted, said when not.

SCHED_FIFO takes the tail off the lateness (performance: 20-45 ms to 1 ms), a locked memory does not page out, a frozen
heap is not walked by the garbage collector. None of them is needed at advbase 1.
"""

import ctypes
import gc
import logging
import os
import resource
from pathlib import Path
from typing import Final

_log: Final = logging.getLogger(__name__)
_PRIORITY: Final = 10
_CAP_IPC_LOCK: Final = 14
_STATUS: Final = Path("/proc/self/status")
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4


def ask_for_realtime() -> None:
    """FIFO scheduling of this thread alone (children and other threads start with the ordinary one), locked memory."""
    try:
        policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, policy, os.sched_param(_PRIORITY))
    except OSError as error:
        _log.info("no real-time scheduling (%s): advbase 1 does not need it", error.strerror)
    if not _may_lock_all():
        _log.info("memory not locked (limited, and CAP_IPC_LOCK is missing)")
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT):
        _log.info("memory not locked (%s)", os.strerror(ctypes.get_errno()))


def _may_lock_all() -> bool:
    """A finite limit would let the lock succeed now and make an allocation fail later."""
    unlimited = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY
    effective = next(line for line in _STATUS.read_text().splitlines() if line.startswith("CapEff:"))
    return unlimited or bool(int(effective.split()[1], 16) >> _CAP_IPC_LOCK & 1)


def freeze_heap() -> None:
    """Everything alive now stays: a full collection costs nothing from here on."""
    gc.collect()
    gc.freeze()
