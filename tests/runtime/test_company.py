"""Chores beside a real driver on the loops that a daemon may have: what is urgent comes first."""

import asyncio
import math
from dataclasses import replace

import pytest

from sidecar.carp import events as on
from sidecar.carp.effects import State
from sidecar.carp.election import Election
from sidecar.carp.freshness import Freshness
from sidecar.carp.receive import Receiver
from sidecar.company import Company
from sidecar.runtime.driver import Driver
from sidecar.runtime.ports import Ports
from tests.runtime.loops import LOOPS, LoopFactory, until
from tests.runtime.loops import on as run_on
from tests.runtime.test_driver import CONFIG, World, keys


class Node(World):
    """A master with a company, and with a chore that was due long ago and may wait for half a minute."""

    def __init__(self) -> None:
        super().__init__()
        ports = Ports(self, self, self, self, self)
        self.driver = Driver(
            Election(CONFIG), Receiver(CONFIG, keys(), Freshness()), ports, lambda: self.now, lambda: 0.0
        )
        self.driver.post(on.CarpdevChanged(up=True))
        self.driver.post(on.Started())
        self.turn()
        assert self.driver.state is State.MASTER
        self.log.clear()
        self.company = self.driver.company = Company(lambda: self.now)
        self.chore = self.company.chore("chore", lambda: self.log.append("chore"))
        self.chore.plan(self.now - 1, self.now + 30)

    def turn(self) -> None:
        """Its timer fires."""
        self.now = self.armed or 0.0
        self.driver.on_timer()


@pytest.mark.parametrize("factory", LOOPS)
def test_a_chore_comes_after_the_advertisement_and_after_all_else_that_is_ready(factory: LoopFactory) -> None:
    async def part() -> None:
        node = Node()
        loop = asyncio.get_running_loop()
        loop.call_soon(node.turn)
        loop.call_soon(node.log.append, "another election")
        await until(lambda: "chore" in node.log)
        assert node.log == ["send", "renew", "another election", "chore"]
        assert node.company.due == math.inf, "once a plan"

    run_on(factory, part())


@pytest.mark.parametrize("factory", LOOPS)
def test_an_election_that_is_fast_does_a_chore_when_it_is_due_and_not_each_time(factory: LoopFactory) -> None:
    async def part() -> None:
        node = Node()
        began = node.now
        node.chore.cancel()
        node.company.every("chore", lambda: node.log.append(f"chore at {node.now - began:.0f}"), 2.5, 30.0)
        for _ in range(6):
            node.turn()
            await asyncio.sleep(0.005)
        assert [word for word in node.log if word != "renew"] == [
            *("send", "send", "send", "chore at 3", "send", "send", "send", "chore at 6")
        ]

    run_on(factory, part())


@pytest.mark.parametrize("factory", LOOPS)
def test_a_chore_without_company_is_done_by_the_clock(factory: LoopFactory) -> None:
    async def part() -> None:
        company = Company()
        done: list[float] = []
        chore = company.chore("chore", lambda: done.append(company.now()))
        began = company.now()
        chore.plan(began + 0.05, began + 0.1)
        await until(lambda: bool(done))
        assert began + 0.05 <= done[0]
        await asyncio.sleep(0.15)
        assert len(done) == 1

    run_on(factory, part())


@pytest.mark.parametrize("factory", LOOPS)
def test_a_chore_that_fails_does_not_reach_the_election(factory: LoopFactory, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise OSError("a disk that is gone")

    async def part() -> None:
        node = Node()
        node.company.chore("the look at a disk", fail).plan(node.now - 1, node.now + 20)
        node.turn()
        await until(lambda: "chore" in node.log)
        node.turn()
        assert node.log == ["send", "renew", "chore", "send", "renew"]
        assert caplog.messages == ["the look at a disk failed"]

    run_on(factory, part())


@pytest.mark.parametrize("factory", LOOPS)
def test_a_master_that_comes_later_than_it_said_leaves_its_chores_to_the_clock(factory: LoopFactory) -> None:
    """A reload made its interval longer: what was left to its next wake-up would have waited for minutes."""

    async def part() -> None:
        node = Node()

        def again() -> None:
            node.log.append("chore")
            node.chore.plan(node.now + 0.5, node.now + 1.1)

        node.chore.work = again
        node.turn()
        await until(lambda: "chore" in node.log)
        assert node.company._timer is None, "its next advertisement is in time"
        node.driver.post(on.ConfigChanged(replace(CONFIG, advbase=100)))
        assert node.company._timer is not None

    run_on(factory, part())
