"""Control groups (version 1) of the nodes: one group a node in every hierarchy, below the group this process is in."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.cluster.shell import kill, wait_for

ROOT = Path("/sys/fs/cgroup")
NEEDED = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids")
RT_MICROSECONDS = 200_000


def hierarchies() -> dict[str, Path]:
    """Every mounted hierarchy by its controllers (`cpu`, `cpu,cpuacct`, `name=systemd`) and our own group in it."""
    found = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        mounted = ROOT / controllers.removeprefix("name=")
        if controllers and mounted.is_dir():
            own = mounted / path.lstrip("/")
            found[controllers] = own if own.is_dir() else mounted
    wanted = set(NEEDED) | {"name=systemd"}
    return {names: path for names, path in found.items() if wanted & set(names.split(","))}


def make(cluster: str, node: str) -> dict[str, Path]:
    """The node's groups, made if need be, by controllers."""
    made = {}
    for controllers, own in hierarchies().items():
        group = own / cluster / node
        for path in (group.parent, group):
            path.mkdir(exist_ok=True)
            _fill(path)
        made[controllers] = group
    return made


def _fill(group: Path) -> None:
    """A cpuset begins with no processor at all; a cpu group, where it is asked, with no real time."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if (group / name).exists() and not (group / name).read_text().strip():
            (group / name).write_text((group.parent / name).read_text())
    runtime = group / "cpu.rt_runtime_us"
    if runtime.exists():
        with contextlib.suppress(OSError):  # the group above may have none to give: programs fall back
            runtime.write_text(str(RT_MICROSECONDS))


def members(group: Path) -> set[int]:
    """The processes in a group and all below it."""
    return {
        int(pid)
        for procs in [group / "cgroup.procs", *group.rglob("cgroup.procs")]
        if procs.exists()
        for pid in procs.read_text().split()
    }


def remove_below(group: Path) -> None:
    """Remove all groups below one. A dead node's pods leave theirs, and the next kubelet would spend 3 s on each."""
    for folder, _, _ in os.walk(group, topdown=False):
        if Path(folder) != group:
            Path(folder).rmdir()


def left_over(cluster: str) -> Iterator[Path]:
    """The groups of a cluster, whoever made them and from within whatever group."""
    for folder, names, _ in os.walk(ROOT):
        if cluster in names:
            names.remove(cluster)
            yield Path(folder, cluster)


def remove(cluster: str) -> None:
    """End what runs in the cluster's groups and remove them."""
    groups = list(left_over(cluster))
    for group in groups:
        thaw(group)
    for pid in set().union(*map(members, groups)):
        kill(pid, signal.SIGKILL)
    wait_for("the control groups to be empty", lambda: not any(map(members, groups)), 30)
    for group in groups:
        remove_below(group)
        group.rmdir()


def thaw(group: Path) -> None:
    """Let everything below run: a frozen process cannot even be killed."""
    for state in group.rglob("freezer.state"):
        state.write_text("THAWED")
