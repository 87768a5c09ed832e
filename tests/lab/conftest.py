"""The laboratory is tested with its real parts: namespaces, chronyd, ucarp, carp-sidecar. All of it ends by itself.

Started without CAP_SYS_ADMIN (outside `make test`), what needs it is skipped with the reason.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sidecar.lab.space import may_unshare
from sidecar.lab.topology import Network

NOBODY_IN_PARTICULAR = 54321
CHECKOUT = Path(__file__).resolve().parents[2]


def wait_until(true: Callable[[], object], seconds: float = 10.0) -> None:
    """Give something real the time it needs; fails if it does not come true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


def marked(mark: str) -> list[int]:
    """Every process that inherited this mark in its environment, wherever it is."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and mark.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
    return found


def commands_with(mark: str, words: str) -> list[int]:
    """Those of them whose command line contains `words`."""
    found = []
    for pid in marked(mark):
        with contextlib.suppress(OSError):
            if words.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def send(pids: Sequence[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


@dataclass
class Person:
    """Somebody who types commands: `prefix` makes who it is, `python` an interpreter that this somebody may run."""

    prefix: Sequence[str] = ()
    python: str = sys.executable
    mark: str = field(default_factory=lambda: f"LAB_TEST_MARK={uuid.uuid4().hex}")
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, module: str, *arguments: str) -> list[str]:
        return [*self.prefix, self.python, "-m", module, *arguments]

    def env(self) -> dict[str, str]:
        key, _, value = self.mark.partition("=")
        paths = [str(CHECKOUT), *(path for path in sys.path if path.endswith("site-packages"))]
        fixed = {"PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1", key: value, "COLUMNS": "400"}
        inherited = {name: text for name, text in os.environ.items() if not name.startswith(("COV_", "CARP_"))}
        return inherited | fixed | self.environment

    def run(self, module: str, *arguments: str, timeout: float = 60) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(module, *arguments),
            env=self.env(),
            cwd="/",
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def lab(self, *arguments: str, timeout: float = 60) -> "subprocess.CompletedProcess[str]":
        return self.run("sidecar.lab", *arguments, timeout=timeout)


@pytest.fixture
def me(tmp_path: Path) -> Iterator[Person]:
    """Whoever runs the tests, with a lab folder of its own; nothing of it may be left at the end."""
    person = Person(environment={"XDG_RUNTIME_DIR": str(tmp_path)})
    yield person
    went_down(person)


@pytest.fixture
def somebody() -> Iterator[Person]:
    """An ordinary user without any privilege, where the kernel lets such a one make namespaces."""
    person = ordinary()
    with tempfile.TemporaryDirectory(prefix="lab-test-") as folder:  # pytest closes its own folders to others
        Path(folder).chmod(0o777)
        person.environment |= {"XDG_RUNTIME_DIR": folder, "HOME": folder}
        yield person
        went_down(person)


def went_down(person: Person) -> None:
    """Whatever a test left running is removed, and nothing is left."""
    done = person.lab("down")
    wait_until(lambda: not marked(person.mark))
    assert done.returncode == 0, done.stderr


def ordinary() -> Person:
    if "4294967295" not in Path("/proc/self/uid_map").read_text():
        return Person()  # this whole test run is an ordinary user's, in its user namespace
    real = ["setpriv", f"--reuid={NOBODY_IN_PARTICULAR}", f"--regid={NOBODY_IN_PARTICULAR}", "--clear-groups"]
    powerless = ["setpriv", "--bounding-set=-all,+setfcap", "--inh-caps=-all", "--ambient-caps=-all"]
    probe = (  # the servers that `make setup` unpacked may lie in a home that is closed to others
        "import shutil, subprocess, rich, yaml; shutil.which('chronyd') or exit('cannot run chronyd');"
        "raise SystemExit(subprocess.call(['unshare', '-Urnpf', 'true']))"
    )
    candidates = [Person(python=sys.executable)] if not may_unshare() else []
    candidates += [Person([*real, "env"], python) for python in (sys.executable, "/usr/bin/python3")]
    candidates += [Person([*powerless, "env"])]  # the checkout or the servers are root's alone: root without powers
    said = ""
    for person in candidates:
        tried = subprocess.run(
            [*person.prefix, person.python, "-c", probe], env=person.env(), capture_output=True, text=True, check=False
        )
        if tried.returncode == 0:
            return person
        said = tried.stderr.strip()
    pytest.skip(f"no ordinary user can make namespaces here: {said}")


@pytest.fixture
def network() -> Iterator[Network]:
    if not may_unshare():
        pytest.skip("needs root or `make test` (python -m sidecar.lab.sandbox)")
    with Network() as made:
        yield made
