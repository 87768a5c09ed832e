"""What this machine lacks for a cluster, found by trying it, each with what to do. Makes nothing that stays."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.e2e.cluster import groups
from tests.e2e.cluster.clock import CHRONYD_PATH
from tests.e2e.cluster.layout import SYSTEM_PATH, ClusterError, cache
from tests.e2e.cluster.shell import run

PROGRAMS = ("kubebox", "kubectl", "kubelet", "etcd", "pause", "helm", "helm4")
COMMANDS = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "ip": "iproute2",
    "iptables": "iptables",
    "openssl": "openssl",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "setsid": "util-linux",
    "buildah": "buildah",
    "mmdebstrap": "mmdebstrap",
    "tcpdump": "tcpdump",
    "python3": "python3",
}
CNI = Path("/usr/lib/cni/bridge")
MEMORY_MB = 2000
DISK_MB = 3000
NAMESPACES = [
    "unshare",
    "--mount",
    "--net",
    "--uts",
    "--ipc",
    "--cgroup",
    "--pid",
    "--fork",
    "--mount-proc",
    "sh",
    "-ec",
]
KERNEL = {
    "network, mount, process, host name and control group namespaces (root with CAP_SYS_ADMIN)": "true",
    "bridges (module bridge)": "ip link add br0 type bridge",
    "veth pairs (module veth)": "ip link add v0 type veth peer name v1",
    "macvlan (module macvlan)": "ip link add v0 type veth peer name v1; ip link add m0 link v0 type macvlan",
    "nat by iptables (modules nf_tables or ip_tables, nf_nat)": "iptables -w -t nat -A OUTPUT -d 192.0.2.1 -p tcp "
    "--dport 1 -j DNAT --to-destination 192.0.2.2:2",
    "overlayfs (module overlay)": 'm=$(mktemp -d); mount -t tmpfs t "$m"; mkdir "$m/l" "$m/u" "$m/w" "$m/o"; '
    'mount -t overlay -o "lowerdir=$m/l,upperdir=$m/u,workdir=$m/w" overlay "$m/o"; umount "$m/o" "$m"; rmdir "$m"',
}


def lacks() -> list[str]:
    """Everything that is missing, in the order in which it makes sense to mend it; empty when a cluster can be made."""
    if os.geteuid():
        return ["root: a cluster makes namespaces, mounts and control groups; run it as root"]
    checks: list[Callable[[], list[str]]] = [_commands, _programs, _kernel, _groups, _room]
    return [said for check in checks for said in check()]


def check() -> None:
    """Raises `ClusterError` naming everything that is missing."""
    if missing := lacks():
        raise ClusterError("this machine cannot run the cluster; it lacks:\n  - " + "\n  - ".join(missing))


def _commands() -> list[str]:
    missing = sorted({package for name, package in COMMANDS.items() if not shutil.which(name, path=SYSTEM_PATH)})
    missing += [] if CNI.exists() else ["containernetworking-plugins"]
    return [f"packages {' '.join(missing)}: run tools/kubernetes/packages"] if missing else []


def _programs() -> list[str]:
    missing = [name for name in PROGRAMS if not (cache() / "bin" / name).exists()]
    found = [f"{', '.join(missing)} in {cache()}/bin: run make e2e-build"] if missing else []
    return found if shutil.which("chronyd", path=CHRONYD_PATH) else [*found, "chronyd: run make setup"]


def _kernel() -> list[str]:
    found = []
    for what, script in KERNEL.items():
        tried = run([*NAMESPACES, script], check=False)
        if tried.returncode:
            said = " ".join((tried.stderr or tried.stdout).split())[-300:]
            found.append(f"the kernel's {what}: {said or f'exit code {tried.returncode}'}")
            if script == "true":
                break  # the others would say the same
    return found


def _groups() -> list[str]:
    known = {line.split()[0]: line.split() for line in Path("/proc/cgroups").read_text().splitlines()[1:]}
    mounted = {name for names in groups.hierarchies() for name in names.split(",")}
    found = []
    for name in groups.NEEDED:
        if name not in known or known[name][3] != "1":
            found.append(f"control group controller {name}: not in this kernel, or switched off at its start")
        elif name not in mounted:
            found.append(f"control group controller {name} of version 1, mounted at {groups.ROOT}/{name}")
    if found and Path(groups.ROOT, "cgroup.controllers").exists():
        found.append("control groups of version 1: this machine has version 2, which this harness does not know yet")
    return found


def _room() -> list[str]:
    memory = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable"))
    free = int(memory.split()[1]) // 1024
    place = cache()
    place.mkdir(parents=True, exist_ok=True)
    disk = shutil.disk_usage(place).free >> 20
    found = [f"memory: {free} MB available, {MEMORY_MB} MB needed"] if free < MEMORY_MB else []
    return found + ([f"disk: {disk} MB free at {place}, {DISK_MB} MB needed"] if disk < DISK_MB else [])
