"""Who is flooded: each a function that starts one daemon for one address on a node, the better node first."""

from pathlib import Path
from typing import NamedTuple

from sidecar.lab.space import Process
from sidecar.lab.topology import Node
from tests import rivals
from tests.attacks.flood import ADDRESS, VHID, Start

SERVICE = rivals.Service(VHID, ADDRESS)


class Contender(NamedTuple):
    """``interval`` between the master's advertisements and ``dead`` time of the backup, in seconds."""

    title: str
    interval: float
    dead: float
    starts: tuple[Start, Start]


def sidecar(advbase: int, advskew: int, replay: str = "compat") -> Start:
    """carp-sidecar."""

    def start(node: Node, log: Path) -> Process:
        wishes = {"CARP_ADVBASE": str(advbase), "CARP_ADVSKEW": str(advskew), "CARP_NTP": "off", "CARP_REPLAY": replay}
        return rivals.sidecar(node, log, SERVICE, **wishes)

    return start


def ucarp(advskew: int) -> Start:
    """ucarp at advbase 1."""
    return lambda node, log: rivals.ucarp(node, log, SERVICE, advskew=advskew)


def keepalived(priority: int, interval: float) -> Start:
    """keepalived with VRRP 3."""
    return lambda node, log: rivals.keepalived(node, log, SERVICE, priority=priority, interval=interval, version=3)


SLOW = Contender("carp-sidecar, 1 s", 1.0, 3.0, (sidecar(1, 0), sidecar(1, 20)))
SAFE = Contender("carp-sidecar, 102 ms", 26 / 256, 0.305, (sidecar(0, 26), sidecar(0, 27)))
FAST = Contender("carp-sidecar, 20 ms", 5 / 256, 0.070, (sidecar(0, 5), sidecar(0, 6)))
UCARP = Contender("ucarp, 1 s", 1.0, 3.0, (ucarp(0), ucarp(20)))
KEEPALIVED = Contender("keepalived, 10 ms", 0.01, 0.036, (keepalived(150, 0.01), keepalived(100, 0.01)))
CONTENDERS = (SLOW, SAFE, FAST, UCARP, KEEPALIVED)
