"""The control socket: a JSON object a line, one answer a request. Everything that changes the node passes here.

Request ``{"v": 1, "do": NAME, ...parameters}``; answer ``{"v": 1, "ok": true, "result": {...}}`` or
``{"v": 1, "ok": false, "error": SENTENCE}``. Who may open the socket (mode 0600) and is root or the daemon's own user,
by what the kernel says of him, may do everything.
"""

import asyncio
import inspect
import json
import logging
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from sidecar.company import Company
from sidecar.errors import ConfigError, ControlError, HostError, SidecarError
from sidecar.ops.client import VERSION
from sidecar.ops.listener import Connection, Limits, Listener

LOG: Final = logging.getLogger("sidecar.ops")
LONGEST_PATH: Final = 107
"""Bytes of a socket's path that Linux can bind (``sun_path`` less its end)."""
CONTROL_LIMITS: Final = Limits(connections=16, head=4096, first=10.0, idle=60.0, write=5.0)
_HANDLER_SECONDS: Final = 60.0

Handler = Callable[[dict[str, Any]], dict[str, Any] | Awaitable[dict[str, Any]]]
"""Takes the parameters, gives the result; raises SidecarError with a sentence for whoever asked."""


def check_path(path: Path) -> None:
    """Raise ConfigError for a path that no socket can have."""
    if len(os.fsencode(path)) > LONGEST_PATH:
        rule = f"the path of a Unix socket has at most {LONGEST_PATH} bytes"
        raise ConfigError("CARP_CONTROL", path, rule, "choose a shorter one")


class UnixPlace:
    """A path. What a dead daemon left there is replaced, what a live one holds is not."""

    def __init__(self, path: Path) -> None:
        check_path(path)
        self._path = path
        self._inode: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        """For the log."""
        return f"control socket {self._path}"

    def claim(self) -> socket.socket:
        """Bind with mode 0600 in a folder that is made when missing, or raise OSError or HostError."""
        self._path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._clear_stale()
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listening.bind(str(self._path))
            self._path.chmod(0o600)  # before it listens: until then nobody can connect
            self._inode = self._look()
            listening.listen()
        except OSError:
            listening.close()
            raise
        return listening

    def is_ours(self) -> bool:
        """Whether the path still leads to our socket: another daemon or a cleaner may have been there."""
        return self._inode is not None and self._look() == self._inode

    def release(self) -> None:
        """Remove the socket, unless it is somebody else's by now."""
        with suppress(OSError):
            if self.is_ours():
                self._path.unlink()
        self._inode = None

    def _look(self) -> tuple[int, int] | None:
        try:
            found = self._path.lstat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _clear_stale(self) -> None:
        try:
            found = self._path.lstat()
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(found.st_mode):
            raise HostError(f"{self._path} is no socket; remove it or choose another path with --control")
        if _is_answered(self._path):
            raise HostError(f"another daemon answers at {self._path}")
        self._path.unlink(missing_ok=True)


def _is_answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.setblocking(False)
        try:
            caller.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except BlockingIOError:
            return True  # its backlog is full
    return True


class ControlServer:
    """Serves handlers by name. It may be opened late: ``start`` never fails for want of the path."""

    def __init__(
        self,
        path: Path,
        handlers: Mapping[str, Handler],
        limits: Limits = CONTROL_LIMITS,
        company: Company | None = None,
    ) -> None:
        """Raises ConfigError for a path that no socket can have. ``company``: in which it is looked at."""
        self._handlers = handlers
        self._limits = limits
        self._listener = Listener(UnixPlace(path), self._talk, limits, company)

    async def start(self) -> None:
        """Listen now, or as soon as the path can be had."""
        await self._listener.start()

    async def close(self) -> None:
        """Stop, remove the socket, drop whoever is connected."""
        await self._listener.close()

    async def _talk(self, connection: Connection) -> None:
        if not is_obeyed(uid := connection.uid):
            LOG.warning("control: uid %d asked and was refused", uid)
            return await self._refuse(connection, f"only root and the daemon's own user are obeyed, not uid {uid}")
        seconds = self._limits.first
        while True:
            try:
                line = await connection.read_until(b"\n", seconds)
            except asyncio.LimitOverrunError:
                return await self._refuse(connection, f"a request has at most {self._limits.head} bytes")
            self._listener.touch(connection)
            answer = await self._answer(line)
            await connection.send(json.dumps({"v": VERSION, **answer}).encode() + b"\n")
            seconds = self._limits.idle

    async def _refuse(self, connection: Connection, text: str) -> None:
        await connection.send(json.dumps({"v": VERSION, **_error(text)}).encode() + b"\n")
        await connection.linger(1.0)

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            name, params = _understand(line)
            handler = self._handlers.get(name)
            if handler is None:
                raise ControlError(f"no command {name!r}; there are {', '.join(sorted(self._handlers))}")
            return {"ok": True, "result": await _run(handler, params)}
        except SidecarError as error:
            return _error(str(error))
        except Exception:
            LOG.exception("control: a request failed")
            return _error("the daemon failed at this request; its log says why")


def is_obeyed(uid: int) -> bool:
    """A mode can be changed, a descriptor handed on; who it was that connected cannot."""
    return uid in {0, os.geteuid()}


def _error(text: str) -> dict[str, Any]:
    return {"ok": False, "error": text}


def _understand(line: bytes) -> tuple[str, dict[str, Any]]:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ControlError("a request is one JSON object a line") from error
    if not isinstance(request, dict):
        raise ControlError("a request is one JSON object a line")
    version, name = request.pop("v", None), request.pop("do", None)
    if version != VERSION:
        raise ControlError(f"this daemon speaks version {VERSION} of the control protocol, not {version!r}")
    if not isinstance(name, str):
        raise ControlError('a request names its command: {"v": 1, "do": "status"}')
    return name, request


async def _run(handler: Handler, params: dict[str, Any]) -> dict[str, Any]:
    result = handler(params)
    if not inspect.isawaitable(result):
        return result
    try:
        async with asyncio.timeout(_HANDLER_SECONDS):
            return await result
    except TimeoutError as error:
        raise ControlError(f"not done after {_HANDLER_SECONDS:g} s") from error
