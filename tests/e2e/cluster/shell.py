"""Commands and lasting processes. Each lasting process writes its own number and start time before it is anything else.

So a process can always be found again and never mistaken, whenever whoever started it was killed.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from sidecar.lab.state import started_at
from tests.e2e.cluster.layout import SYSTEM_PATH, ClusterError

POLL_SECONDS = 0.1
START = """
exec </dev/null >>"$1" 2>&1
stat=$(</proc/$$/stat) || exit
fields=(${stat##*) })
echo "$$ ${fields[19]}" >"$2.new" && mv "$2.new" "$2" || exit
IFS=: read -ra groups <<<"$3"
for group in "${groups[@]}"; do echo $$ >"$group/cgroup.procs" || exit; done
shift 3
cd / && exec "$@"
"""


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """A small environment, the same for a person, a test run and CI."""
    kept = {key: os.environ[key] for key in ("HOME", "TERM", "LANG") if key in os.environ}
    return {"HOME": "/", **kept, "PATH": SYSTEM_PATH, **(extra or {})}


def run(
    argv: Sequence[str],
    *,
    timeout: float = 60.0,
    stdin: str = "",
    env: Mapping[str, str] | None = None,
    check: bool = True,
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end. Raises `ClusterError` with what it said if it fails or takes too long."""
    try:
        done = subprocess.run(
            argv, input=stdin, capture_output=True, text=True, errors="replace", timeout=timeout, check=False,
            env=environment(env),
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"{' '.join(argv)}: not done after {timeout:.0f} s") from error
    except OSError as error:
        raise ClusterError(f"{argv[0]}: {error.strerror}") from error
    if check and done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise ClusterError(f"{' '.join(argv)}: exit code {done.returncode}: {said}")
    return done


def in_network(namespace: str) -> list[str]:
    """The beginning of a command that is to run in a network namespace (`ip netns exec` would remount /sys)."""
    return ["nsenter", f"--net=/run/netns/{namespace}", "--"]


def ip(namespace: str, *lines: str) -> None:
    """`ip` commands (without the word ip) in a network namespace, all of them or an error."""
    run(["ip", "-netns", namespace, "-batch", "-"], stdin="\n".join(lines) + "\n")


def start(
    argv: Sequence[str],
    *,
    log: Path,
    pidfile: Path,
    groups: Iterable[Path] = (),
    env: Mapping[str, str] | None = None,
) -> int:
    """Start a process of its own session that outlives this one; its number. `groups`: control groups to be in."""
    pidfile.unlink(missing_ok=True)
    joined = ":".join(map(str, groups))
    run(
        ["setsid", "--fork", "bash", "-c", START, "start", str(log), str(pidfile), joined, *argv],
        env=env,
    )
    wait_for(f"{argv[0]} to start (see {log})", pidfile.exists, 20)
    return int(pidfile.read_text().split()[0])


def running(pidfile: Path) -> int | None:
    """The process that a file of `start` names if it still runs."""
    try:
        pid, started = map(int, pidfile.read_text().split())
    except (OSError, ValueError):
        return None
    return pid if started_at(pid) == started else None


def send(pidfile: Path, number: int) -> None:
    """A signal to the process that the file names, if it still runs."""
    if pid := running(pidfile):
        kill(pid, number)


def kill(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def stop(pidfiles: Sequence[Path], patience: float = 3.0) -> None:
    """SIGTERM to all, SIGKILL to those that run on after `patience` seconds; returns when all are gone."""
    for pidfile in pidfiles:
        send(pidfile, signal.SIGTERM)
        send(pidfile, signal.SIGCONT)
    if not holds(lambda: not any(map(running, pidfiles)), patience):
        for pidfile in pidfiles:
            send(pidfile, signal.SIGKILL)
        wait_for("killed processes to be gone", lambda: not any(map(running, pidfiles)), 20)
    for pidfile in pidfiles:
        pidfile.unlink(missing_ok=True)


def child_of(parent: int) -> int | None:
    """The first child of a process."""
    for process in processes():
        with contextlib.suppress(OSError):
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent and fields[0] not in {"Z", "X"}:
                return int(process.name)
    return None


def processes() -> list[Path]:
    """The folders in /proc of all processes there are."""
    return [Path("/proc", name) for name in os.listdir("/proc") if name.isdigit()]


def holds(condition: Callable[[], object], seconds: float, poll: float = POLL_SECONDS) -> bool:
    """Whether the condition comes true within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(poll)
    return True


def wait_for(what: str, condition: Callable[[], object], seconds: float, poll: float = POLL_SECONDS) -> None:
    """Wait until the condition comes true. Raises `ClusterError` naming `what` after `seconds`."""
    if not holds(condition, seconds, poll):
        raise ClusterError(f"waited {seconds:.0f} s for {what}")
