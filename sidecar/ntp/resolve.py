"""The addresses of an NTP server. Law: the loop never waits for DNS, and DNS that hangs never keeps the process alive.

A literal address is read at once. A name is looked up in a thread of its own: a daemon thread and not an executor,
which would be joined at exit; and one at a time, so that a dead DNS costs one thread, however long it is asked.
"""

import _thread
import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Final

from sidecar.ntp.target import Target

Endpoint = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]
_LITERAL: Final = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


def literal(target: Target, family: int = socket.AF_UNSPEC) -> list[Endpoint]:
    """The endpoint of a literal address; empty for a name. Asks no one."""
    try:
        return _lookup(target, family, _LITERAL)
    except OSError:
        return []


class Resolver:
    """Looks a name up in the background; `on_found` is called on the loop with what was found, maybe nothing."""

    def __init__(self, target: Target, on_found: Callable[[list[Endpoint]], None], family: int) -> None:
        self._target = target
        self._on_found = on_found
        self._family = family
        self._busy = False

    def start(self) -> None:
        """Begin a look-up, unless one is under way."""
        if self._busy:
            return
        self._busy = True
        loop = asyncio.get_running_loop()
        try:  # not threading.Thread: its start() waits for the thread, for ever where memory ran out in between
            _thread.start_new_thread(self._run, (loop,))
        except (RuntimeError, MemoryError):
            loop.call_soon(self._finish, [])

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            found = _lookup(self._target, self._family, 0)
        except (OSError, UnicodeError):  # a label too long for IDNA is a UnicodeError
            found = []
        with contextlib.suppress(RuntimeError):  # the loop ended before DNS answered
            loop.call_soon_threadsafe(self._finish, found)

    def _finish(self, found: list[Endpoint]) -> None:
        self._busy = False
        self._on_found(found)


def _lookup(target: Target, family: int, flags: int) -> list[Endpoint]:
    found = socket.getaddrinfo(target.host, target.port, family, socket.SOCK_DGRAM, socket.IPPROTO_UDP, flags)
    return [(family, address) for family, _, _, _, address in found]
