"""A crowd of notice boards against one API server, and what the server says that it costs.

Most are threads of a few processes (1.3 MiB each instead of 46), some are the real process with the real socket to its
parent; all are asked and told in the same way.
"""

import contextlib
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.chart.render import CHART, LEAST, POLICY, Rendered, helm
from tests.e2e.api.plane import Plane
from tests.e2e.api.town import ACCOUNT, Town
from tests.runtime import kube_child
from tests.runtime.kube_child import Child, vhost

A_PROCESS = 100
USED = ("pods", "nodes", "daemonsets", "events")


def settle(town: Town, folder: Path, count: int) -> None:
    """``count`` pods on as many nodes, settled, each with its own token; and the chart's admission policies."""
    bind(town)
    mark = {"metadata": {"annotations": {"carp-sidecar.io/settled": "abc.1"}}}
    town.plane.merge(town.daemonset, {"metadata": {"annotations": {"deprecated.daemonset.template.generation": "1"}}})
    steady = dict.fromkeys(("desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled"), count)
    town.status(**steady, observedGeneration=1, numberAvailable=1, numberReady=1, numberMisscheduled=0)

    def make(number: int) -> None:
        name, node = f"carp-{number}", f"{town.namespace}-{number}"
        town.add_node(node)
        town.add_pod(name, node)
        town.plane.merge(f"{town.pods}/{name}", mark)
        own = town.credentials(folder / str(number), name)
        (own / "uid").write_text(town.pod(name)["metadata"]["uid"])

    folder.mkdir()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make, range(count)))


def bind(town: Town) -> None:
    """The chart's policies: every patch is judged by them, as in a real cluster."""
    names = ("--set", f"serviceAccount.name={ACCOUNT}", "--kube-version", "1.34.0", "--api-versions", POLICY)
    done = helm("template", "ntp", str(CHART), "-n", town.namespace, *names, *LEAST)
    assert done.returncode == 0, done.stderr
    for kind, plural in (
        ("ValidatingAdmissionPolicy", "validatingadmissionpolicies"),
        ("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings"),
    ):
        for one in Rendered(done.stdout).all(kind):
            town.plane.ask("POST", f"/apis/admissionregistration.k8s.io/v1/{plural}", one)


@dataclass
class Gathering:
    """Threads by the hundred, and real processes."""

    count: int
    processes: list["subprocess.Popen[str]"]
    real: list[Child]

    def tell(self, role: str) -> None:
        for process in self.processes:
            self._say(process, role)
        for child in self.real:
            child.tell(vhost(role, interval_s=1.0))

    def _say(self, process: "subprocess.Popen[str]", word: str) -> None:
        assert process.stdin is not None
        process.stdin.write(f"{word}\n")
        process.stdin.flush()

    def _ask(self, word: str) -> int:
        for process in self.processes:
            self._say(process, word)
        for child in self.real:
            child.hear()
        return sum(int(process.stdout.readline()) for process in self.processes if process.stdout is not None)

    def right(self) -> int:
        """How many have shown what they were told."""
        return self._ask("count") + sum(child.hints.written == child.number for child in self.real)

    def errors(self) -> int:
        """Requests that failed since the start."""
        return self._ask("errors") + sum(child.hints.errors for child in self.real)

    def until_all(self, seconds: float) -> float:
        """Until all have; seconds it took."""
        began = time.monotonic()
        while (right := self.right()) < self.count:
            assert time.monotonic() - began < seconds, f"{right} of {self.count} after {seconds} s"
            time.sleep(0.1)
        return time.monotonic() - began


@contextlib.contextmanager
def gathered(town: Town, folder: Path, count: int, real: int) -> Iterator[Gathering]:
    """``count`` boards, the last ``real`` of them real processes."""
    with contextlib.ExitStack() as held:
        processes = []
        for first in range(0, count - real, A_PROCESS):
            words = [str(folder), str(first), str(min(A_PROCESS, count - real - first)), town.plane.url, town.namespace]
            command = [sys.executable, "-m", "tests.e2e.api.crowd", *words]
            processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            held.callback(_end, processes[-1])
        children = [
            held.enter_context(
                kube_child.running(
                    town.plane.url, folder / str(number), town.namespace, f"carp-{number}",
                    (folder / str(number) / "uid").read_text(),
                )
            )
            for number in range(count - real, count)
        ]  # fmt: skip
        yield Gathering(count, processes, children)


def _end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


def metrics(plane: Plane, seconds: float = 60.0) -> str:
    """The server's; a busy one may not answer at once."""
    until = time.monotonic() + seconds
    while True:
        try:
            return plane.raw("GET", "/metrics").decode()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def requests(plane: Plane) -> dict[str, float]:
    """Requests served, by verb and resource, of what notice boards use; refusals besides."""
    found: dict[str, float] = {}
    for line in metrics(plane).splitlines():
        known = re.match(r'apiserver_request_total\{code="(\d+)",.*resource="(\w+)".*verb="(\w+)".*\} (\S+)', line)
        if known and known[2] in USED:
            refused = f" {known[1]}" if known[1] >= "300" else ""
            key = f"{known[3]} {known[2]}{refused}"
            found[key] = found.get(key, 0.0) + float(known[4])
    return found


def cpu(plane: Plane) -> float:
    """Seconds of processor time that etcd and the API server have used."""
    spent = [Path(f"/proc/{one.pid}/stat").read_text().rpartition(")")[2].split()[11:13] for one in plane.processes]
    return sum(int(user) + int(system) for user, system in spent) / os.sysconf("SC_CLK_TCK")


def resident(plane: Plane) -> float:
    """MiB of etcd and the API server."""
    texts = (Path(f"/proc/{one.pid}/status").read_text() for one in plane.processes)
    return sum(int(text.split("VmRSS:")[1].split()[0]) for text in texts) / 1024


@dataclass
class Meter:
    """What the server served while it ran: in all, and in its busiest moment."""

    plane: Plane
    every: float = 1.0
    """Seconds between two looks, each of which costs the server some 50 ms."""
    since_start: bool = False
    """Count from the start of the server instead of from now."""
    samples: list[tuple[float, float]] = field(default_factory=list)
    _before: dict[str, float] = field(default_factory=dict)
    _cpu: float = 0.0
    _end: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Meter":
        if not self.since_start:
            self._before, self._cpu = requests(self.plane), cpu(self.plane)
        self.samples = [(time.monotonic(), sum(self._before.values()))]
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()
        return self

    def _sample(self) -> None:
        while not self._end.wait(self.every):
            with contextlib.suppress(OSError):  # a server that is starved is looked at again later
                found = sum(requests(self.plane).values())
                self.samples.append((time.monotonic(), found))

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        after = requests(self.plane)
        self.samples.append((time.monotonic(), sum(after.values())))
        served = {key: count - self._before.get(key, 0.0) for key, count in sorted(after.items())}
        self.served = {key: int(count) for key, count in served.items() if count}
        self.seconds = self.samples[-1][0] - self.samples[0][0]
        self.cores = (cpu(self.plane) - self._cpu) / self.seconds

    @property
    def asked(self) -> int:
        """Requests other than watches."""
        return sum(count for key, count in self.served.items() if not key.startswith("WATCH"))

    @property
    def busiest(self) -> float:
        """Requests a second, watches included, in the busiest moment."""
        pairs = zip(self.samples[:-1], self.samples[1:], strict=True)
        return max((after[1] - before[1]) / max(after[0] - before[0], 0.5) for before, after in pairs)
