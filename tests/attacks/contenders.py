"""Who is flooded: each a function that starts one daemon for one address on a node, the better node first."""

import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from sidecar.lab.space import Process
from sidecar.lab.topology import Node
from tests.attacks.flood import ADDRESS, VHID, Start
from tests.attacks.products import DOWN, PASSPHRASE, PATH, UP


class Contender(NamedTuple):
    """``interval`` between the master's advertisements and ``dead`` time of the backup, in seconds."""

    title: str
    interval: float
    dead: float
    starts: tuple[Start, Start]


def sidecar(advbase: int, advskew: int, replay: str = "compat") -> Start:
    """carp-sidecar."""

    def start(node: Node, log: Path) -> Process:
        keys = node.write("/run/passphrase", f"{PASSPHRASE}\n", 0o600)
        settings = {"VHID": str(VHID), "ADDRESSES": ADDRESS, "PASSPHRASE_FILE": keys, "ADVBASE": str(advbase)}
        settings |= {"ADVSKEW": str(advskew), "NTP": "off", "KUBERNETES": "off", "REPLAY": replay}
        env = {"PATH": PATH, "PYTHONPATH": str(Path(__file__).parents[2])}
        env |= {f"CARP_{key}": value for key, value in settings.items()}
        return node.spawn([sys.executable, "-m", "sidecar", "run"], log=log, env=env)

    return start


def ucarp(advskew: int) -> Start:
    """ucarp at advbase 1."""

    def start(node: Node, log: Path) -> Process:
        up, down = node.write("/run/up", UP, 0o755), node.write("/run/down", DOWN, 0o755)
        secret = node.write("/run/passphrase", f"{PASSPHRASE}\n", 0o600)
        argv = [shutil.which("ucarp", path=PATH) or "ucarp", "-i", "eth0", "-s", node.ipv4, "-o", secret, "-b", "1"]
        argv += ["-v", str(VHID), "-a", ADDRESS, "-k", str(advskew), "-P", "-z", "-u", up, "-d", down]
        return node.spawn(argv, log=log)

    return start


def keepalived(priority: int, interval: float) -> Start:
    """keepalived with VRRP 3, and real-time priority as its manual advises for short intervals."""

    def start(node: Node, log: Path) -> Process:
        config = node.write(
            "/run/keepalived.conf",
            "global_defs {\n  vrrp_version 3\n  vrrp_rt_priority 10\n}\n"
            f"vrrp_instance v {{\n  state BACKUP\n  interface eth0\n  virtual_router_id {VHID}\n  priority {priority}\n"
            f"  advert_int {interval}\n  virtual_ipaddress {{\n    {ADDRESS}/32 dev eth0\n  }}\n}}\n",
        )
        program = shutil.which("keepalived", path=PATH) or "keepalived"
        argv = [program, "-n", "-l", "-P", "-f", config, "-p", "/run/keepalived.pid", "-r", "/run/vrrp.pid"]
        return node.spawn(argv, log=log)

    return start


SLOW = Contender("carp-sidecar, 1 s", 1.0, 3.0, (sidecar(1, 0), sidecar(1, 20)))
SAFE = Contender("carp-sidecar, 102 ms", 26 / 256, 0.305, (sidecar(0, 26), sidecar(0, 27)))
FAST = Contender("carp-sidecar, 20 ms", 5 / 256, 0.070, (sidecar(0, 5), sidecar(0, 6)))
UCARP = Contender("ucarp, 1 s", 1.0, 3.0, (ucarp(0), ucarp(20)))
KEEPALIVED = Contender("keepalived, 10 ms", 0.01, 0.036, (keepalived(150, 0.01), keepalived(100, 0.01)))
CONTENDERS = (SLOW, SAFE, FAST, UCARP, KEEPALIVED)
