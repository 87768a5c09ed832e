"""One line on this machine for each cluster: where its files are and which process uses it.

So the next start finds what a killed one left behind, and two runs never pull the ground from under each other.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sidecar.lab.state import Owner, boot_id, started_at
from tests.e2e.cluster.layout import ClusterError, Layout

FOLDER = Path("/run/carp-sidecar-e2e")


class Register:
    """The line of the cluster `name`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._file = FOLDER / f"{name}.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else makes or removes clusters meanwhile."""
        descriptor = _lock()
        try:
            yield
        finally:
            os.close(descriptor)

    def write(self, layout: Layout) -> None:
        """This process uses the cluster from now on."""
        self._save({"folder": str(layout.folder), "boot": boot_id(), "pid": os.getpid(), "by": started_at(os.getpid())})

    def leave_standing(self) -> None:
        """Nobody uses it: it stands for whoever comes, and the next start may remove it."""
        self._save(self._read() | {"pid": 0})

    def _save(self, said: dict[str, object]) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(said))
        new.replace(self._file)

    def forget(self) -> None:
        self._file.unlink(missing_ok=True)
        with suppress(OSError):
            FOLDER.rmdir()

    def folder(self) -> Path | None:
        """Where the files of the cluster are or were."""
        return Path(str(found)) if (found := self._read().get("folder")) else None

    def is_of_this_boot(self) -> bool:
        return self._read().get("boot") == boot_id()

    def check_free(self) -> None:
        """Raises `ClusterError` when another process that runs uses this cluster."""
        said = self._read()
        owner = Owner(int(str(said.get("pid", 0))), int(str(said.get("by") or 0)), str(said.get("boot", "")))
        if owner.pid not in {0, os.getpid()} and owner.runs():
            raise ClusterError(
                f"cluster {self.name} is in use by process {owner.pid}: wait for it, end it, or choose another name"
            )

    def _read(self) -> dict[str, object]:
        try:
            said = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return {}
        return said if isinstance(said, dict) else {}


def _lock() -> int:
    """The locked folder, which the one before us may have removed meanwhile."""
    while True:
        FOLDER.mkdir(mode=0o755, exist_ok=True)
        descriptor = os.open(FOLDER, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with suppress(OSError):
            if FOLDER.stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        os.close(descriptor)
