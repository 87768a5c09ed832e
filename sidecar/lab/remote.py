"""The lab's commands on this side of the control socket: start a supervisor, ask it, step into a node, end it."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

from sidecar.lab.plan import LabError
from sidecar.lab.services import python_environment
from sidecar.lab.space import pid_of
from sidecar.lab.state import State

START_SECONDS = 30.0
ASK_SECONDS = 60.0
GOODBYE_SECONDS = 10.0
PACKAGES = {"ping": "iputils-ping", "arping": "iputils-arping", "tcpdump": "tcpdump", "chronyc": "chrony"}


def start(state: State, plan: Mapping[str, object], rate: float) -> None:
    """Start a detached lab and return when it has been built. Raises `LabError` with what it said if it fails."""
    if (owner := state.owner()) is not None:
        raise LabError(f"a lab is running already (process {owner.pid}); `lab down` ends it")
    state.create()
    inside = [sys.executable, "-m", "sidecar.lab.supervisor", str(state.folder), json.dumps(plan), str(rate)]
    log = state.logs / "supervisor.log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "sidecar.lab.sandbox", "--", *inside],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env=python_environment(),
            cwd="/",
            start_new_session=True,
        )
    state.record(process.pid)
    deadline = time.monotonic() + START_SECONDS
    while not answers(state):
        if process.poll() is not None or time.monotonic() > deadline:
            why = log.read_text().strip() or "it did not answer in time"
            process.kill()
            process.wait()
            state.end()
            raise LabError(f"the lab did not start: {why}")
        time.sleep(0.05)
    process.returncode = 0  # it is to outlive this process: nothing to wait for


def settled(state: State, timeout: float) -> bool:
    """Wait until every address has one owner and the client hears it; whether that came within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        status = cast(dict[str, Any], ask(state, {"op": "status"}))
        heard = status["client"]["heard"]
        if all([heard[address]] == status["owners"][address] for address in status["addresses"]):
            return True
        time.sleep(0.2)
    return False


def answers(state: State) -> bool:
    try:
        ask(state, {"op": "ready"})
    except LabError:
        return False
    return True


def ask(state: State, request: Mapping[str, object], timeout: float = ASK_SECONDS) -> object:
    """Send a request to the running lab. Raises `LabError` with its complaint, or when there is no lab."""
    answer, descriptors = exchange(state, request, timeout)
    for descriptor in descriptors:
        os.close(descriptor)
    return answer


def exchange(state: State, request: Mapping[str, object], timeout: float = ASK_SECONDS) -> tuple[object, list[int]]:
    if state.owner() is None:
        raise LabError("no lab is running; `lab up` starts one")
    folder = os.open(state.folder, os.O_PATH | os.O_CLOEXEC)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(f"/proc/self/fd/{folder}/{state.socket.name}")
            connection.sendall(json.dumps(request).encode())
            said, descriptors = read_answer(connection)
    except OSError as error:
        raise LabError(f"the lab does not answer ({error.strerror or error}); `lab down` ends it") from error
    finally:
        os.close(folder)
    answer = json.loads(said)
    if "error" in answer:
        raise LabError(str(answer["error"]))
    return answer["ok"], descriptors


def read_answer(connection: socket.socket) -> tuple[bytes, list[int]]:
    said, descriptors, _, _ = socket.recv_fds(connection, 1 << 16, 1, socket.MSG_CMSG_CLOEXEC)
    while said and not said.endswith(b"\n"):
        more = connection.recv(1 << 16)
        if not more:
            break
        said += more
    if not said:
        raise ConnectionResetError("it ended")
    return said, descriptors


def enter(state: State, name: str, command: Sequence[str]) -> None:
    """Become `command` inside a node, on the caller's terminal. Returns only by raising `LabError`."""
    environment = python_environment()
    environment["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), environment.get("PATH", os.defpath)])
    if shutil.which(command[0], path=environment["PATH"]) is None:
        package = PACKAGES.get(os.path.basename(command[0]))
        install = f"; sudo apt-get install {package}" if package else ""
        raise LabError(f"{command[0]} is not installed on this machine{install}")
    _, (pidfd,) = exchange(state, {"op": "enter", "node": name})
    pid = pid_of(pidfd)
    os.close(pidfd)
    spaces = ["--mount", "--net", "--uts", "--ipc", "--pid"]
    if os.stat(f"/proc/{pid}/ns/user").st_ino != os.stat("/proc/self/ns/user").st_ino:
        spaces += ["--user", "--preserve-credentials"]
    argv = ["nsenter", f"--target={pid}", *spaces, "--", *command]
    os.execvpe(argv[0], argv, environment)  # noqa: S606 - that is the purpose


def end(state: State) -> bool:
    """End the lab, politely if it still listens, else by force. Returns whether there was anything to remove."""
    existed = state.exists()
    if state.owner() is not None:
        try:
            ask(state, {"op": "down"}, GOODBYE_SECONDS)
            state.wait_for_end(GOODBYE_SECONDS)
        except LabError:
            pass
    state.end()
    return existed
