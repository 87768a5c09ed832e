"""Who is attacked: ours, the real ucarp and the real keepalived, each started as its manual says.

A product serves every lane on one node, with a better or a worse preference, and ends in an orderly way.
"""

import json
import shutil
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sidecar.lab.space import Process
from sidecar.lab.topology import Node
from tests.attacks.catalogue import Lane
from tests.attacks.frames import Kind
from tests.rivals import DOWN, PASSPHRASE, PATH, UP

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
        keys = node.write("/run/passphrase", f"{PASSPHRASE}\n", 0o600)
        config = node.write("/run/carp.yaml", "ntp: off\nkubernetes: off\nvhosts:\n")
        with node.path(config).open("a") as file:
            for lane in lanes:
                dialect = "openbsd" if lane.vhid in openbsd else "freebsd"
                file.write(
                    f"  - {{vhid: {lane.vhid}, addresses: {lane.address}, advskew: {ADVSKEW[rank]}, interface: eth0, "
                    f"passphrase_file: {keys}, dialect: {dialect}, replay: {self.replay}}}\n"
                )
        env = {"PATH": PATH, "PYTHONPATH": str(Path(__file__).parents[2]), "CARP_CONFIG": config}
        return [node.spawn([sys.executable, "-m", "sidecar", "run"], log=log, env=env)]

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
        # Not rivals.ucarp for each: it would write the scripts again while the first processes run them.
        up, down = node.write("/run/up", UP, 0o755), node.write("/run/down", DOWN, 0o755)
        secret = node.write("/run/passphrase", f"{PASSPHRASE}\n", 0o600)
        common = [shutil.which("ucarp", path=PATH) or "ucarp", "-i", "eth0", "-s", node.ipv4, "-o", secret]
        common += ["-b", "1", "-k", str(ADVSKEW[rank]), "-P", "-z", "-u", up, "-d", down]
        return [node.spawn([*common, "-v", str(lane.vhid), "-a", lane.address], log=log) for lane in lanes]

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
        instances = "".join(self._instance(lane, rank) for lane in lanes)
        text = f"global_defs {{\n  vrrp_version {self.version}\n  router_id {node.name}\n}}\n{instances}"
        config = node.write("/run/keepalived.conf", text)
        program = shutil.which("keepalived", path=PATH) or "keepalived"
        argv = [program, "-n", "-l", "-P", "-f", config, "-p", "/run/keepalived.pid", "-r", "/run/vrrp.pid"]
        return [node.spawn(argv, log=log)]

    def drops(self, node: Node) -> Drops:
        return {}

    def _instance(self, lane: Lane, rank: int) -> str:
        password = f"  authentication {{\n    auth_type PASS\n    auth_pass {VRRP_PASSWORD}\n  }}\n"
        return (
            f"vrrp_instance v{lane.vhid} {{\n  state BACKUP\n  interface eth0\n  virtual_router_id {lane.vhid}\n"
            f"  priority {PRIORITY[rank]}\n  advert_int 1\n{password * self.authentication}"
            f"  virtual_ipaddress {{\n    {lane.address}/32 dev eth0\n  }}\n}}\n"
        )


PRODUCTS: list[Product] = [
    Sidecar("strict"),
    Sidecar("compat"),
    Ucarp(),
    Keepalived(2),
    Keepalived(2, authentication=True),
    Keepalived(3),
]
