"""What this process may do, by the kernel's own account: capabilities that `run` needs, and those it can use."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sidecar.check.finding import Finding, ok, problem, warning

CAPABILITIES: Final = {"CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13, "CAP_IPC_LOCK": 14, "CAP_SYS_NICE": 23}
_NEEDED: Final = ("CAP_NET_ADMIN", "CAP_NET_RAW")
_STATUS: Final = Path("/proc/self/status")
_SUBJECT: Final = "capabilities"
_GRANT: Final = "run as root, or grant it (AmbientCapabilities=, docker run --cap-add, securityContext.capabilities)"


def permitted(status: str) -> frozenset[str]:
    """Those of ours that a /proc/PID/status permits."""
    line = next(line for line in status.splitlines() if line.startswith("CapPrm:"))
    bits = int(line.split()[1], 16)
    return frozenset(name for name, bit in CAPABILITIES.items() if bits >> bit & 1)


def privileges(*, shortest: float) -> Iterator[Finding]:
    """``shortest``: the shortest interval between advertisements, seconds; below one, real time is worth a warning."""
    yield from judge(permitted(_STATUS.read_text()), shortest=shortest)


def judge(have: frozenset[str], *, shortest: float) -> Iterator[Finding]:
    """What is missing."""
    lacking = [name for name in _NEEDED if name not in have]
    if lacking:
        yield problem(_SUBJECT, f"{' and '.join(lacking)} missing", _GRANT)
    else:
        yield ok(_SUBJECT, " and ".join(_NEEDED))
    if "CAP_SYS_NICE" in have:
        yield ok("real time", "CAP_SYS_NICE: the election runs with SCHED_FIFO")
    elif shortest < 1:
        what = f"CAP_SYS_NICE missing, and advertisements are {shortest * 1000:.0f} ms apart"
        yield warning("real time", what, "grant it: a busy host delays timers by 20-45 ms without")
    else:
        yield ok("real time", "CAP_SYS_NICE missing; not needed for intervals of a second")
