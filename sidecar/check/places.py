"""The places on this host that `run` takes: HTTP port, control socket, and the virtual hosts themselves.

A carp-sidecar that runs here already has them all, rightly.
"""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from sidecar.check.finding import Finding, ok, warning
from sidecar.errors import ControlError
from sidecar.ops.client import call
from sidecar.settings.values import RunSettings


def running_here(settings: RunSettings) -> str | None:
    """The version of the daemon that answers at the control socket, or None."""
    with contextlib.suppress(ControlError):
        return str(call(settings.control, "status", timeout=2.0)["version"])
    return None


def places(settings: RunSettings, running: str | None) -> Iterator[Finding]:
    """``running``: what ``running_here`` said."""
    if running is not None:
        yield ok(f"control socket {settings.control}", f"carp-sidecar {running} runs here and answers")
        return
    yield _control(settings.control)
    yield _http(*settings.http)


def _control(path: Path) -> Finding:
    """Its folder is made by `run`; the nearest one that exists must let us."""
    folder = next(one for one in path.parents if one.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        fix = "make it writable for this user, or choose another with --control"
        return warning(f"control socket {path}", f"{folder} is not writable: status and resign would not work", fix)
    if path.exists() and not path.is_socket():
        fix = "remove it, or choose another with --control"
        return warning(f"control socket {path}", "is there and no socket: status and resign would not work", fix)
    return ok(f"control socket {path}", "free")


def _http(host: str, port: int) -> Finding:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    subject = f"HTTP on {host} port {port}"
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            fix = "end what listens there, or choose another with --http"
            return warning(subject, f"{(error.strerror or str(error)).lower()}: no /status, /metrics or /readyz", fix)
    return ok(subject, "free")
