"""Keeps the notice board running and the election out of its reach: sends without waiting, reads bounded, restarts.

The child gets one end of a socketpair and standard error, nothing else. Whatever it does (die, hang, flood, lie) costs
the loop a few system calls; what it says is taken for a wish.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import random
import socket
import subprocess
import sys
import termios
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from sidecar.app.notices import Chronicle, notice_of
from sidecar.kube.errors import WireError
from sidecar.kube.scope import EVERYTHING, Scope
from sidecar.kube.wire import LONGEST, Hints, Notice, Say, decode, encode
from sidecar.report import VhostReport

_log: Final = logging.getLogger("sidecar.kube")
COMMAND: Final = (sys.executable, "-P", "-m", "sidecar.kube")
_TICK: Final = 1.0
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0
_LIVED: Final = 60.0
"""Seconds after which a child counts as one that works: the next pause is the first again."""
SILENT: Final = 90.0
"""Seconds without a word after which a child is taken for frozen."""
_A_WAKE: Final = 8
"""Packets read at a time; the election has the loop in between."""
_A_SECOND: Final = 100
"""Packets a second that a sane child never sends."""
_FAREWELL: Final = 2.0
UNKNOWN: Final = 10.0
"""Seconds for which a node counts as settled until the notice board knows: a restarted backup is not ready first."""
UNKNOWN_CAP: Final = 600.0
"""Seconds after which a node that cannot learn counts as settled."""


class NoticeBoard:
    """``reports`` gives the state to show; ``on_hints`` gets what Kubernetes would like; ``scope``: how far it goes."""

    def __init__(
        self,
        reports: Callable[[], Sequence[VhostReport]],
        on_hints: Callable[[Hints], None],
        command: Sequence[str] = COMMAND,
        scope: Scope = EVERYTHING,
    ) -> None:
        self._reports = reports
        self._on_hints = on_hints
        self._command = tuple(command)
        self._scope = scope
        self._chronicle = Chronicle()
        self._child: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._notice = Notice(0, (), healthy=False)
        self._unsent = False
        self._unwritten: deque[tuple[int, float]] = deque(maxlen=64)
        self._hints = Hints()
        self._settled: bool | None = None
        self._errors_before = 0
        self._began = time.monotonic()
        self._heard_at = 0.0
        self._second, self._packets = 0, 0
        self._ended = asyncio.Event()
        self._ended.set()
        self._leaving = False

    async def run(self) -> None:
        """For as long as the daemon does."""
        pause = _FIRST_PAUSE
        while not self._leaving:
            began = time.monotonic()
            if self._spawn():
                await self._attend()
                await self._reap()
            pause = _FIRST_PAUSE if time.monotonic() - began > _LIVED else min(2 * pause, _LONGEST_PAUSE)
            if not self._leaving:
                _log.warning("the notice board ended; another one starts in at most %.0f s", pause)
                await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - spreads nodes, hides nothing

    def _spawn(self) -> bool:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        command = [*self._command, str(theirs.fileno()), "--parent", str(os.getpid()), *self._scope.words]
        try:
            self._child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[theirs.fileno()]
            )
        except OSError as error:
            _log.error("the notice board does not start: %s", error)
            ours.close()
            return False
        finally:
            theirs.close()
        self._channel, self._heard_at = ours, time.monotonic()
        self._ended.clear()
        self._errors_before += self._hints.errors
        self._hints = replace(self._hints, errors=0, written=0)
        self._unsent = True
        asyncio.get_running_loop().add_reader(ours.fileno(), self._readable)
        return True

    async def _attend(self) -> None:
        """Look every second whether there is something to send, until the child has ended; in step with the others.

        What is not new is told again, too: so the child knows whether it still speaks for somebody.
        """
        loop = asyncio.get_running_loop()
        while not self._ended.is_set():
            self._unsent = self._unsent or self._has_read()
            self.look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK - loop.time() % _TICK):
                    await self._ended.wait()
            if time.monotonic() - self._heard_at > SILENT:
                _log.warning("the notice board is silent for %.0f s and is ended", SILENT)
                self._end()

    async def _reap(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            code = await asyncio.get_running_loop().run_in_executor(None, child.wait)
            _log.debug("the notice board ended with %d", code)

    def _end(self) -> None:
        if self._channel is not None:
            asyncio.get_running_loop().remove_reader(self._channel.fileno())
            self._channel.close()
            self._channel = None
        self._ended.set()

    # What it is told

    def look(self) -> None:
        """Send what is new. Call it when a role changed; never waits."""
        reports = self._reports()
        self._chronicle.follow(reports)
        notice = notice_of(reports, self._chronicle, self._notice.number, leaving=self._leaving)
        if notice != self._notice:
            number = self._notice.number + 1
            if replace(notice, happened=()) != replace(self._notice, happened=()):
                self._await(number)
            self._notice, self._unsent = replace(notice, number=number), True
        self._flush()

    def _await(self, number: int) -> None:
        """The oldest stay: lag counts from them."""
        if len(self._unwritten) < (self._unwritten.maxlen or 0):
            self._unwritten.append((number, time.monotonic()))

    def _has_read(self) -> bool:
        """Whether the child has taken all that it was told: one that is frozen must not find old news afterwards."""
        if self._channel is None:
            return False
        unread = fcntl.ioctl(self._channel, termios.TIOCOUTQ, bytes(4))
        return not any(unread)

    def _flush(self) -> None:
        """A child that does not read gets nothing more; when it reads again, the latest."""
        if self._channel is None or not self._unsent:
            return
        try:
            self._channel.send(encode(self._notice), socket.MSG_DONTWAIT)
            self._unsent = False
        except BlockingIOError:
            return
        except (OSError, WireError) as error:
            _log.warning("the notice board cannot be told: %s", error)
            self._end()

    # What it tells

    def _readable(self) -> None:
        for _ in range(_A_WAKE):
            if self._channel is None or not self._read_one(self._channel):
                return

    def _read_one(self, channel: socket.socket) -> bool:
        try:
            packet = channel.recv(LONGEST + 1)
        except BlockingIOError:
            return False
        except OSError:
            packet = b""
        if not packet or self._floods():
            self._end()
            return False
        self._heard_at = time.monotonic()
        self._understand(packet)
        return True

    def _floods(self) -> bool:
        second = int(time.monotonic())
        self._packets = self._packets + 1 if second == self._second else 1
        self._second = second
        return self._packets > _A_SECOND

    def _understand(self, packet: bytes) -> None:
        try:
            line = decode(packet)
        except WireError as error:
            _log.debug("from the notice board: %s", error)
            return
        if isinstance(line, Hints):
            self._take(line)
        elif isinstance(line, Say) and logging.INFO <= line.level <= logging.ERROR:
            _log.log(line.level, "%s", " ".join(line.text.split()))

    def _take(self, hints: Hints) -> None:
        self._hints = hints
        if hints.known:
            self._settled = hints.settled
        self._chronicle.told(hints.told)
        while self._unwritten and self._unwritten[0][0] <= hints.written:
            self._unwritten.popleft()
        self._on_hints(hints)

    # What others ask

    @property
    def settled(self) -> bool:
        """Whether readiness may mean the role; a guess while it is not known."""
        if self._settled is not None:
            return self._settled
        return not UNKNOWN <= time.monotonic() - self._began < UNKNOWN_CAP

    def status(self) -> dict[str, object]:
        """The ``kubernetes`` part of ``/status``."""
        hints = self._hints
        lag = time.monotonic() - self._unwritten[0][1] if self._unwritten else 0.0
        return {
            "enabled": True,
            "pod": os.environ.get("POD_NAME"),
            "node": os.environ.get("CARP_NODE"),
            "role": hints.labelled or None,
            "settled": self.settled,
            "lag_s": round(lag, 3),
            "errors": self._errors_before + hints.errors,
            "last_error": hints.last_error or None,
            "maintenance": list(hints.maintenance),
            "cordoned": hints.cordoned,
            "outdated": hints.outdated,
            "other_masters": list(hints.other_masters),
        }

    async def stop(self) -> None:
        """Say goodbye, give the child a moment to write it down, end it."""
        self._leaving = True
        self.look()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL):
                await self._ended.wait()
        self._end()
        await self._reap()
