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
    """``interval`` between a master's advertisements and ``dead`` time of the worse node, in seconds.

    Ours has the ``settings`` of the better and the worse node, and the ``prefix`` that its command is started by.
    """

    key: str
    title: str
    group: str
    interval: float
    dead: float
    start: Start
    ours: bool = False
    settings: tuple[dict[str, str], ...] = ()
    prefix: tuple[str, ...] = ()


def sidecar(advbase: int, skews: tuple[int, int], *prefix: str, **settings: str) -> Start:
    """carp-sidecar; ``skews`` of the better and the worse node."""

    def start(node: Node, log: Path, rank: int) -> Process:
        return rivals.sidecar(node, log, SERVICE, *prefix, **own(advbase, skews[rank]), **settings)

    return start


def own(advbase: int, advskew: int) -> dict[str, str]:
    """A node's settings."""
    return {"CARP_ADVBASE": str(advbase), "CARP_ADVSKEW": str(advskew)}


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


def ours(key: str, title: str, group: str, pace: tuple[int, int, int], *prefix: str, **settings: str) -> Contender:
    """carp-sidecar; ``pace``: advbase, and advskew of the better and the worse node."""
    advbase, better, worse = pace
    both = tuple(own(advbase, skew) | settings for skew in (better, worse))
    interval = advbase + better / 256
    start = sidecar(advbase, (better, worse), *prefix, **settings)
    return Contender(key, title, group, interval, carp_dead(advbase, worse), start, True, both, prefix)


NO_REALTIME = ("setpriv", "--bounding-set", "-sys_nice", "--inh-caps", "-sys_nice")
"""Starts a command that may not ask for SCHED_FIFO."""

SECOND, TENTH, FASTEST, IDLE = "1 s", "100 ms", "fastest", "left alone"
"""The last is not made to hand over, only watched."""

S, MS300, MS150, MS70, MS35 = (1, 0, 1), (0, 25, 26), (0, 12, 13), (0, 5, 6), (0, 2, 3)

CONTENDERS = (
    ours("ours-1s", "carp-sidecar, advbase 1", SECOND, S),
    ours("ours-1s-interface", "carp-sidecar, advbase 1, CARP_MAC=interface", SECOND, S, CARP_MAC="interface"),
    Contender("ucarp", "ucarp, advbase 1", SECOND, 1.0, carp_dead(1, 100), ucarp),
    Contender("keepalived-1s", "keepalived, VRRP 2, 1 s", SECOND, 1.0, vrrp_dead(1), keepalived(1, 2)),
    Contender(
        "keepalived-1s-vmac", "keepalived, VRRP 2, 1 s, use_vmac", SECOND, 1.0, vrrp_dead(1),
        keepalived(1, 2, vmac=True),
    ),
    ours("ours-100ms", "carp-sidecar, 98 ms", TENTH, MS300),
    ours("ours-100ms-interface", "carp-sidecar, 98 ms, CARP_MAC=interface", TENTH, MS300, CARP_MAC="interface"),
    Contender("keepalived-100ms", "keepalived, VRRP 3, 100 ms", TENTH, 0.1, vrrp_dead(0.1), keepalived(0.1, 3)),
    Contender(
        "keepalived-100ms-vmac", "keepalived, VRRP 3, 100 ms, use_vmac", TENTH, 0.1, vrrp_dead(0.1),
        keepalived(0.1, 3, vmac=True),
    ),
    ours("ours-20ms", "carp-sidecar, 20 ms", FASTEST, MS70),
    ours("ours-fastest", "carp-sidecar, 8 ms", FASTEST, MS35),
    ours("ours-fastest-plain", "carp-sidecar, 47 ms, no SCHED_FIFO", FASTEST, MS150, *NO_REALTIME),
    Contender("keepalived-10ms", "keepalived, VRRP 3, 10 ms", FASTEST, 0.01, vrrp_dead(0.01), keepalived(0.01, 3)),
    Contender(
        "keepalived-10ms-vmac", "keepalived, VRRP 3, 10 ms, use_vmac", FASTEST, 0.01, vrrp_dead(0.01),
        keepalived(0.01, 3, vmac=True),
    ),
    Contender("keepalived-20ms", "keepalived, VRRP 3, 20 ms", IDLE, 0.02, vrrp_dead(0.02), keepalived(0.02, 3)),
    ours("ours-1s-plain", "carp-sidecar, advbase 1, no SCHED_FIFO", IDLE, S, *NO_REALTIME),
    ours("ours-100ms-plain", "carp-sidecar, 98 ms, no SCHED_FIFO", IDLE, MS300, *NO_REALTIME),
)  # fmt: skip

BY_KEY = {one.key: one for one in CONTENDERS}
