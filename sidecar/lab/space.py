"""A private set of namespaces (network, mounts, processes, host name) and the processes in it.

The set lives exactly as long as its process 1 (`space_init.py`), which ends when this side's socket closes: nothing
that kills the owner, SIGKILL included, can leave any of it behind.
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from sidecar.errors import HostError

INIT = Path(__file__).with_name("space_init.py")
MESSAGE_MAX = 1 << 20
CAP_SYS_ADMIN = 21
START_SECONDS = 20.0


class SpaceError(HostError):
    """The kernel refused a namespace, or its process 1 is gone."""


class Process:
    """A process inside a space. `pid` is its number as seen from here; `fileno()` turns readable when it ends."""

    def __init__(self, space: "Space", argv: Sequence[str], inner_pid: int, pidfd: int) -> None:
        self.argv = list(argv)
        self.inner_pid = inner_pid
        self.pid = pid_of(pidfd)
        self._space = space
        self._pidfd = pidfd
        self.returncode: int | None = None

    def fileno(self) -> int:
        return self._pidfd

    def send_signal(self, number: int) -> None:
        """Deliver a signal; a process that has ended already is no error."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, number)

    def poll(self) -> int | None:
        """The exit code (negative: the signal that ended it), or None while it runs."""
        if self.returncode is None and readable(self._pidfd, 0):
            self.returncode = self._space.status_of(self)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end, at most `timeout` seconds; raises `subprocess.TimeoutExpired`."""
        readable(self._pidfd, timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(self.argv, timeout or 0)
        return code

    def stop(self, timeout: float = 5.0) -> int:
        """SIGTERM, then SIGKILL after `timeout` seconds; returns the exit code."""
        self.send_signal(signal.SIGTERM)
        if not readable(self._pidfd, timeout):
            self.send_signal(signal.SIGKILL)
        return self.wait(timeout)

    def __del__(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._pidfd)


def pid_of(pidfd: int) -> int:
    """The process number behind a pidfd, in this process's own pid namespace."""
    for line in Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines():
        if line.startswith("Pid:"):
            return int(line.split()[1])
    raise SpaceError("the kernel does not tell the process of a pidfd")


def readable(descriptor: int, timeout: float | None) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(None if timeout is None else max(0, timeout * 1000)))


def may_unshare() -> bool:
    """Whether this process may make namespaces without a user namespace of its own (CAP_SYS_ADMIN)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> CAP_SYS_ADMIN & 1)
    return False


class Space:
    """A set of private namespaces with its own /run, /proc and loopback (up). Use as a context manager, or `close()`.

    `user`: also a user namespace in which the caller is root (needed without CAP_SYS_ADMIN; only uid 0 is mapped).
    `keep`: directories below /run that stay visible. Raises `SpaceError` with what the kernel said.
    """

    def __init__(self, hostname: str = "", *, user: bool = False, keep: Sequence[str] = ()) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        flags = ["--mount", "--net", "--uts", "--ipc", "--pid", "--fork"] + (["--user", "--map-root-user"] * user)
        plan = json.dumps({"hostname": hostname, "keep": list(keep)})
        inside = [sys.executable, "-I", "-S", str(INIT), str(theirs.fileno()), plan]
        self._lock = threading.Lock()
        self._socket = ours
        self._complaints = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the space
        self._pidfd = -1
        with theirs:
            self._unshare = subprocess.Popen(
                ["unshare", *flags, "--", *inside],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=self._complaints,
                stderr=self._complaints,
            )
        try:
            ours.settimeout(START_SECONDS)
            _, (self._pidfd,) = self._receive()
            ours.settimeout(None)
            self.pid = pid_of(self._pidfd)
        except BaseException:
            self._give_up()
            raise

    def spawn(
        self,
        argv: Sequence[str],
        *,
        log: Path | IO[bytes] | int | None = None,
        stdin: int | None = None,
        stderr: int | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
        session: bool = True,
    ) -> Process:
        """Start `argv` inside. Output is appended to `log` (path, file or descriptor; default: thrown away).

        `stderr` defaults to where stdout goes; `env` replaces the whole environment (default: this process's).
        Raises `SpaceError` if it cannot be executed.
        """
        opened: list[int] = []
        if isinstance(log, Path):
            log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            opened.append(log)
        if log is None or stdin is None:
            null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            opened.append(null)
            log = null if log is None else log
            stdin = null if stdin is None else stdin
        output = log if isinstance(log, int) else log.fileno()
        request = {
            "op": "spawn",
            "argv": [str(item) for item in argv],
            "env": dict(os.environ if env is None else env),
            "cwd": cwd,
            "session": session,
        }
        try:
            answer, (pidfd,) = self._ask(request, stdin, output, output if stderr is None else stderr)
        finally:
            for descriptor in opened:
                os.close(descriptor)
        return Process(self, argv, int(str(answer["pid"])), pidfd)

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float = 30.0,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
        check: bool = False,
    ) -> "subprocess.CompletedProcess[str]":
        """Run `argv` inside to its end and return its output, like `subprocess.run(..., text=True)`."""
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            given.write(stdin.encode())
            given.seek(0)
            process = self.spawn(argv, log=out, stdin=given.fileno(), stderr=err.fileno(), env=env)
            try:
                code = process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                raise
            out.seek(0)
            err.seek(0)
            done = subprocess.CompletedProcess(
                list(argv), code, out.read().decode(errors="replace"), err.read().decode(errors="replace")
            )
        if check:
            done.check_returncode()
        return done

    def path(self, inside: str) -> Path:
        """A file of this space's mounts as a path that works out here (also for Unix sockets)."""
        return Path(f"/proc/{self.pid}/root") / inside.lstrip("/")

    def signal_all(self, number: int) -> None:
        """Send a signal to every process inside except process 1."""
        self._ask({"op": "signal_all", "signal": int(number)})

    def status_of(self, process: Process) -> int | None:
        """The exit code of an ended process; SIGKILL's when the whole space has ended."""
        try:
            answer, _ = self._ask({"op": "status", "pid": process.inner_pid})
        except SpaceError:
            return -signal.SIGKILL
        status = answer["status"]
        return status if isinstance(status, int) else None

    @property
    def alive(self) -> bool:
        return self._pidfd >= 0 and not readable(self._pidfd, 0)

    def close(self) -> None:
        """Kill everything inside; returns when process 1 and with it all the others are gone. May be repeated."""
        if self._pidfd < 0:
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        readable(self._pidfd, START_SECONDS)
        self._give_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _give_up(self) -> None:
        self._socket.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)
        self._pidfd = -1
        try:
            self._unshare.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            self._unshare.kill()
            self._unshare.wait()
        self._complaints.close()

    def _ask(self, request: dict[str, object], *descriptors: int) -> tuple[dict[str, object], list[int]]:
        with self._lock:
            try:
                socket.send_fds(self._socket, [json.dumps(request).encode()], list(descriptors))
            except OSError as error:
                raise SpaceError(f"process 1 of the namespace is gone ({error.strerror})") from error
            return self._receive()

    def _receive(self) -> tuple[dict[str, object], list[int]]:
        try:
            message, descriptors, _, _ = socket.recv_fds(self._socket, MESSAGE_MAX, 1, socket.MSG_CMSG_CLOEXEC)
        except OSError as error:
            raise SpaceError(f"process 1 of the namespace is gone ({error.strerror or error})") from error
        if not message:
            raise SpaceError(self._last_words())
        answer = json.loads(message)
        if "error" in answer:
            raise SpaceError(str(answer["error"]))
        return answer, descriptors

    def _last_words(self) -> str:
        self._complaints.seek(0)
        return self._complaints.read().strip() or "process 1 of the namespace is gone"
