"""What keeps the election's timers on time beside busy neighbours: asked for when permitted, said when not.

SCHED_FIFO takes the tail off the lateness (performance: 20-45 ms to 1 ms), a locked memory does not page out, a frozen
heap is not walked by the garbage collector. None of them is needed at advbase 1.
"""

import contextlib
import ctypes
import gc
import os
import resource
import sys
from pathlib import Path
from typing import Final

_PRIORITY: Final = 10
_CAP_IPC_LOCK: Final = 14
_TURN: Final = 0.0002
"""Seconds that another thread of ours keeps the interpreter after the election wants it; Python's own 5 ms, after each
system call, would make a node with many virtual hosts late while it looks at its interfaces."""
_STATUS: Final = Path("/proc/self/status")
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4


def ask_for_realtime() -> list[str]:
    """FIFO scheduling of this thread alone (children and other threads start with the ordinary one), locked memory.

    What could not be had, for the log. Before any other thread and before privileges are laid down.
    """
    sys.setswitchinterval(_TURN)
    lacking = []
    try:
        policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, policy, os.sched_param(_PRIORITY))
    except OSError as error:
        lacking.append(f"no real-time scheduling ({error.strerror}): advbase 1 does not need it")
    with contextlib.suppress(OSError, ValueError):  # for good, where we may: no capability is needed for it later
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    libc = ctypes.CDLL(None, use_errno=True)
    if not _may_lock_all():
        lacking.append("memory not locked (limited, and CAP_IPC_LOCK is missing)")
    elif libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT):
        lacking.append(f"memory not locked ({os.strerror(ctypes.get_errno())})")
    return lacking


def locks_without_capability() -> bool:
    """Whether allocations go on succeeding without CAP_IPC_LOCK."""
    return resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY


def _may_lock_all() -> bool:
    """A finite limit would let the lock succeed now and make an allocation fail later."""
    effective = next(line for line in _STATUS.read_text().splitlines() if line.startswith("CapEff:"))
    return locks_without_capability() or bool(int(effective.split()[1], 16) >> _CAP_IPC_LOCK & 1)


def freeze_imports() -> None:
    """What is imported stays, and no collection looks at it: ``freeze_heap`` would hold the loop for 8 ms with it."""
    gc.freeze()


def freeze_heap() -> None:
    """Everything alive now stays: a full collection costs nothing from here on."""
    gc.collect()
    gc.freeze()
