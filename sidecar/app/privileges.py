"""What the daemon may do once it runs: change its network and speak raw. All else that it was given is laid down.

Also as root. For ever: neither it nor what it starts can have it back. Capabilities belong to threads, so this comes
before the first other one. What holds the keys is readable by no other process and by no dump.
"""

import contextlib
import ctypes
import os
import resource
from collections.abc import Iterable
from typing import Final

NET_BIND_SERVICE, NET_ADMIN, NET_RAW, IPC_LOCK = 10, 12, 13, 14
NEEDED: Final = frozenset({NET_ADMIN, NET_RAW})
"""To renew the lease, and to open the wire again when the carpdev was made anew: both for as long as it runs."""
_NAMES: Final = {"CAP_NET_ADMIN": NET_ADMIN, "CAP_NET_RAW": NET_RAW}
_VERSION_3: Final = 0x20080522
_PR_SET_DUMPABLE, _PR_CAPBSET_READ, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 4, 23, 24, 38, 47
_PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
_HIGHEST: Final = 63


def lay_down(keep: Iterable[int]) -> list[str]:
    """Keep these capabilities, as far as they were given, and nothing else; what could not be done, for the log."""
    libc = ctypes.CDLL(None, use_errno=True)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        many = resource.getrlimit(resource.RLIMIT_NOFILE)[1]  # 255 virtual hosts have some 800 descriptors
        resource.setrlimit(resource.RLIMIT_NOFILE, (many, many))
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    for number in range(_HIGHEST + 1):
        if libc.prctl(_PR_CAPBSET_READ, number, 0, 0, 0) == 1:
            libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)  # needs CAP_SETPCAP; a container has a small one anyway
    libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return _keep_only(libc, sum(1 << number for number in set(keep)))


def _keep_only(libc: ctypes.CDLL, kept: int) -> list[str]:
    """Of effective, permitted and inheritable, the lower 32 of each and then the upper."""
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)()
    if libc.capget(header, sets):
        return [f"capabilities not laid down ({os.strerror(ctypes.get_errno())})"]
    lacking = [name for name, number in _NAMES.items() if not sets[1] >> number & 1]
    for half in (0, 3):
        mine = kept >> (32 if half else 0) & 0xFFFFFFFF
        sets[half] &= mine
        sets[half + 1] &= mine
        sets[half + 2] = 0
    if libc.capset(header, sets):
        return [f"capabilities not laid down ({os.strerror(ctypes.get_errno())})"]
    return [f"{' and '.join(lacking)} missing: run as root, or grant what is missing"] if lacking else []
