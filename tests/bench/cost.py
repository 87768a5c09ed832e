"""What it costs to stand ready: processor time by the kernel's own account, memory, the time to start, many hosts.

Processor time is that of all threads and children (schedstat, nanoseconds), as a share of one core.
"""

import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sidecar.lab.capture import Capture
from sidecar.lab.space import Process
from sidecar.lab.topology import Network, Node
from tests import rivals
from tests.bench.contenders import NUMBERS, SERVICE, Contender, sidecar, ucarp, vrrp_dead
from tests.bench.pairs import standing
from tests.bench.results import Cost, Hosts, Results

WARM_SECONDS = 6.0
UP_SECONDS = 60.0


def idle(contenders: Sequence[Contender], seconds: float, results: Results) -> None:
    """Pairs left alone: what the master and the backup cost."""
    with standing(contenders, "idle", results) as pairs:
        time.sleep(WARM_SECONDS)
        families = [[family(daemon.pid) for daemon in pair.daemons] for pair in pairs]
        before = [[busy_all(one) for one in both] for both in families]
        began = time.monotonic()
        time.sleep(seconds)
        passed = time.monotonic() - began
        after = [[busy_all(one) for one in both] for both in families]
        for pair, both, start, end in zip(pairs, families, before, after, strict=True):
            for role, processes, first, last in zip(("master", "backup"), both, start, end, strict=True):
                sizes = [resident(pid) for pid in processes]
                share = (last - first) / passed * 100
                results.idle.append(Cost(pair.contender.key, role, share, max(sizes), sum(sizes)))


def busy_all(pids: Sequence[int]) -> float:
    """Seconds that these processes ran."""
    return sum(map(busy, pids))


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


def sole_keepalived(node: Node, log: Path, _rank: int) -> Process:
    """keepalived with the shortest skew."""
    return rivals.keepalived(node, log, SERVICE, priority=255, interval=0.1, version=3)


STARTS: dict[str, tuple[Callable[[Node, Path, int], Process], float]] = {
    "carp-sidecar": (sidecar(0, (1, 1), CARP_NTP="off"), 3 / 256),
    "keepalived": (sole_keepalived, vrrp_dead(0.1, 255)),
    "ucarp": (ucarp, 3.0),
}
"""Who is started, and the dead time that it must wait by its protocol, in seconds."""


def start_seconds(start: Callable[[Node, Path, int], Process], waits: float) -> float:
    """From the start of the command to its first advertisement, less what its protocol makes it wait."""
    with tempfile.TemporaryDirectory() as place, Network() as network:
        node = network.add_node("node1", NUMBERS[0])
        with contextlib.closing(Capture(network.switch.pid, "br0", "ip proto 112")) as capture:
            wall = time.time()
            start(node, Path(place) / "log", 0)
            while not capture.frames:
                if time.time() > wall + waits + 10:
                    raise RuntimeError("no advertisement within ten seconds")
                time.sleep(0.005)
            return capture.frames[0].time_ns / 1e9 - wall - waits


def hosts(count: int, seconds: float) -> Hosts:
    """Many virtual hosts at 98 ms in one process, master of all."""
    with tempfile.TemporaryDirectory() as place, Network() as network:
        node, log = network.add_node("node1", NUMBERS[0]), Path(place) / "log"
        began = time.monotonic()
        daemon = start_many(node, log, count)
        while log.read_text().count("BACKUP -> MASTER") < count:
            if time.monotonic() > began + UP_SECONDS:
                raise RuntimeError(f"not all of {count} are master within {UP_SECONDS:.0f} s: {log.read_text()[-200:]}")
            time.sleep(0.1)
        up = time.monotonic() - began
        time.sleep(WARM_SECONDS)
        processes = family(daemon.pid)
        before, since, buckets = busy_all(processes), time.monotonic(), lateness(node)
        time.sleep(seconds)
        share = (busy_all(processes) - before) / (time.monotonic() - since) * 100
        return Hosts(count, share, max(map(resident, processes)), up, p99(buckets, lateness(node)))


def start_many(node: Node, log: Path, count: int) -> Process:
    """carp-sidecar with so many virtual hosts, an address each."""
    keys = node.write("/run/passphrase", f"{rivals.PASSPHRASE}\n", 0o600)
    common = f"advbase: 0, advskew: 25, interface: eth0, passphrase_file: {keys}"
    rows = "".join(f"  - {{vhid: {vhid}, addresses: 10.77.1.{vhid}, {common}}}\n" for vhid in range(1, count + 1))
    config = node.write("/run/carp.yaml", f"ntp: off\nkubernetes: off\nvhosts:\n{rows}")
    env = {"PATH": rivals.PATH, "PYTHONPATH": str(Path(__file__).parents[2]), "CARP_CONFIG": config}
    return node.spawn([sys.executable, "-m", "sidecar", "run"], log=log, env=env)


def lateness(node: Node) -> dict[float, float]:
    """From `/metrics`: how many of all timers were within each limit, seconds, so far."""
    asking = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8112/metrics').read().decode())"
    text = node.run([sys.executable, "-c", asking], check=True).stdout
    buckets: dict[float, float] = {}
    for line in text.splitlines():
        if line.startswith("carp_timer_lateness_seconds_bucket"):
            limit = float(line.partition('le="')[2].partition('"')[0])
            buckets[limit] = buckets.get(limit, 0.0) + float(line.rpartition(" ")[2])
    return buckets


def p99(before: dict[float, float], after: dict[float, float]) -> float:
    """The limit that 99 of 100 were within, of those between two looks: the start is not part of it."""
    told = {limit: count - before.get(limit, 0.0) for limit, count in after.items()}
    return min(limit for limit, within in told.items() if within >= 0.99 * told[float("inf")])
