"""What runs on the nodes, and exactly how it is started: chronyd, `carp-sidecar run`, ucarp.

Each is the real program with an ordinary configuration; `lab exec NODE -- cat /run/lab/...` shows it.
"""

import os
import sys
from pathlib import Path

import yaml

from sidecar.lab.plan import Member, Plan
from sidecar.lab.space import Process, SpaceError
from sidecar.lab.topology import Node

CHRONY_CONF = "/run/chrony/chrony.conf"  # where distributions' AppArmor profiles let chronyd read and write
CHRONY_COMMON = "allow\nuser root\npidfile /run/chrony/chronyd.pid\ncmdport 0\n"
PASSPHRASE = "/run/lab/passphrase"
CONFIG = "/run/lab/carp-sidecar.yaml"
HTTP_PORT = 8112
PROGRAMS = {"chronyd": "chrony", "ip": "iproute2", "tcpdump": "tcpdump", "ucarp": "ucarp"}  # and their packages
UCARP_UP = '#!/bin/sh\n# ucarp calls: INTERFACE ADDRESS\nexec ip address add "$2/32" dev "$1"\n'
UCARP_DOWN = '#!/bin/sh\nip address del "$2/32" dev "$1" 2>/dev/null\nexit 0\n'


def clean_environment() -> dict[str, str]:
    """This process's environment without anybody's CARP_* settings."""
    return {key: value for key, value in os.environ.items() if not key.startswith("CARP_")}


def python_environment() -> dict[str, str]:
    """The same, in which `python -m sidecar` finds this very package from any folder."""
    parent = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, [parent, os.environ.get("PYTHONPATH")]))
    return clean_environment() | {"PYTHONPATH": path}


def start_chrony(node: Node, log: Path, *, reference: str | None = None) -> Process:
    """A chronyd that never touches the clock (`-x`): the upstream itself, or a follower of its address `reference`."""
    source = f"server {reference} iburst minpoll -2 maxpoll -1\n" if reference else "local stratum 1\n"
    node.path("/run/chrony").mkdir(mode=0o750, exist_ok=True)
    node.write(CHRONY_CONF, source + CHRONY_COMMON)
    return node.spawn(["chronyd", "-x", "-d", "-f", CHRONY_CONF], log=log)


def start_member(node: Node, member: Member, plan: Plan, passphrase: str, log: Path) -> Process:
    """The node's CARP daemon: carp-sidecar, or ucarp."""
    node.write(PASSPHRASE, passphrase + "\n", 0o600)
    if member.ucarp:
        return node.spawn(ucarp_command(node, member, plan), log=log)
    return node.spawn(sidecar_command(), log=log, env=sidecar_environment(node, member, plan))


def sidecar_command(subcommand: str = "run") -> list[str]:
    installed = Path(sys.executable).with_name("carp-sidecar")
    return [str(installed), subcommand] if installed.exists() else [sys.executable, "-m", "sidecar", subcommand]


def sidecar_environment(node: Node, member: Member, plan: Plan) -> dict[str, str]:
    """The settings of `carp-sidecar run`: the short form for one virtual host, a file for several."""
    settings = {"CARP_HTTP": f"127.0.0.1:{HTTP_PORT}", "CARP_KUBERNETES": "off", "CARP_LOG": "text"}
    if len(plan.vhosts) == 1:
        settings |= {
            "CARP_INTERFACE": "eth0",
            "CARP_VHID": str(plan.vhosts[0].vhid),
            "CARP_ADDRESSES": ",".join(plan.vhosts[0].addresses),
            "CARP_ADVSKEW": str(member.advskews[0]),
            "CARP_PASSPHRASE_FILE": PASSPHRASE,
        }
    else:
        node.write(CONFIG, yaml.safe_dump(vhosts_file(member, plan), sort_keys=False))
        settings["CARP_CONFIG"] = CONFIG
    return python_environment() | settings


def vhosts_file(member: Member, plan: Plan) -> dict[str, object]:
    vhosts = [
        {
            "vhid": vhost.vhid,
            "interface": "eth0",
            "addresses": list(vhost.addresses),
            "advskew": advskew,
            "passphrase_file": PASSPHRASE,
        }
        for vhost, advskew in zip(plan.vhosts, member.advskews, strict=True)
    ]
    return {"vhosts": vhosts}


def ucarp_command(node: Node, member: Member, plan: Plan) -> list[str]:
    up, down = node.write("/run/lab/up.sh", UCARP_UP, 0o755), node.write("/run/lab/down.sh", UCARP_DOWN, 0o755)
    vhost = plan.vhosts[0]
    fixed = ["--interface=eth0", f"--srcip={node.ipv4}", f"--passfile={PASSPHRASE}", "--advbase=1", "--preempt"]
    ours = [f"--vhid={vhost.vhid}", f"--addr={vhost.addresses[0]}", f"--advskew={member.advskews[0]}"]
    return ["ucarp", *fixed, *ours, f"--upscript={up}", f"--downscript={down}", "--shutdown"]


def check_programs(plan: Plan, have: "set[str]") -> None:
    """Raise `SpaceError` naming what is not installed. `have`: the commands found on this machine."""
    needed = dict(PROGRAMS)
    if not any(member.ucarp for member in plan.members):
        del needed["ucarp"]
    missing = " ".join(sorted({package for command, package in needed.items() if command not in have}))
    if missing:
        raise SpaceError(f"the lab needs programs that are not installed: sudo apt-get install {missing}")
