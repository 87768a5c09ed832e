"""A thread that looks at what may hang: the loop hears of news only, and is never kept."""

import asyncio
import threading
import time
from threading import Event

import pytest

from sidecar.runtime.patrol import Patrol
from tests.runtime.loops import LOOPS, LoopFactory, Turns, on, until


@pytest.mark.parametrize("factory", LOOPS)
def test_the_loop_hears_of_news_and_of_nothing_else(factory: LoopFactory) -> None:
    async def part() -> None:
        looks: list[int] = []
        news: list[int] = []

        def look() -> bool:
            looks.append(threading.get_ident())
            return len(looks) in {3, 5}

        task = asyncio.create_task(Patrol("look", look, lambda: news.append(len(looks)), 0.02).run())
        await until(lambda: len(looks) >= 8)
        task.cancel()
        assert len(news) == 2
        assert set(looks) == {looks[0]} != {threading.get_ident()}, "one thread, and it is not the loop's"

    on(factory, part())


@pytest.mark.parametrize("factory", LOOPS)
def test_a_look_that_hangs_keeps_nobody(factory: LoopFactory) -> None:
    async def part() -> None:
        hanging, release = Event(), Event()

        def look() -> bool:
            hanging.set()
            return release.wait(30)

        news: list[bool] = []
        task = asyncio.create_task(Patrol("look", look, lambda: news.append(True), 0.01).run())
        await until(hanging.is_set)
        turns = Turns()
        await asyncio.sleep(0.1)
        assert turns.count > 10
        turns.stop()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        release.set()
        await asyncio.sleep(0.05)
        assert not news, "nobody wants it any more"

    on(factory, part())


def test_a_look_that_fails_is_told_and_followed_by_the_next(caplog: pytest.LogCaptureFixture) -> None:
    async def part() -> None:
        looks: list[int] = []
        news: list[int] = []

        def look() -> bool:
            looks.append(1)
            if len(looks) == 1:
                raise ValueError("unforeseen")
            return True

        task = asyncio.create_task(Patrol("look at files", look, lambda: news.append(1), 0.02).run())
        await until(lambda: bool(news))
        task.cancel()

    on(asyncio.new_event_loop, part())
    assert caplog.messages == ["cannot look at files"]


def test_no_thread_outlives_its_patrol_for_long() -> None:
    async def part() -> None:
        task = asyncio.create_task(Patrol("look", bool, lambda: None, 0.02).run())
        await asyncio.sleep(0.1)
        task.cancel()

    def threads() -> int:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("Threads:"))

    before = threads()
    on(asyncio.new_event_loop, part())
    end = time.monotonic() + 5
    while threads() > before and time.monotonic() < end:
        time.sleep(0.01)
    assert threads() <= before
