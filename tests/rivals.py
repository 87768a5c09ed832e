"""Who else keeps an address on a segment, and ourselves, each started on a node as its manual says.

A function or two a product, for one address or for many; nothing of ours is built or tuned differently from what a user
runs.
"""

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from sidecar.lab.space import Process
from sidecar.lab.topology import Node

PASSPHRASE = "only for tests"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
UP = '#!/bin/sh\nexec ip addr add "$2/32" dev "$1"\n'
HERE = {"PATH": PATH, "PYTHONPATH": str(Path(__file__).parents[1])}
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
    env = HERE | {"CARP_KUBERNETES": "off"}
    env |= {"CARP_VHID": str(service.vhid), "CARP_ADDRESSES": service.address, "CARP_PASSPHRASE_FILE": keys}
    return [*prefix, sys.executable, "-m", "sidecar", do], env | settings


def sidecar_of_many(node: Node, log: Path, services: Mapping[Service, Mapping[str, object]]) -> Process:
    """`carp-sidecar run` with a file: each service as a virtual host with its own settings; no NTP server."""
    keys = node.write("/run/passphrase", f"{PASSPHRASE}\n", 0o600)
    vhosts = [
        {"vhid": one.vhid, "addresses": one.address, "interface": "eth0", "passphrase_file": keys, **settings}
        for one, settings in services.items()
    ]
    config = node.write("/run/carp.yaml", yaml.safe_dump({"ntp": "off", "kubernetes": "off", "vhosts": vhosts}))
    return node.spawn([sys.executable, "-m", "sidecar", "run"], log=log, env=HERE | {"CARP_CONFIG": config})


def ucarp(node: Node, log: Path, service: Service, *, advskew: int, advbase: int = 1) -> Process:
    """ucarp, preempting, with scripts that add and remove the address."""
    return ucarps(node, log, [service], advskew=advskew, advbase=advbase)[0]


def ucarps(node: Node, log: Path, services: Sequence[Service], *, advskew: int, advbase: int = 1) -> list[Process]:
    """One a service. The scripts are written once: the first would run them while they are written again."""
    up, down = node.write("/run/up", UP, 0o755), node.write("/run/down", DOWN, 0o755)
    secret = node.write("/run/passphrase", f"{PASSPHRASE}\n", 0o600)
    argv = [shutil.which("ucarp", path=PATH) or "ucarp", "-i", "eth0", "-s", node.ipv4, "-o", secret]
    argv += ["-b", str(advbase), "-k", str(advskew), "-P", "-z", "-u", up, "-d", down]
    return [node.spawn([*argv, "-v", str(one.vhid), "-a", one.address], log=log) for one in services]


def keepalived(
    node: Node,
    log: Path,
    *services: Service,
    priority: int,
    interval: float,
    version: int,
    vmac: bool = False,
    password: str = "",
) -> Process:
    """keepalived, an instance a service; with real-time priority below a second, as its manual advises.

    ``password``: VRRP 2's, which it sends in plain text.
    """
    realtime = "  vrrp_rt_priority 10\n" * (interval < 1)
    secret = f"  authentication {{\n    auth_type PASS\n    auth_pass {password}\n  }}\n" * bool(password)
    instances = "".join(
        f"vrrp_instance v{one.vhid} {{\n  state BACKUP\n  interface eth0\n  virtual_router_id {one.vhid}\n"
        f"  priority {priority}\n  advert_int {interval:g}\n{secret}{'  use_vmac' * vmac}\n"
        f"  virtual_ipaddress {{\n    {one.address}/32\n  }}\n}}\n"
        for one in services
    )
    text = f"global_defs {{\n  vrrp_version {version}\n  router_id {node.name}\n{realtime}}}\n{instances}"
    config = node.write("/run/keepalived.conf", text)
    program = shutil.which("keepalived", path=PATH) or "keepalived"
    argv = [program, "-n", "-l", "-P", "-f", config, "-p", "/run/keepalived.pid", "-r", "/run/vrrp.pid"]
    return node.spawn(argv, log=log)
