"""Run a command in private namespaces, as root or, through a user namespace, as an ordinary user.

`python -m sidecar.lab.sandbox -- COMMAND...`: nothing COMMAND does to the network, to /run or to processes reaches the
machine, and all of it ends with COMMAND. Exit code and signals pass through; the terminal stays the caller's.
"""

import argparse
import os
import resource
import shutil
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from sidecar.lab.space import Process, Space, SpaceError, may_unshare, readable

FORWARDED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
SENT_BY_TERMINAL = 0x80  # si_code SI_KERNEL: the whole foreground group got it, COMMAND too
REFUSALS = (
    ("kernel/unprivileged_userns_clone", "0", "1"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
    ("user/max_user_namespaces", "0", "15000"),
)


def open_sandbox(hostname: str = "") -> Space:
    """A fresh set of namespaces for this process's user; raises `SpaceError` with the reason in one line."""
    missing = [tool for tool in ("unshare", "mount", "nsenter", "ip") if shutil.which(tool) is None]
    if missing:
        raise SpaceError(f"missing command {', '.join(missing)}: install the packages util-linux, mount and iproute2")
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    keep = [runtime] if runtime.startswith("/run/") else []
    try:
        return Space(hostname, user=not may_unshare(), keep=keep)
    except SpaceError as error:
        raise SpaceError(explain(str(error), privileged=may_unshare())) from error


def explain(said: str, settings: Path = Path("/proc/sys"), *, privileged: bool) -> str:
    """Why the kernel refused a namespace, and what to change, in one line."""
    said = " ".join(said.split())
    for name, forbidding, allowing in REFUSALS:
        file = settings / name
        if not privileged and file.exists() and file.read_text().strip() == forbidding:
            key = name.replace("/", ".")
            return (
                f"the kernel refuses namespaces to ordinary users: {key}={forbidding} ({said}); "
                f"run as root, or allow it: sudo sysctl -w {key}={allowing}"
            )
    return f"the kernel refuses private namespaces: {said}; run as root, in a container with all privileges"


def run(command: Sequence[str], env: Mapping[str, str] | None = None) -> int:
    """Run `command` in a fresh sandbox with this process's terminal, directory and (by default) environment.

    Returns its exit code, negative if a signal ended it. Raises `SpaceError`.
    """
    with open_sandbox() as space:
        signal.pthread_sigmask(signal.SIG_BLOCK, {*FORWARDED, signal.SIGCHLD})
        try:
            process = space.spawn(command, stdin=0, log=1, stderr=2, env=env, cwd=os.getcwd(), session=False)
            return attend(process)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {*FORWARDED, signal.SIGCHLD})


def attend(process: Process) -> int:
    """Pass signals on until the process ends."""
    main = threading.get_ident()

    def wake_at_end() -> None:
        readable(process.fileno(), None)
        signal.pthread_kill(main, signal.SIGCHLD)

    threading.Thread(target=wake_at_end, daemon=True).start()
    while (code := process.poll()) is None:
        got = signal.sigwaitinfo({*FORWARDED, signal.SIGCHLD})
        if got.si_signo != signal.SIGCHLD and got.si_code != SENT_BY_TERMINAL:
            process.send_signal(got.si_signo)
    return code


def end_like(code: int) -> int:
    """End this process as the command ended: by the same signal if it was one."""
    if code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(-code, signal.SIG_DFL) if -code not in {signal.SIGKILL, signal.SIGSTOP} else None
        os.kill(os.getpid(), -code)
        return 128 - code
    return code


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sidecar.lab.sandbox", description=__doc__)
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    command = parser.parse_args(arguments).command
    command = command[1:] if command[:1] == ["--"] else command
    if not command:
        parser.error("a command is required: python -m sidecar.lab.sandbox -- COMMAND...")
    try:
        return end_like(run(command))
    except SpaceError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
