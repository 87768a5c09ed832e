"""Who is attacked: ours, the real ucarp and the real keepalived, each started as its manual says.

A product serves every lane on one node, with a better or a worse preference, and ends in an orderly way.
"""

import json
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sidecar.lab.space import Process
from sidecar.lab.topology import Node
from tests import rivals
from tests.attacks.catalogue import Lane
from tests.attacks.frames import Kind
from tests.rivals import Service

VRRP_PASSWORD = "fortests"
ADVSKEW = (10, 60)
PRIORITY = (150, 100)
PATIENCE = 20.0
"""Seconds: on a busy machine a daemon needs some until it can be asked."""

Drops = dict[int, dict[str, int]]
"""How many for each reason, by vhid."""


class Product(Protocol):
    """What runs on the two nodes of a segment."""

    name: str
    title: str
    kind: Kind
    passwords: bool

    def start(self, node: Node, lanes: Sequence[Lane], openbsd: set[int], rank: int, log: Path) -> list[Process]:
        """Serve all lanes on a node; ``rank`` 0 is the better one."""

    def drops(self, node: Node) -> Drops:
        """What it counted of advertisements it did not believe; empty where nobody counts."""


@dataclass
class Sidecar:
    """carp-sidecar."""

    replay: str
    kind: Kind = Kind.CARP
    passwords: bool = True
    name: str = field(init=False)
    title: str = field(init=False)

    def __post_init__(self) -> None:
        self.name, self.title = f"ours-{self.replay}", f"carp-sidecar, {self.replay}"

    def start(self, node: Node, lanes: Sequence[Lane], openbsd: set[int], rank: int, log: Path) -> list[Process]:
        services = {
            one: {"advskew": ADVSKEW[rank], "replay": self.replay, "dialect": _dialect(one, openbsd)}
            for one in _services(lanes)
        }
        return [rivals.sidecar_of_many(node, log, services)]

    def drops(self, node: Node) -> Drops:
        end = time.monotonic() + PATIENCE
        control = node.path("/run/carp-sidecar/control.sock")
        while not control.exists() and time.monotonic() < end:
            time.sleep(0.05)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as daemon:
            daemon.settimeout(PATIENCE)
            daemon.connect(str(control))
            daemon.sendall(b'{"v": 1, "do": "status"}\n')
            with daemon.makefile("rb") as answers:
                vhosts = json.loads(answers.readline())["result"]["vhosts"]
        return {one["vhid"]: one["counters"]["dropped"] for one in vhosts}


@dataclass
class Ucarp:
    """One process a virtual host: preempting, with up and down scripts."""

    name: str = "ucarp"
    title: str = "ucarp"
    kind: Kind = Kind.CARP
    passwords: bool = True

    def start(self, node: Node, lanes: Sequence[Lane], openbsd: set[int], rank: int, log: Path) -> list[Process]:
        return rivals.ucarps(node, log, _services(lanes), advskew=ADVSKEW[rank])

    def drops(self, node: Node) -> Drops:
        return {}


@dataclass
class Keepalived:
    """One instance a virtual host; ``authentication`` is VRRPv2's password in plain text."""

    version: int
    authentication: bool = False
    name: str = field(init=False)
    title: str = field(init=False)
    kind: Kind = field(init=False)
    passwords: bool = field(init=False)

    def __post_init__(self) -> None:
        suffix = " with a password" if self.authentication else ""
        self.name = f"keepalived-v{self.version}{'-password' * self.authentication}"
        self.title = f"keepalived, VRRP {self.version}{suffix}"
        self.kind = Kind.VRRP2 if self.version == 2 else Kind.VRRP3
        self.passwords = self.authentication

    def start(self, node: Node, lanes: Sequence[Lane], openbsd: set[int], rank: int, log: Path) -> list[Process]:
        password = VRRP_PASSWORD * self.authentication
        services, priority = _services(lanes), PRIORITY[rank]
        return [
            rivals.keepalived(
                node, log, *services, priority=priority, interval=1, version=self.version, password=password
            )
        ]

    def drops(self, node: Node) -> Drops:
        return {}


def _services(lanes: Sequence[Lane]) -> list[Service]:
    return [Service(lane.vhid, lane.address) for lane in lanes]


def _dialect(service: Service, openbsd: set[int]) -> str:
    return "openbsd" if service.vhid in openbsd else "freebsd"


PRODUCTS: list[Product] = [
    Sidecar("strict"),
    Sidecar("compat"),
    Ucarp(),
    Keepalived(2),
    Keepalived(2, authentication=True),
    Keepalived(3),
]
