"""Nothing is left of a cluster: not after it was taken down, and not of one whose maker was killed."""

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tests.e2e.cluster import Cluster
from tests.e2e.cluster.groups import left_over
from tests.e2e.cluster.network import NAMESPACES
from tests.e2e.cluster.shell import processes, wait_for

CHECKOUT = Path(__file__).parents[2]
NAME = "killed"


def traces(name: str) -> list[str]:
    """Everything on this machine that belongs to the cluster: processes, namespaces, control groups, mounts, files."""
    mark = f"carp-{name}"
    folder = Cluster(name=name).folder
    found = [str(path) for path in (*NAMESPACES.glob(f"{mark}-*"), *left_over(mark), folder) if path.exists()]
    found += [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if mark in line]
    for process in processes():
        with suppress(OSError):
            words, environment = ((process / file).read_bytes().decode("latin-1") for file in ("cmdline", "environ"))
            if str(folder) in words + environment or mark in words:
                found.append(words)
    return found


def test_down_leaves_nothing() -> None:
    with Cluster(name=NAME):
        assert traces(NAME)
    assert traces(NAME) == []


def test_what_a_killed_run_left_is_gone_after_the_next() -> None:
    script = f"from tests.e2e.cluster import Cluster\nwith Cluster(name={NAME!r}): raise SystemExit('was not killed')"
    run = subprocess.Popen([sys.executable, "-c", script], cwd=CHECKOUT)
    pids = Cluster(name=NAME).layout.pids
    wait_for("its nodes and its API server to start", lambda: len(list(pids.glob("*"))) >= 6, 60)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert traces(NAME)
    Cluster(name=NAME).down()
    assert traces(NAME) == []
