"""Run a coroutine on each kind of loop that the daemon may have, and see that nothing is left of it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

LOOPS = [pytest.param(asyncio.new_event_loop, id="asyncio"), pytest.param(uvloop.new_event_loop, id="uvloop")]
LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def on(factory: LoopFactory, part: Coroutine[Any, Any, None]) -> None:
    """Run it; fail when the loop had to report an error or when a task outlived it."""
    complaints: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
        async with asyncio.timeout(60):
            await part
        await asyncio.sleep(0.01)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())
    assert complaints == []


class Turns:
    """Counts the turns of the loop, in each of which an election would have had its chance."""

    def __init__(self) -> None:
        self.count = 0
        self._handle = asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self.count += 1
        self._handle = asyncio.get_running_loop().call_soon(self._turn)

    def stop(self) -> None:
        """Count no more."""
        self._handle.cancel()


async def until(fact: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(seconds):
        while not fact():  # noqa: ASYNC110 - the fact is the kernel's or another task's
            await asyncio.sleep(0.01)
