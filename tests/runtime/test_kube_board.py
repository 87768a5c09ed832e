"""The parent's side with real children, well and ill: whatever a child does, the loop goes on and another one comes."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import wraps
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import uvloop

from sidecar.app import board as module
from sidecar.app.board import NoticeBoard
from sidecar.carp.effects import State
from sidecar.kube.wire import Hints
from sidecar.report import VhostReport
from tests.runtime.kube_child import NODE, POD, cluster, credentials
from tests.runtime.kube_server import Handler, serving
from tests.runtime.loops import on
from tests.unit.ops_reports import report

ILL = """
import socket, sys, time
channel = socket.socket(fileno=int(sys.argv[1]))
{}
"""


def looped(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run the test on the daemon's kind of loop."""

    @wraps(test)
    def run(**fixtures: Any) -> None:
        on(uvloop.new_event_loop, test(**fixtures))

    return run


class Daemon:
    """What stands in for the elections: reports that a test changes, and the wishes that came."""

    def __init__(self) -> None:
        self.reports: list[VhostReport] = [report(State.BACKUP)]
        self.wishes: list[Hints] = []

    def board(self, *command: str) -> NoticeBoard:
        return NoticeBoard(lambda: self.reports, self.wishes.append, command)


@asynccontextmanager
async def running(board: NoticeBoard) -> AsyncIterator[None]:
    task = asyncio.create_task(board.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await board.stop()


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - nothing tells us
            await asyncio.sleep(0.01)


async def longest_stall(during: Awaitable[None]) -> float:
    """The longest time that the loop did not come round."""
    worst, done = 0.0, asyncio.ensure_future(during)
    while not done.done():
        before = time.monotonic()
        await asyncio.sleep(0.001)
        worst = max(worst, time.monotonic() - before)
    await done
    return worst


def ill(body: str) -> tuple[str, ...]:
    return (sys.executable, "-c", ILL.format(body))


def well(url: str, folder: Path) -> tuple[str, ...]:
    start = f"import sys; from sidecar.kube.__main__ import main; main(sys.argv[1:] + {extra(url, folder)!r})"
    return (sys.executable, "-c", start)


def extra(url: str, folder: Path) -> list[str]:
    return ["--server", url, "--credentials", str(credentials(folder))]


@pytest.fixture(autouse=True)
def _pod(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("POD_NAME", POD), ("POD_NAMESPACE", "time"), ("POD_UID", "u"), ("CARP_NODE", NODE)):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    monkeypatch.setattr(module, "_FIRST_PAUSE", 0.02)


def pid_of(board: NoticeBoard) -> int:
    return board._child.pid if board._child else 0


@looped
async def test_a_role_reaches_the_api_and_a_wish_comes_back(tmp_path: Path) -> None:
    found, daemon = cluster(), Daemon()
    with serving(found) as url:
        board = daemon.board(*well(url, tmp_path))
        async with running(board):
            await until(lambda: board.status()["role"] == "backup")
            daemon.reports = [report(State.MASTER, "master_down: silence")]
            board.look()
            await until(lambda: found.label("pods", POD, "carp-role") == "master")
            await until(lambda: board.status()["lag_s"] == 0.0)
            found.change("nodes", NODE, {"spec": {"unschedulable": True}})
            await until(lambda: daemon.wishes[-1].cordoned)
            assert board.settled
            await until(lambda: any(plural == "events" for plural, _ in found.objects))
        assert found.label("pods", POD, "carp-role") == "master"
        assert found.label("nodes", NODE, "carp-sidecar.io/vhid-10") is None


@looped
async def test_a_child_that_reads_is_told_every_second_that_its_parent_lives() -> None:
    counts = """
import json
told = 0
while channel.recv(70000):
    told += 1
    channel.send(json.dumps({"v": 1, "type": "hints", "errors": told}).encode())
"""
    daemon = Daemon()
    async with running(daemon.board(*ill(counts))):
        await until(lambda: bool(daemon.wishes) and daemon.wishes[-1].errors >= 3)


@looped
async def test_a_killed_child_is_followed_by_another_that_shows_the_latest(tmp_path: Path) -> None:
    found, daemon = cluster(), Daemon()
    with serving(found) as url:
        board = daemon.board(*well(url, tmp_path))
        async with running(board):
            await until(lambda: board.status()["role"] == "backup")
            first = pid_of(board)
            os.kill(first, signal.SIGKILL)
            daemon.reports = [report(State.MASTER)]
            await until(lambda: board.status()["role"] == "master")
            assert pid_of(board) not in {0, first}


@looped
async def test_errors_of_a_child_that_is_gone_still_count_and_once(tmp_path: Path) -> None:
    found, daemon = cluster(), Daemon()

    def fails(handler: Handler) -> bool:
        handler.refuse(500)
        return True

    found.fail(fails, "PATCH", "pods", times=2)
    with serving(found) as url:
        board = daemon.board(*well(url, tmp_path))
        async with running(board):
            await until(lambda: board.status()["role"] == "backup")
            await until(lambda: board.status()["errors"] == 2)
            first, seen = pid_of(board), set()
            os.kill(first, signal.SIGKILL)

            def another_has_hinted() -> bool:
                seen.add(board.status()["errors"])
                return pid_of(board) not in {0, first} and board._hints.written > 0

            await until(another_has_hinted)
    assert seen == {2}


@looped
async def test_a_frozen_child_costs_nothing_and_shows_the_latest_when_it_thaws(tmp_path: Path) -> None:
    found, daemon = cluster(), Daemon()
    with serving(found) as url:
        board = daemon.board(*well(url, tmp_path))
        async with running(board):
            await until(lambda: board.status()["role"] == "backup")
            os.kill(pid_of(board), signal.SIGSTOP)
            slowest = 0.0
            for number in range(3000):
                daemon.reports = [report(State.BACKUP, f"number {number}")]
                before = time.monotonic()
                board.look()
                slowest = max(slowest, time.monotonic() - before)
            assert slowest < 0.1
            assert float(str(board.status()["lag_s"])) > 0
            daemon.reports = [report(State.MASTER)]
            board.look()
            os.kill(pid_of(board), signal.SIGCONT)
            await until(lambda: found.label("pods", POD, "carp-role") == "master")


@looped
async def test_a_child_that_stays_frozen_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, daemon = cluster(), Daemon()
    with serving(found) as url:
        board = daemon.board(*well(url, tmp_path))
        async with running(board):
            await until(lambda: board.status()["role"] == "backup")
            first = pid_of(board)
            os.kill(first, signal.SIGSTOP)
            monkeypatch.setattr(module, "SILENT", 0.5)
            await until(lambda: pid_of(board) not in {0, first})
            monkeypatch.setattr(module, "SILENT", 90)


ILLNESSES = {
    "ends at once": "sys.exit(3)",
    "floods": "while True: channel.send(b'x' * 1000)",
    "lies": 'channel.send(b\'{"v":1,"type":"hints","errors":"many"}\'); time.sleep(60)',
    "tells too much": "channel.send(b'x' * 70000); time.sleep(60)",
    "does not listen": "time.sleep(60)",
    "speaks as the parent": "channel.send(channel.recv(70000)); time.sleep(60)",
}


@pytest.mark.parametrize("illness", ILLNESSES)
@looped
async def test_an_ill_child_does_not_hold_up_the_loop(illness: str) -> None:
    daemon = Daemon()
    board = daemon.board(*ill(ILLNESSES[illness]))

    async def meanwhile() -> None:
        for number in range(200):
            daemon.reports = [report(State.BACKUP, f"number {number}")]
            board.look()
            await asyncio.sleep(0.01)

    async with running(board):
        stall = await longest_stall(meanwhile())
    print(f"{illness}: longest stall {1000 * stall:.1f} ms")
    assert stall < 0.5
    assert daemon.wishes == []
    assert board.status()["role"] is None


@looped
async def test_children_that_flood_or_die_are_replaced_ever_more_slowly() -> None:
    starts: list[float] = []
    board = Daemon().board(*ill("sys.exit(1)"))
    spawn = board._spawn

    def counted() -> bool:
        starts.append(time.monotonic())
        return spawn()

    board._spawn = counted  # type: ignore[method-assign]
    async with running(board):
        await until(lambda: len(starts) >= 5)
    pauses = [after - before for before, after in pairwise(starts)]
    assert pauses[-1] > pauses[0]


@looped
async def test_a_child_that_floods_is_ended() -> None:
    board = Daemon().board(*ill(ILLNESSES["floods"]))
    async with running(board):
        await until(lambda: pid_of(board) != 0)
        first = pid_of(board)
        await until(lambda: pid_of(board) not in {0, first})


@looped
async def test_a_program_that_is_not_there_is_no_harm() -> None:
    board = Daemon().board("/nonexistent/program")
    async with running(board):
        await asyncio.sleep(0.2)
        assert board.status()["errors"] == 0


@looped
async def test_nothing_is_left_when_it_stopped() -> None:
    board = Daemon().board(*ill("time.sleep(60)"))
    async with running(board):
        await until(lambda: pid_of(board) != 0)
        pid = pid_of(board)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def open_descriptors(pid: int) -> dict[int, str]:
    folder = Path(f"/proc/{pid}/fd")
    return {int(one.name): os.readlink(one) for one in folder.iterdir()}


@looped
async def test_a_child_has_only_its_socket_and_standard_descriptors() -> None:
    board = Daemon().board(*ill("time.sleep(60)"))
    ours = os.dup(0)
    os.set_inheritable(ours, True)
    async with running(board):
        await until(lambda: pid_of(board) != 0)
        await asyncio.sleep(0.5)
        descriptors = open_descriptors(pid_of(board))
    os.close(ours)
    assert [kind for number, kind in descriptors.items() if number > 2 and not kind.startswith("socket:")] == []
    assert len([kind for kind in descriptors.values() if kind.startswith("socket:")]) == 1


@pytest.mark.parametrize(("unknown", "cap", "settled"), [(10, 600, True), (0, 600, False), (0, 0, True)])
def test_settled_is_guessed_while_nobody_knows(
    monkeypatch: pytest.MonkeyPatch, unknown: float, cap: float, settled: bool
) -> None:
    monkeypatch.setattr(module, "UNKNOWN", unknown)
    monkeypatch.setattr(module, "UNKNOWN_CAP", cap)
    assert Daemon().board("unused").settled is settled
