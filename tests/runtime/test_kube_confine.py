"""What the notice board may not do, seen from outside of a process that has confined itself."""

import subprocess
import sys

CONFINED = "import os; from sidecar.kube.confine import MEMORY, confine; confine(os.getppid()); "


def confined(script: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", CONFINED + script], capture_output=True, text=True, check=False)


def test_the_kernel_takes_it_first_when_memory_runs_out() -> None:
    assert confined("print(open('/proc/self/oom_score_adj').read())").stdout.strip() == "1000"


def test_who_eats_memory_ends_before_the_container_is_full() -> None:
    done = confined("eaten = [bytearray(1 << 20) for _ in range(MEMORY >> 20)]")
    assert done.returncode == 1
    assert "MemoryError" in done.stderr


def test_it_has_the_memory_that_it_needs() -> None:
    done = confined("eaten = [bytearray(1 << 20) for _ in range(100)]")
    assert done.returncode == 0, done.stderr
