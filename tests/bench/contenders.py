"""Who runs in the bench, in three classes by how fast they may be; the better node first, preempting.

Dead times are each product's own formula. Ours runs with its defaults, NTP watch included; nothing is switched off.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from sidecar.lab.space import Process
from sidecar.lab.topology import Node
from tests import rivals
from tests.rivals import Service

SERVICE = Service()
NUMBERS = (11, 12)
"""The last octet of the better and the worse node."""

Start = Callable[[Node, Path, int], Process]


class Contender(NamedTuple):
    """``interval`` between a master's advertisements and ``dead`` time of the worse node, in seconds."""

    key: str
    title: str
    group: str
    interval: float
    dead: float
    start: Start
    ours: bool = False


def sidecar(advbase: int, skews: tuple[int, int], *prefix: str, **settings: str) -> Start:
    """carp-sidecar; ``skews`` of the better and the worse node."""

    def start(node: Node, log: Path, rank: int) -> Process:
        own = {"CARP_ADVBASE": str(advbase), "CARP_ADVSKEW": str(skews[rank])}
        return rivals.sidecar(node, log, SERVICE, *prefix, **own, **settings)

    return start


def ucarp(node: Node, log: Path, rank: int) -> Process:
    """ucarp at its smallest interval with distinct preferences."""
    return rivals.ucarp(node, log, SERVICE, advskew=(0, 100)[rank])


def keepalived(interval: float, version: int, *, vmac: bool = False) -> Start:
    """keepalived with priorities 150 and 100."""

    def start(node: Node, log: Path, rank: int) -> Process:
        priority = (150, 100)[rank]
        return rivals.keepalived(node, log, SERVICE, priority=priority, interval=interval, version=version, vmac=vmac)

    return start


def carp_dead(advbase: int, advskew: int) -> float:
    """carp(4): 3 x advbase + advskew/256 s; three intervals of advskew/256 s where advbase is 0."""
    return 3 * advbase + advskew / 256 if advbase else 3 * advskew / 256


def vrrp_dead(interval: float, priority: int = 100) -> float:
    """RFC 5798: 3 x interval + skew; the skew is a share of the interval in version 3, of a second in version 2."""
    return 3 * interval + (256 - priority) / 256 * min(interval, 1.0)


def fast(skews: tuple[int, int], *prefix: str, key: str, title: str, group: str) -> Contender:
    """carp-sidecar with advbase 0."""
    start = sidecar(0, skews, *prefix)
    return Contender(key, title, group, skews[0] / 256, carp_dead(0, skews[1]), start, ours=True)


NO_REALTIME = ("setpriv", "--bounding-set", "-sys_nice", "--inh-caps", "-sys_nice")
"""Starts a command that may not ask for SCHED_FIFO."""

SECOND, TENTH, FASTEST = "1 s", "100 ms", "fastest"

CONTENDERS = (
    Contender("ours-1s", "carp-sidecar, advbase 1", SECOND, 1.0, carp_dead(1, 1), sidecar(1, (0, 1)), ours=True),
    Contender(
        "ours-1s-interface", "carp-sidecar, advbase 1, CARP_MAC=interface", SECOND, 1.0, carp_dead(1, 1),
        sidecar(1, (0, 1), CARP_MAC="interface"), ours=True,
    ),
    Contender("ucarp", "ucarp, advbase 1", SECOND, 1.0, carp_dead(1, 100), ucarp),
    Contender("keepalived-1s", "keepalived, VRRP 2, 1 s", SECOND, 1.0, vrrp_dead(1), keepalived(1, 2)),
    Contender(
        "keepalived-1s-vmac", "keepalived, VRRP 2, 1 s, use_vmac", SECOND, 1.0, vrrp_dead(1),
        keepalived(1, 2, vmac=True),
    ),
    fast((25, 26), key="ours-100ms", title="carp-sidecar, 98 ms (advskew 25)", group=TENTH),
    Contender("keepalived-100ms", "keepalived, VRRP 3, 100 ms", TENTH, 0.1, vrrp_dead(0.1), keepalived(0.1, 3)),
    Contender(
        "keepalived-100ms-vmac", "keepalived, VRRP 3, 100 ms, use_vmac", TENTH, 0.1, vrrp_dead(0.1),
        keepalived(0.1, 3, vmac=True),
    ),
    fast((5, 6), key="ours-20ms", title="carp-sidecar, 20 ms (advskew 5)", group=FASTEST),
    fast((2, 3), key="ours-fastest", title="carp-sidecar, 8 ms (advskew 2)", group=FASTEST),
    fast(
        (12, 13), *NO_REALTIME, key="ours-fastest-plain", title="carp-sidecar, 47 ms (advskew 12), no SCHED_FIFO",
        group=FASTEST,
    ),
    Contender("keepalived-10ms", "keepalived, VRRP 3, 10 ms", FASTEST, 0.01, vrrp_dead(0.01), keepalived(0.01, 3)),
    Contender(
        "keepalived-10ms-vmac", "keepalived, VRRP 3, 10 ms, use_vmac", FASTEST, 0.01, vrrp_dead(0.01),
        keepalived(0.01, 3, vmac=True),
    ),
)  # fmt: skip
