"""The other end of the control socket: blocking, stdlib only, and every failure a sentence that helps."""

import json
import socket
import time
from pathlib import Path
from typing import Any, Final

from sidecar.errors import ControlError

VERSION: Final = 1
_LONGEST_ANSWER: Final = 16 * 1024 * 1024
_BUSY_PAUSE: Final = 0.02


def call(path: Path | str, do: str, /, *, timeout: float = 10.0, **params: Any) -> dict[str, Any]:
    """Ask the daemon at ``path`` and return its result. ``timeout``: seconds of silence that are too many.

    Raises ControlError when no daemon answers there, or when it answers that it cannot.
    """
    request = json.dumps({"v": VERSION, "do": do, **params}).encode() + b"\n"
    try:
        line = _exchange(str(path), request, timeout)
    except OSError as error:
        raise ControlError(_explain(str(path), error, timeout)) from error
    return _result(line, str(path))


def _exchange(path: str, request: bytes, timeout: float) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as daemon:
        daemon.settimeout(timeout)
        _connect(daemon, path, time.monotonic() + timeout)
        daemon.sendall(request)
        with daemon.makefile("rb") as answers:
            return answers.readline(_LONGEST_ANSWER)


def _connect(daemon: socket.socket, path: str, deadline: float) -> None:
    """A daemon with too many callers refuses at once, where TCP would wait."""
    while True:
        try:
            return daemon.connect(path)
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise TimeoutError from error
            time.sleep(_BUSY_PAUSE)


def _explain(path: str, error: OSError, timeout: float) -> str:
    match error:
        case FileNotFoundError():
            return f"no daemon at {path}: is `carp-sidecar run` running, and with this --control?"
        case ConnectionRefusedError() if not Path(path).is_socket():
            return f"{path} is no socket; name the one that the daemon was given by --control"
        case ConnectionRefusedError():
            return f"no daemon at {path}: the one that made this socket is gone"
        case PermissionError():
            return f"{path}: permission denied; ask as root or as the user that the daemon runs as"
        case TimeoutError():
            return f"the daemon at {path} did not answer within {timeout:g} s"
    return f"{path}: {error.strerror or error}"


def _result(line: bytes, path: str) -> dict[str, Any]:
    if not line.endswith(b"\n"):
        raise ControlError(f"the daemon at {path} hung up before it had answered; was it stopping?")
    try:
        answer = json.loads(line)
        if answer["v"] != VERSION:
            raise ControlError(
                f"the daemon at {path} speaks version {answer['v']} of the control protocol, this command 1"
            )
        if not answer["ok"]:
            raise ControlError(str(answer["error"]))
        return dict(answer["result"])
    except (ValueError, KeyError, TypeError) as error:
        raise ControlError(f"what answers at {path} is no carp-sidecar") from error
