"""What it costs to stand ready: processor time by the kernel's own account, memory, the time to start, many hosts.

Processor time is that of all threads and children (schedstat, nanoseconds), as a share of one core.
"""

import contextlib
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sidecar.lab.capture import Capture
from sidecar.lab.space import Process
from sidecar.lab.topology import Network, Node
from tests import rivals
from tests.bench.contenders import NUMBERS, Contender, sidecar
from tests.bench.stage import serve_time

WARM_SECONDS = 6.0


class Cost(NamedTuple):
    """Of one node: share of a core in per cent, and MiB (of the largest process, and of all together)."""

    contender: str
    role: str
    cpu: float
    rss: float
    rss_all: float


def idle(contender: Contender, seconds: float) -> list[Cost]:
    """A pair left alone: what the master and the backup cost."""
    with tempfile.TemporaryDirectory() as place, Network() as network:
        folder = Path(place)
        nodes = [network.add_node(f"node{rank + 1}", number) for rank, number in enumerate(NUMBERS)]
        for node in nodes:
            serve_time(node, folder)
        daemons = [contender.start(node, folder / f"{node.name}.log", rank) for rank, node in enumerate(nodes)]
        time.sleep(WARM_SECONDS + 4 * contender.interval)
        return costs(contender.key, ("master", "backup"), daemons, seconds)


def costs(key: str, roles: Iterable[str], daemons: list[Process], seconds: float) -> list[Cost]:
    """Watch running daemons for a while."""
    families = [family(daemon.pid) for daemon in daemons]
    before = [sum(map(busy, one)) for one in families]
    began = time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - began
    after = [sum(map(busy, one)) for one in families]
    shares = [(end - start) / passed * 100 for start, end in zip(before, after, strict=True)]
    memory = [[resident(pid) for pid in one] for one in families]
    return [
        Cost(key, role, share, max(sizes), sum(sizes)) for role, share, sizes in zip(roles, shares, memory, strict=True)
    ]


def family(pid: int) -> list[int]:
    """A process and all that it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in family(int(child)))]


def busy(pid: int) -> float:
    """Seconds that all threads of a process ran."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9


def resident(pid: int) -> float:
    """Its resident memory, MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


def start_seconds() -> float:
    """From the start of the command to its first advertisement, less the dead time that every daemon must wait."""
    skew = 1
    with tempfile.TemporaryDirectory() as place, Network() as network:
        node = network.add_node("node1", NUMBERS[0])
        with contextlib.closing(Capture(network.switch.pid, "br0", "ip proto 112")) as capture:
            wall = time.time()
            sidecar(0, (skew, skew), CARP_NTP="off")(node, Path(place) / "log", 0)
            while not capture.frames and time.time() < wall + 10:
                time.sleep(0.005)
            return capture.frames[0].time_ns / 1e9 - wall - 3 * skew / 256


class Hosts(NamedTuple):
    """Many virtual hosts in one process: its cost, and how late its timers were, seconds, for 99 of 100."""

    cost: Cost
    late_p99: float


def hosts(count: int, seconds: float) -> Hosts:
    """Many virtual hosts at 98 ms in one process, master of all."""
    with tempfile.TemporaryDirectory() as place, Network() as network:
        node = network.add_node("node1", NUMBERS[0])
        daemon = start_many(node, Path(place) / "log", count)
        time.sleep(WARM_SECONDS)
        (cost,) = costs(f"ours-{count}-hosts", ("master",), [daemon], seconds)
        return Hosts(cost, late_p99(node))


def start_many(node: Node, log: Path, count: int) -> Process:
    """carp-sidecar with so many virtual hosts, an address each."""
    keys = node.write("/run/passphrase", f"{rivals.PASSPHRASE}\n", 0o600)
    common = f"advbase: 0, advskew: 25, interface: eth0, passphrase_file: {keys}"
    rows = "".join(f"  - {{vhid: {vhid}, addresses: 10.77.1.{vhid}, {common}}}\n" for vhid in range(1, count + 1))
    config = node.write("/run/carp.yaml", f"ntp: off\nkubernetes: off\nvhosts:\n{rows}")
    env = {"PATH": rivals.PATH, "PYTHONPATH": str(Path(__file__).parents[2]), "CARP_CONFIG": config}
    return node.spawn([sys.executable, "-m", "sidecar", "run"], log=log, env=env)


def late_p99(node: Node) -> float:
    """From `/metrics`: the bucket that 99 of 100 of all timers were within."""
    asking = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8112/metrics').read().decode())"
    text = node.run([sys.executable, "-c", asking], check=True).stdout
    buckets: dict[float, float] = {}
    for line in text.splitlines():
        if line.startswith("carp_timer_lateness_seconds_bucket"):
            limit = float(line.partition('le="')[2].partition('"')[0])
            buckets[limit] = buckets.get(limit, 0.0) + float(line.rpartition(" ")[2])
    return min(limit for limit, within in buckets.items() if within >= 0.99 * buckets[float("inf")])
