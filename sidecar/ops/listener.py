"""A listening socket that is never fatal, and connections that can never cost the election its time.

What cannot be had now (a busy port, a path that another daemon holds) is tried again each second and said once. The
number of connections, what each may send and how long it may take are bounded; nothing waits for a slow client.
"""

import asyncio
import logging
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from sidecar.company import Chore, Company
from sidecar.errors import SidecarError

LOG: Final = logging.getLogger("sidecar.ops")
RETRY: Final = 1.0
"""Seconds between attempts to listen."""
_CHECK: Final = (4.0, 5.0)
"""Seconds between looks whether the place we listen at is still ours: at least, and at most."""
_BACKLOG: Final = 16
"""The loop accepts as many in one turn: a storm of connections must not hold it up."""

_CREDENTIALS: Final = struct.Struct("=iii")
"""Process, user, group: ``struct ucred``."""
_LINGER_READS: Final = 64
"""Of ``head`` bytes each: what a refused client may still send, so that it lives to read the refusal."""


@dataclass(frozen=True, slots=True)
class Limits:
    """``connections`` at once, the longest unused one makes room; ``head`` bytes a request; the rest in seconds."""

    connections: int = 64
    head: int = 8192
    first: float = 10.0
    """From the connection to the end of its first request."""
    idle: float = 75.0
    """From an answer to the end of the next request."""
    write: float = 5.0
    """Until a client has taken its answer."""


LIMITS: Final = Limits()


class Place(Protocol):
    """Where to listen."""

    @property
    def name(self) -> str:
        """For the log."""

    def claim(self) -> socket.socket:
        """A bound socket; raises OSError or HostError while it cannot be had."""

    def is_ours(self) -> bool:
        """Whether what was claimed still leads here."""

    def release(self) -> None:
        """Leave nothing behind."""


class HungUpError(Exception):
    """The client is gone, too slow or too long: the connection is over."""


class Connection:
    """One client. Every wait ends; ``HungUpError`` says that it ended badly."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limits: Limits) -> None:
        self.reader = reader
        self._writer = writer
        self._limits = limits

    async def read_until(self, mark: bytes, seconds: float) -> bytes:
        """The next bytes up to and with ``mark``; raises LimitOverrunError when it is not within ``head`` bytes."""
        try:
            async with asyncio.timeout(seconds):
                return await self.reader.readuntil(mark)
        except (TimeoutError, asyncio.IncompleteReadError, OSError) as error:
            raise HungUpError from error

    async def send(self, data: bytes) -> None:
        """Hand it to the kernel; a client that does not take it in time is cut off."""
        try:
            self._writer.write(data)
            async with asyncio.timeout(self._limits.write):
                await self._writer.drain()
        except (TimeoutError, OSError, RuntimeError) as error:  # RuntimeError: uvloop's word for a closed connection
            raise HungUpError from error

    @property
    def uid(self) -> int:
        """The user at the other end of a Unix socket, as the kernel knows him; -1 when it does not."""
        raw = self._writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        return int(_CREDENTIALS.unpack(raw)[1])

    async def linger(self, seconds: float) -> None:
        """Say that nothing more comes and swallow what is still sent: a reset would destroy what we said last."""
        with suppress(TimeoutError, OSError, RuntimeError):
            self._writer.write_eof()
            async with asyncio.timeout(seconds):
                for _ in range(_LINGER_READS):
                    if not await self.reader.read(self._limits.head):
                        return

    def cut(self) -> None:
        """Drop it now, with whatever it has not taken."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Let it take what was sent, for a while."""
        self._writer.close()
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(self._limits.write):
                await self._writer.wait_closed()
        self.cut()


class Listener:
    """Listens at a place and gives each connection a task that runs ``talk``."""

    def __init__(
        self,
        place: Place,
        talk: Callable[[Connection], Awaitable[None]],
        limits: Limits,
        company: Company | None = None,
    ) -> None:
        """``company``: in which it is looked whether the place is still ours."""
        self._place = place
        self._company = company or Company()
        self._look: Chore | None = None
        self._lost = asyncio.Event()
        self._talk = talk
        self._limits = limits
        self._server: asyncio.Server | None = None
        self._connections: dict[Connection, None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._keeper: asyncio.Task[None] | None = None
        self._said = False

    async def start(self) -> None:
        """Try once; whatever comes of it, keep trying and keep it so in the background."""
        await self._open()
        self._look = self._company.every(f"the look at the {self._place.name}", self._check, *_CHECK)
        self._keeper = asyncio.create_task(self._keep(), name=f"keep {self._place.name}")

    async def close(self) -> None:
        """Stop listening, cut every connection, leave no task behind."""
        if self._look is not None:
            self._look.cancel()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._server is not None:
            self._server.close()
            self._server = None
            self._place.release()
        for connection in self._connections:
            connection.cut()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def touch(self, connection: Connection) -> None:
        """It is in use: others go first when room is needed."""
        if connection in self._connections:
            self._connections[connection] = self._connections.pop(connection)

    async def _keep(self) -> None:
        while True:
            if self._server is None:
                await asyncio.sleep(RETRY)
            else:
                await self._lost.wait()
            self._lost.clear()
            await self._open()

    def _check(self) -> None:
        if self._server is not None and not self._place.is_ours():
            self._lost.set()

    async def _open(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        try:
            listening = self._place.claim()
        except (OSError, SidecarError) as error:
            self._say_once(error)
            return
        start = asyncio.start_unix_server if listening.family == socket.AF_UNIX else asyncio.start_server
        self._server = await start(self._admit, sock=listening, limit=self._limits.head, backlog=_BACKLOG)
        self._said = False
        LOG.info("%s: listening", self._place.name)

    def _say_once(self, error: Exception) -> None:
        if not self._said:
            LOG.warning("%s: cannot listen yet, trying each second: %s", self._place.name, error)
        self._said = True

    def _admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A plain function: the streams would mind a cancelled task of their own making."""
        if len(self._connections) >= self._limits.connections:
            unused = next(iter(self._connections))
            self._connections.pop(unused)
            unused.cut()
        connection = Connection(reader, writer, self._limits)
        task = asyncio.create_task(self._converse(connection), name=f"client of {self._place.name}")
        self._connections[connection] = None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _converse(self, connection: Connection) -> None:
        try:
            with suppress(HungUpError):
                await self._talk(connection)
                await connection.close()
        except Exception:  # a client must not end the daemon, whatever it found
            LOG.exception("%s: a client's request failed", self._place.name)
        finally:
            connection.cut()
            self._connections.pop(connection, None)
