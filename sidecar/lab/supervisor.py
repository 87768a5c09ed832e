"""The process that holds a lab made by `lab up`: it owns the nodes and obeys a Unix socket in the lab's folder.

One request a connection, a JSON object a line: `{"op": ...}` in, `{"ok": ...}` or `{"error": ...}` out. It ends on
request, on a signal, or after `LIFETIME_SECONDS`.
"""

import contextlib
import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path

from sidecar.errors import SidecarError
from sidecar.lab.lab import Lab
from sidecar.lab.plan import HOWS, LabError, Plan
from sidecar.lab.state import State

LIFETIME_SECONDS = 12 * 3600
REQUEST_MAX = 1 << 16

Request = dict[str, object]


class Supervisor:
    """Serves one lab until told to end."""

    def __init__(self, lab: Lab, state: State) -> None:
        self.lab = lab
        self.state = state
        self.ended = threading.Event()
        self._changing = threading.Lock()  # one change at a time; looking is always allowed

    def serve(self) -> None:
        """Accept requests until the lab ends."""
        with listen(self.state) as listener:
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
            self.ended.wait(LIFETIME_SECONDS)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # closed at the end
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):  # the asker may be gone
            request = json.loads(connection.recv(REQUEST_MAX))
            try:
                answer, descriptors = self.obey(request)
            except SidecarError as error:
                answer, descriptors = {"error": str(error)}, []
            socket.send_fds(connection, [json.dumps(answer).encode() + b"\n"], descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
            if request.get("op") == "down":
                self.ended.set()

    def obey(self, request: Request) -> tuple[dict[str, object], list[int]]:
        """Answer a request; `enter` also hands over a process descriptor of the node's process 1."""
        operation, name = request.get("op"), str(request.get("node", ""))
        if operation == "status":
            return {"ok": self.lab.status()}, []
        if operation == "enter":
            return {"ok": None}, [os.pidfd_open(self.lab.machine(name).pid)]
        if operation in {"fail", "heal"}:
            with self._changing:
                self._change(str(operation), name, str(request.get("how", "")))
        return {"ok": None}, []

    def _change(self, operation: str, name: str, how: str) -> None:
        if operation == "heal":
            self.lab.heal(name)
        elif how in HOWS:
            self.lab.fail(name, how)
        else:
            raise LabError(f"--how {how}: one of {', '.join(HOWS)}")


def listen(state: State) -> socket.socket:
    """The control socket, made by a short name: the folder's own may be too long for a socket address."""
    folder = os.open(state.folder, os.O_PATH | os.O_CLOEXEC)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(f"/proc/self/fd/{folder}/{state.socket.name}")
    finally:
        os.close(folder)
    listener.listen()
    return listener


def main() -> int:
    """`python -m sidecar.lab.supervisor FOLDER PLAN-JSON RATE`, inside a sandbox."""
    state, plan, rate = State(Path(sys.argv[1])), Plan(**json.loads(sys.argv[2])), float(sys.argv[3])
    try:
        lab = Lab(plan, state.logs)
        supervisor = Supervisor(lab, state)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: supervisor.ended.set())
        try:
            lab.build()
            lab.start_client(rate, LIFETIME_SECONDS)
            supervisor.serve()
        finally:
            lab.close()
    except SidecarError as error:
        print(f"carp-sidecar lab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
