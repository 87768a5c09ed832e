"""The watch as the daemon sees it: demotions, status and log lines, from real UDP servers on the loopback."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest
import uvloop

from sidecar.ntp.target import Target
from sidecar.ntp.verdict import Hysteresis, Thresholds
from sidecar.ntp.watch import Demotion, NtpWatch
from tests.unit.ntp_reply import reply_bytes
from tests.unit.ntp_server import Server, honest, silent, unused_port

QUICK = Thresholds(
    unsynchronised=Hysteresis(2, 0.0),
    dead=Hysteresis(3, 0.0),
    leave_probes=3,
    min_dwell_s=0.0,
    start_patience_s=0.4,
    vip_grace_s=0.45,  # as in earnest longer than a question's interval and its timeout together
    vip_hold_s=0.3,
)
INTERVAL = 0.16
VIP, OTHER = "127.0.0.9", "127.0.0.10"


def unsynchronised(cookie: bytes) -> list[bytes]:
    return [reply_bytes(cookie, leap=3, stratum=0, refid=bytes(4))]


class Watched:
    """A watch, what it told, and a way to wait for what it shall tell."""

    def __init__(self, target: Target | None) -> None:
        self.told: list[Demotion] = []
        self.watch = NtpWatch(target, self.told.append, thresholds=QUICK, interval=INTERVAL, timeout=0.15)

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(15):
            while not true():  # noqa: ASYNC110 - an event would be a hook into the product
                await asyncio.sleep(0.02)


def run(target: Target | None, scenario: Callable[[Watched], Awaitable[None]]) -> list[Demotion]:
    """What the watch told during the scenario; it runs on uvloop as in the daemon."""

    async def whole() -> list[Demotion]:
        watched = Watched(target)
        try:
            await scenario(watched)
        finally:
            watched.watch.stop()
        return watched.told

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(whole())


@contextmanager
def server_and_vip(host: str = VIP) -> Iterator[tuple[Server, Server]]:
    """A server, and the same port on a virtual address."""
    with Server(honest) as server, Server(honest, host, server.target.port) as vip:
        yield server, vip


# ------------------------------------------------------------------------------------------------------- the server


def test_demotion_is_highest_until_the_first_good_answer() -> None:
    async def scenario(watched: Watched) -> None:
        assert watched.watch.demotion == 240
        watched.watch.start()
        assert watched.told == [Demotion("ntp", 240)]
        await watched.until(lambda: len(watched.told) > 1)
        assert watched.watch.state == "ok"
        await asyncio.sleep(2 * INTERVAL)

    with Server(honest) as server:
        assert run(server.target, scenario) == [Demotion("ntp", 240), Demotion("ntp", 0)]


def test_only_a_change_of_the_amount_is_told_not_of_the_state() -> None:
    async def scenario(watched: Watched) -> None:
        watched.watch.start()
        await watched.until(lambda: watched.watch.state == "ok")
        server.answer = unsynchronised
        await watched.until(lambda: watched.watch.state == "unsynchronised")
        server.answer = silent
        await watched.until(lambda: watched.watch.state == "dead")
        server.answer = honest
        await watched.until(lambda: watched.watch.state == "ok")

    with Server(honest) as server:
        told = run(server.target, scenario)
    assert [demotion.amount for demotion in told] == [240, 0, 240, 0]


def test_each_change_of_state_is_one_log_line_with_old_new_and_reason(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(watched: Watched) -> None:
        watched.watch.start()
        await watched.until(lambda: watched.watch.state == "ok")
        await asyncio.sleep(3 * INTERVAL)
        server.answer = unsynchronised
        await watched.until(lambda: watched.watch.state == "unsynchronised")
        await asyncio.sleep(3 * INTERVAL)

    caplog.set_level(logging.INFO)
    with Server(honest) as server:
        run(server.target, scenario)
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("INFO", f"NTP server {server.target}: new -> ok, demotion 0: stratum 2"),
        (
            "WARNING",
            f"NTP server {server.target}: ok -> unsynchronised, demotion 240: not synchronised (leap 3, stratum 0)",
        ),
    ]


def test_a_server_that_was_never_there_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(watched: Watched) -> None:
        watched.watch.start()
        await watched.until(lambda: caplog.records)
        await asyncio.sleep(4 * INTERVAL)
        assert watched.watch.status()["state"] == "dead"
        assert watched.watch.status()["stratum"] is None

    with unused_port() as target:
        assert run(target, scenario) == [Demotion("ntp", 240)]
    assert [record.message for record in caplog.records] == [
        f"NTP server {target}: new -> dead, demotion 240: connection refused"
    ]


def test_status_has_the_figures_of_the_last_answer() -> None:
    async def scenario(watched: Watched) -> None:
        watched.watch.start()
        await watched.until(lambda: watched.watch.reply)
        assert watched.watch.status() == {
            "state": "ok",
            "stratum": 3,
            "leap": 1,
            "reference_age_s": 2.5,
            "root_distance_s": 0.0625,
            "vip_answers": None,
        }
        assert watched.watch.reason == "stratum 3"

    def answer(cookie: bytes) -> list[bytes]:
        return [reply_bytes(cookie, leap=1, stratum=3, age_s=2.5, delay_s=0.0625, dispersion_s=0.03125)]

    with Server(answer) as server:
        run(server.target, scenario)


def test_off_watches_nothing_and_demotes_nothing() -> None:
    async def scenario(watched: Watched) -> None:
        watched.watch.start()
        watched.watch.set_master((VIP,))
        assert watched.watch.status() == {
            "state": "off",
            "stratum": None,
            "leap": None,
            "reference_age_s": None,
            "root_distance_s": None,
            "vip_answers": None,
        }
        assert (watched.watch.demotion, watched.watch.vip_demotion((VIP,))) == (0, 0)
        assert (watched.watch.verdict, watched.watch.reason) == (None, "not watched")
        await asyncio.sleep(2 * INTERVAL)

    assert run(None, scenario) == []


def test_nothing_is_asked_or_told_after_stop() -> None:
    async def scenario(watched: Watched) -> None:
        watched.watch.start()
        watched.watch.set_master((VIP,))
        await watched.until(lambda: watched.watch.vip_answers)
        watched.watch.stop()
        asked = len(server.questions), len(vip.questions)
        await asyncio.sleep(2 * INTERVAL)
        assert (len(server.questions), len(vip.questions)) == asked

    with server_and_vip() as (server, vip):
        run(server.target, scenario)


def test_start_twice_is_start_once() -> None:
    async def scenario(watched: Watched) -> None:
        watched.watch.start()
        watched.watch.start()

    assert run(Target("127.0.0.1"), scenario) == [Demotion("ntp", 240)]


# ---------------------------------------------------------------------------------------------- the virtual address


def test_a_virtual_address_is_asked_only_while_it_is_held() -> None:
    async def scenario(watched: Watched) -> None:
        watched.watch.start()
        await watched.until(lambda: watched.watch.state == "ok")
        assert vip.questions == []
        watched.watch.set_master((VIP,))
        await watched.until(lambda: watched.watch.vip_answers)
        watched.watch.set_master((VIP,))
        watched.watch.set_master(())
        asked = len(vip.questions)
        assert watched.watch.vip_answers is None
        await asyncio.sleep(2 * INTERVAL)
        assert len(vip.questions) == asked

    with server_and_vip() as (server, vip):
        assert {demotion.cause for demotion in run(server.target, scenario)} == {"ntp"}


def test_a_silent_virtual_address_demotes_until_it_answers() -> None:
    async def scenario(watched: Watched) -> None:
        watched.watch.set_master((VIP,))
        watched.watch.start()
        await watched.until(lambda: watched.watch.vip_answers is False and watched.watch.vip_demotion((VIP,)))
        vip.answer = honest
        await watched.until(lambda: watched.watch.vip_answers)

    with server_and_vip() as (server, vip):
        vip.answer = silent
        told = run(server.target, scenario)
    assert [demotion for demotion in told if demotion.cause == "vip"] == [
        Demotion("vip", 240, VIP),
        Demotion("vip", 0, VIP),
    ]


def test_a_virtual_host_is_worth_its_worst_address() -> None:
    async def scenario(watched: Watched) -> None:
        watched.watch.start()
        watched.watch.set_master((VIP, OTHER))
        await watched.until(lambda: watched.watch.vip_demotion((VIP, OTHER)))
        assert watched.watch.vip_demotion((OTHER,)) == 240
        assert watched.watch.vip_demotion((VIP,)) == 0
        assert watched.watch.vip_demotion(("192.0.2.1",)) == 0
        assert watched.watch.vip_answers is False

    with server_and_vip() as (server, _):  # nobody listens on the other
        assert Demotion("vip", 240, OTHER) in run(server.target, scenario)


def test_a_dead_server_explains_its_silent_address(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(watched: Watched) -> None:
        watched.watch.start()
        watched.watch.set_master((VIP,))
        await watched.until(lambda: watched.watch.state == "ok" and watched.watch.vip_answers)
        server.answer = vip.answer = silent
        await watched.until(lambda: watched.watch.state == "dead")
        await watched.until(lambda: watched.watch.vip_answers is False)
        await asyncio.sleep(3 * INTERVAL)

    with server_and_vip() as (server, vip):
        told = run(server.target, scenario)
    assert {demotion.cause for demotion in told} == {"ntp"}
    assert f"virtual address {VIP} does not answer NTP (no answer), demotion 0" in caplog.messages


def test_a_silent_address_that_was_given_up_gets_another_chance_later() -> None:
    async def scenario(watched: Watched) -> None:
        watched.watch.start()
        watched.watch.set_master((VIP,))
        await watched.until(lambda: watched.watch.vip_demotion((VIP,)))
        watched.watch.set_master(())
        assert (watched.watch.vip_answers, watched.watch.vip_demotion((VIP,))) == (False, 240)
        await watched.until(lambda: not watched.watch.vip_demotion((VIP,)))
        assert watched.watch.vip_answers is None

    with server_and_vip(OTHER) as (server, _):
        told = run(server.target, scenario)
    assert [demotion.amount for demotion in told if demotion.cause == "vip"] == [240, 0]


def test_a_listener_that_gives_the_address_up_at_once_is_safe() -> None:
    """The election may step down inside the call that demotes it."""

    async def whole() -> None:
        def step_down(demotion: Demotion) -> None:
            told.append(demotion)
            if demotion.cause == "vip":
                watch.set_master(())

        watch = NtpWatch(server.target, step_down, thresholds=QUICK, interval=INTERVAL, timeout=0.15)
        watch.start()
        watch.set_master((VIP,))
        async with asyncio.timeout(15):
            while not told or told[-1].cause != "vip" or told[-1].amount:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.02)
        await asyncio.sleep(2 * INTERVAL)
        watch.stop()

    told: list[Demotion] = []
    with server_and_vip(OTHER) as (server, _), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(whole())
    assert [demotion.amount for demotion in told if demotion.cause == "vip"] == [240, 0]
