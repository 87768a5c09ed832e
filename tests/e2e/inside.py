"""Inside a member: the processes of its containers as this machine sees them, and what the daemon says of itself."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.cluster import Cluster, ClusterError
from tests.e2e.cluster.shell import in_network, run, wait_for
from tests.e2e.product import Product

SIDECAR, NTP = "carp", "ntp"
STATUS_URL = "http://127.0.0.1:8112/status"
ASK = f"""
import sys, urllib.request
try: print(urllib.request.urlopen({STATUS_URL!r}, timeout=3).read().decode())
except OSError as error: sys.exit(str(error))
"""
EATERS = """
import os, sys, time
with open(sys.argv[1], "w") as group:
    group.write(str(os.getpid()))
for _ in range(100):
    if os.fork() == 0:
        eaten = b"x" * (8 << 20)
        break
time.sleep(60)
"""
"""Many that take a little memory each: the kernel kills the largest of a group first."""
BOARD_WORDS = b"sidecar.kube"
SOUND_SECONDS = 120.0


@dataclass(frozen=True)
class Member:
    """The pod on one node. Everything is looked up anew each time: containers come and go."""

    product: Product
    node: str

    @property
    def cluster(self) -> Cluster:
        return self.product.cluster

    @property
    def pod(self) -> dict[str, Any]:
        """As the API shows it."""
        found = [pod for pod in self.product.pods() if pod["spec"]["nodeName"] == self.node]
        if len(found) != 1:
            raise ClusterError(f"{len(found)} pods on {self.node}")
        return found[0]

    def container(self, name: str) -> dict[str, Any]:
        """The status of one of its containers."""
        status = self.pod["status"]
        every = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
        found: dict[str, Any] = next(one for one in every if one["name"] == name)
        return found

    def status(self) -> dict[str, Any]:
        """What `/status` says. Raises `ClusterError` when nobody answers."""
        namespace = self.cluster.node(self.node).namespace
        said: dict[str, Any] = json.loads(run([*in_network(namespace), sys.executable, "-c", ASK]).stdout)
        return said

    def vhost(self) -> dict[str, Any]:
        """Its only virtual host in `/status`."""
        found: dict[str, Any] = self.status()["vhosts"][0]
        return found

    # ------------------------------------------------------------------------------------------------ processes

    def memory_group(self, name: str) -> Path:
        """The container's control group that limits its memory."""
        identity = self.container(name).get("containerID", "").rpartition("/")[2]
        found = list(self.cluster.node(self.node).groups["memory"].rglob(identity)) if identity else []
        if len(found) != 1:
            raise ClusterError(f"container {name} on {self.node} does not run")
        return found[0]

    def processes(self, name: str) -> list[int]:
        """The processes of a container, by their numbers on this machine."""
        return sorted(int(pid) for pid in (self.memory_group(name) / "cgroup.procs").read_text().split())

    def main(self, name: str) -> int:
        """Process 1 of a container: of the sidecar, the election's."""
        return next(pid for pid in self.processes(name) if in_namespaces(pid)[-1] == 1)

    def starve(self) -> None:
        """Fill the sidecar's control group until the kernel has killed the election."""
        election, group = self.main(SIDECAR), self.memory_group(SIDECAR)
        words = [sys.executable, "-c", EATERS, str(group / "cgroup.procs")]
        with subprocess.Popen(words, start_new_session=True) as eaters:
            try:
                wait_for("the kernel to kill the election", lambda: not words_of(election), 30)
            finally:
                os.killpg(eaters.pid, signal.SIGKILL)

    def board(self) -> int:
        """The notice board. Raises `ClusterError` when there is none."""
        found = self.boards()
        if len(found) != 1:
            raise ClusterError(f"{len(found)} notice boards on {self.node}")
        return found[0]

    def boards(self) -> list[int]:
        """The notice boards that run: one, or none for a moment."""
        return [pid for pid in self.processes(SIDECAR) if BOARD_WORDS in words_of(pid)]

    def wait_for_another_board(self, than: int, seconds: float = 30.0) -> float:
        """Until a notice board other than `than` has shown the role to the API; the seconds that it took."""
        began = time.monotonic()
        wait_for("another notice board", lambda: set(self.boards()) - {than}, seconds)
        wait_for("it to show the role", lambda: self.status()["kubernetes"]["lag_s"] == 0, seconds)
        return time.monotonic() - began


def members(product: Product) -> dict[str, Member]:
    """Every member, by its node."""
    return {node: Member(product, node) for node in product.cluster.nodes}


def elections(product: Product) -> dict[str, Any]:
    """Every change of state that the members remember: equal before and after when no election was touched."""
    return {node: member.vhost()["transitions"] for node, member in members(product).items()}


def dead_seconds(product: Product, without: str) -> float:
    """Silence after which the best of the members but one takes over, by what they say of themselves."""
    others = [member.vhost() for node, member in members(product).items() if node != without]
    seconds: list[float] = [3.0 * one["advbase"] + one["effective_advskew"] / 256 for one in others]
    return min(seconds)


def wait_until_sound(product: Product, seconds: float = SOUND_SECONDS) -> None:
    """Until no member is demoted (one whose NTP server has just started is, for a while) and the best one is master."""
    wait_for("the best of sound members to be master", lambda: _is_sound(product), seconds, 0.5)


def _is_sound(product: Product) -> bool:
    with suppress(ClusterError):
        every = [member.vhost() for member in members(product).values()]
        best = min(vhost["effective_advskew"] for vhost in every)
        masters = [vhost["effective_advskew"] for vhost in every if vhost["state"] == "MASTER"]
        return masters == [best] and not any(vhost["demotion"]["total"] for vhost in every)
    return False


def words_of(pid: int) -> bytes:
    """Its command line; nothing when it has ended."""
    with suppress(OSError):
        return (Path("/proc") / str(pid) / "cmdline").read_bytes()
    return b""


def in_namespaces(pid: int) -> list[int]:
    """The process's number in each of its process namespaces, outermost first."""
    return [int(word) for word in proc_status(pid)["NSpid"].split()]


def proc_status(pid: int) -> dict[str, str]:
    """`/proc/PID/status`."""
    lines = (Path("/proc") / str(pid) / "status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def started_at(pid: int) -> float:
    """When a process began, in Unix seconds."""
    ticks = float((Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[19])
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return booted + ticks / os.sysconf("SC_CLK_TCK")
