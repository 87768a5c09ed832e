"""Looks again and again at what may hang (a disk, a mount), on a thread of its own. Law: the loop wakes only for news.

The thread lives as long as the patrol: to start one for each look would cost the loop three wake-ups a time. One that
hangs keeps neither the loop nor the process from ending.
"""

import _thread
import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Final

_log: Final = logging.getLogger(__name__)
_PATIENCE: Final = 5.0
"""Seconds until a thread that has not begun is taken for one that never will."""


class _Shift:
    """One thread's: whether it has begun, and whether it shall go on."""

    __slots__ = ("begun", "ended")

    def __init__(self) -> None:
        self.begun = self.ended = False


class Patrol:
    """``look`` runs on the thread every so many seconds and says whether there is news; ``tell`` is then called on the
    loop."""

    def __init__(self, name: str, look: Callable[[], bool], tell: Callable[[], object], period: float) -> None:
        self._name = name
        self._look = look
        self._tell = tell
        self._period = period

    async def run(self) -> None:
        """Until cancelled. Where there is no thread to be had, one is tried for again and again."""
        shift = _Shift()
        try:
            while not shift.begun:
                shift.ended = True
                shift = self._begin()
                await asyncio.sleep(_PATIENCE)
            await asyncio.get_running_loop().create_future()
        finally:
            shift.ended = True

    def _begin(self) -> _Shift:
        shift = _Shift()
        with contextlib.suppress(RuntimeError, MemoryError):
            # Not threading.Thread: its start() waits for the thread, for ever where memory ran out in between.
            _thread.start_new_thread(self._walk, (shift, asyncio.get_running_loop()))
        return shift

    def _walk(self, shift: _Shift, loop: asyncio.AbstractEventLoop) -> None:
        shift.begun = True
        with contextlib.suppress(RuntimeError):  # the loop has ended
            while not shift.ended:
                time.sleep(self._period)
                if self._has_news() and not shift.ended:
                    loop.call_soon_threadsafe(self._tell)

    def _has_news(self) -> bool:
        try:
            return self._look()
        except Exception:  # noqa: BLE001 - memory that ran out, a fault of ours: the next look may be better
            with contextlib.suppress(MemoryError):
                _log.exception("cannot %s", self._name)
            return False
