"""Where a running lab of this user is found, and how it is ended for certain.

A private folder holds the control socket, a state file and the logs. The state file names the process whose end is the
end of everything, with its start time, so that a reused process number is never killed.
"""

import json
import os
import shutil
import signal
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from sidecar.errors import SidecarError

END_SECONDS = 15.0
ADVICE = "set XDG_RUNTIME_DIR to a folder of yours"


class StateError(SidecarError):
    """The lab's folder cannot be used."""


@dataclass(frozen=True)
class Owner:
    """The process that holds the lab: while it runs the lab runs."""

    pid: int
    started: int  # clock ticks after boot, as /proc tells
    boot: str

    def runs(self) -> bool:
        return self.boot == boot_id() and started_at(self.pid) == self.started


class State:
    """The lab folder of this user: `$XDG_RUNTIME_DIR` or else /tmp, so it goes with the machine's next start."""

    def __init__(self, folder: Path | None = None) -> None:
        base = Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp")  # noqa: S108 - a private folder in it, checked
        self.folder = folder or base / f"carp-sidecar-lab-{os.getuid()}"
        self.socket = self.folder / "control.sock"
        self.logs = self.folder / "logs"
        self._file = self.folder / "lab.json"

    def create(self) -> None:
        """Make the folder afresh. Raises `StateError` when somebody else's is in its place."""
        self.remove()
        try:
            self.folder.mkdir(mode=0o700, parents=False)
            self.logs.mkdir(mode=0o700)
        except OSError as error:
            raise StateError(f"cannot make {self.folder}: {error.strerror}; {ADVICE}") from error

    def exists(self) -> bool:
        """Whether there is a folder. Raises `StateError` if it is not this user's own: in /tmp anybody may make one."""
        try:
            found = self.folder.lstat()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StateError(f"cannot look at {self.folder}: {error.strerror}; {ADVICE}") from error
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise StateError(f"{self.folder} belongs to somebody else; remove it or {ADVICE}")
        return True

    def record(self, pid: int) -> None:
        """Note the process that holds the lab."""
        self._file.write_text(json.dumps({"pid": pid, "started": started_at(pid), "boot": boot_id()}))

    def owner(self) -> Owner | None:
        """The process that holds the lab if it still runs."""
        if not self.exists():
            return None
        try:
            said = json.loads(self._file.read_text())
            owner = Owner(int(said["pid"]), int(said["started"]), str(said["boot"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return owner if owner.runs() else None

    def end(self) -> None:
        """Make sure that nothing runs any more, and remove the folder. May be repeated."""
        owner = self.owner()
        deadline = time.monotonic() + END_SECONDS
        if owner is not None:
            os.kill(owner.pid, signal.SIGKILL)
        while owner is not None and owner.runs() and time.monotonic() < deadline:
            time.sleep(0.02)
        self.remove()

    def wait_for_end(self, timeout: float) -> bool:
        """Whether the lab's process ends by itself within `timeout` seconds."""
        owner = self.owner()
        deadline = time.monotonic() + timeout
        while owner is not None and owner.runs():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def remove(self) -> None:
        if self.exists():
            shutil.rmtree(self.folder)


def started_at(pid: int) -> int | None:
    """When a process started (clock ticks after boot); None if there is none, or only its zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
