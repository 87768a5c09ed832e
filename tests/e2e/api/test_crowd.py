"""Many notice boards at once against one real API server: what they cost, and that an outage is no stampede.

``CROWD`` says how many (100 when unset).
"""

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.api import town as towns
from tests.e2e.api.plane import Plane
from tests.e2e.api.town import Town

CROWD = int(os.environ.get("CROWD", "100"))
A_PROCESS = 100
AWAY = 60.0
STEADY = 240.0


@dataclass
class Crowd:
    """Processes of at most ``A_PROCESS`` boards."""

    processes: list["subprocess.Popen[str]"]

    def tell(self, word: str) -> None:
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write(f"{word}\n")
            process.stdin.flush()

    def ask(self, word: str) -> int:
        self.tell(word)
        return sum(int(process.stdout.readline()) for process in self.processes if process.stdout is not None)

    def until_all(self, seconds: float) -> float:
        began = time.monotonic()
        while (right := self.ask("count")) < CROWD:
            assert time.monotonic() - began < seconds, f"{right} of {CROWD} after {seconds} s"
            time.sleep(0.2)
        return time.monotonic() - began


@contextlib.contextmanager
def gathered(town: Town, folder: Path) -> Iterator[Crowd]:
    processes = []
    for first in range(0, CROWD, A_PROCESS):
        words = [str(folder), str(first), str(min(A_PROCESS, CROWD - first)), town.plane.url, town.namespace]
        command = [sys.executable, "-m", "tests.e2e.api.crowd", *words]
        processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    try:
        yield Crowd(processes)
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def requests(plane: Plane) -> dict[str, float]:
    """Requests served, by verb, of what notice boards use."""
    found: dict[str, float] = {}
    for line in plane.raw("GET", "/metrics").decode().splitlines():
        known = re.match(
            r'apiserver_request_total\{.*resource="(pods|nodes|daemonsets|events)".*verb="(\w+)".*\} (\S+)', line
        )
        if known:
            key = f"{known[2]} {known[1]}"
            found[key] = found.get(key, 0.0) + float(known[3])
    return found


def cpu(plane: Plane) -> float:
    """Seconds of processor time that etcd and the API server have used."""
    spent = [Path(f"/proc/{one.pid}/stat").read_text().rpartition(")")[2].split()[11:13] for one in plane.processes]
    return sum(int(user) + int(system) for user, system in spent) / os.sysconf("SC_CLK_TCK")


@pytest.mark.timeout(1200)
def test_a_crowd_costs_little_and_is_right_again_soon_after_an_outage(plane: Plane, tmp_path: Path) -> None:
    town = towns.found(plane)
    mark = {"carp-sidecar.io/settled": "abc.1"}
    plane.merge(town.daemonset, {"metadata": {"annotations": {"deprecated.daemonset.template.generation": "1"}}})
    steady = dict.fromkeys(("desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled"), CROWD)
    town.status(**steady, observedGeneration=1, numberAvailable=1, numberReady=1, numberMisscheduled=0)

    def make(number: int) -> None:
        town.add_node(f"{town.namespace}-{number}")
        town.add_pod(f"carp-{number}", f"{town.namespace}-{number}")
        plane.merge(f"{town.pods}/carp-{number}", {"metadata": {"annotations": mark}})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make, range(CROWD)))
    with gathered(town, town.credentials(tmp_path / "sa", "carp-0")) as crowd:
        crowd.tell("backup")
        print(f"\n{CROWD} boards: all right {crowd.until_all(300):.1f} s after the first notice")
        time.sleep(5)
        before, began, used = requests(plane), time.monotonic(), cpu(plane)
        time.sleep(STEADY)
        minutes = (time.monotonic() - began) / 60
        used = cpu(plane) - used
        served = {key: value - before.get(key, 0.0) for key, value in requests(plane).items()}
        asked = {key: count for key, count in served.items() if count and not key.startswith("WATCH")}
        rate = sum(asked.values()) / CROWD / minutes
        print(f"steady: {rate:.2f} requests a minute each, {asked}; API and etcd {used / minutes / 60:.3f} cores")
        assert 0.5 <= rate <= 2.0
        errors = crowd.ask("errors")
        plane.stop()
        time.sleep(AWAY / 2)
        crowd.tell("init")
        time.sleep(AWAY / 2)
        print(f"away {AWAY:.0f} s: {(crowd.ask('errors') - errors) / AWAY:.0f} failed attempts a second of all")
        plane.start()
        took = crowd.until_all(60)
        print(f"all labels right {took:.1f} s after the API was ready again")
        assert took <= 10 + CROWD / 50
