"""Who else keeps an address on a segment, and ourselves, each started on a node as its manual says.

One function a product; nothing of ours is built or tuned differently from what a user runs.
"""

import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from sidecar.lab.space import Process
from sidecar.lab.topology import Node

PASSPHRASE = "only for tests"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
UP = '#!/bin/sh\nexec ip addr add "$2/32" dev "$1"\n'
DOWN = '#!/bin/sh\nip addr del "$2/32" dev "$1" 2>/dev/null\nexit 0\n'


class Service(NamedTuple):
    """What is kept."""

    vhid: int = 10
    address: str = "10.77.0.100"


def sidecar(node: Node, log: Path, service: Service, *prefix: str, **settings: str) -> Process:
    """`carp-sidecar run`, ``settings`` as its environment; ``prefix`` is a command that starts it."""
    argv, env = command(node, service, *prefix, **settings)
    return node.spawn(argv, log=log, env=env)


def command(
    node: Node, service: Service, *prefix: str, do: str = "run", **settings: str
) -> tuple[list[str], dict[str, str]]:
    """A `carp-sidecar` command for this service, and its environment; its keys are on the node then."""
    keys = node.write("/run/passphrase", f"{PASSPHRASE}\n", 0o600)
    env = {"PATH": PATH, "PYTHONPATH": str(Path(__file__).parents[1]), "CARP_KUBERNETES": "off"}
    env |= {"CARP_VHID": str(service.vhid), "CARP_ADDRESSES": service.address, "CARP_PASSPHRASE_FILE": keys}
    return [*prefix, sys.executable, "-m", "sidecar", do], env | settings


def ucarp(node: Node, log: Path, service: Service, *, advskew: int, advbase: int = 1) -> Process:
    """ucarp, preempting, with scripts that add and remove the address."""
    up, down = node.write("/run/up", UP, 0o755), node.write("/run/down", DOWN, 0o755)
    secret = node.write("/run/passphrase", f"{PASSPHRASE}\n", 0o600)
    argv = [shutil.which("ucarp", path=PATH) or "ucarp", "-i", "eth0", "-s", node.ipv4, "-o", secret]
    argv += ["-b", str(advbase), "-k", str(advskew), "-P", "-z", "-u", up, "-d", down]
    return node.spawn([*argv, "-v", str(service.vhid), "-a", service.address], log=log)


def keepalived(
    node: Node, log: Path, service: Service, *, priority: int, interval: float, version: int, vmac: bool = False
) -> Process:
    """keepalived; with real-time priority below a second, as its manual advises."""
    realtime = "  vrrp_rt_priority 10\n" * (interval < 1)
    config = node.write(
        "/run/keepalived.conf",
        f"global_defs {{\n  vrrp_version {version}\n  router_id {node.name}\n{realtime}}}\n"
        f"vrrp_instance v {{\n  state BACKUP\n  interface eth0\n  virtual_router_id {service.vhid}\n"
        f"  priority {priority}\n  advert_int {interval:g}\n{'  use_vmac' * vmac}\n"
        f"  virtual_ipaddress {{\n    {service.address}/32\n  }}\n}}\n",
    )
    program = shutil.which("keepalived", path=PATH) or "keepalived"
    argv = [program, "-n", "-l", "-P", "-f", config, "-p", "/run/keepalived.pid", "-r", "/run/vrrp.pid"]
    return node.spawn(argv, log=log)
