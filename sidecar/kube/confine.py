"""What the child gives up before it does anything: it dies with its parent, waits for others, and may do nothing.

When memory runs out, in the container or on the node, it is the first to go: the election shares both with it.
"""

import contextlib
import ctypes
import os
import resource
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
_SIGKILL: Final = 9
_CAPABILITY_VERSION_3: Final = 0x20080522
_NICE: Final = 5
_OOM_FIRST: Final = "1000"
_OOM: Final = Path("/proc/self/oom_score_adj")
MEMORY: Final = 192 * 1024 * 1024
"""Bytes of data that it may have, three times what it needs: who leaks ends before the container is full."""


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def confine(parent: int) -> None:
    """Die with the process ``parent``, drop every capability, be nice. What fails is left as it is."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header, nothing = _Header(_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    libc.capset(ctypes.byref(header), ctypes.byref(nothing))
    os.nice(_NICE)
    with contextlib.suppress(OSError):
        _OOM.write_text(_OOM_FIRST)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
