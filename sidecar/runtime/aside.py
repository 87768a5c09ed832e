"""Work that may hang, on a thread that nobody waits for: a disk may keep whoever reads it, but not the election.

One piece of work at a time; the next waits its turn. A thread that never comes back does not keep the process from
ending either, which those of an executor would.
"""

import _thread
import asyncio
import contextlib
from collections.abc import Callable
from typing import Final, TypeVar

from sidecar.errors import ExhaustedError

T = TypeVar("T")
_PATIENCE: Final = 5.0
"""Seconds until a thread that has not begun is taken for one that never will."""


class Aside:
    """``await aside(work)``: what ``work()`` gives or raises. ``ExhaustedError`` when there is no thread to be had."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._turn = asyncio.Lock()

    async def __call__(self, work: Callable[[], T]) -> T:
        async with self._turn:
            outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            begun: list[bool] = []
            try:
                # Not threading.Thread: its start() waits for the thread, for ever where memory ran out in between.
                _thread.start_new_thread(_run, (work, outcome, begun))
            except (RuntimeError, MemoryError) as error:
                raise ExhaustedError(f"no thread to {self._name}: {error}") from error
            while not outcome.done():
                await asyncio.wait([outcome], timeout=_PATIENCE)
                if not begun:
                    raise ExhaustedError(f"no thread to {self._name}: it never began")
            return outcome.result()


def _run(work: Callable[[], T], outcome: "asyncio.Future[T]", begun: list[bool]) -> None:
    begun.append(True)
    result: T | None = None
    failure: BaseException | None = None
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
        failure = error

    def settle() -> None:
        if outcome.done():  # whoever waited was cancelled
            return
        if failure is not None:
            outcome.set_exception(failure)
        else:
            outcome.set_result(result)  # type: ignore[arg-type] # None is what work() gave, if it is None

    with contextlib.suppress(RuntimeError):  # the loop has ended
        outcome.get_loop().call_soon_threadsafe(settle)
