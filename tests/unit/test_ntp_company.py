"""The probe in company of an election: how often it asks, and when, if the election comes by and if it does not."""

import asyncio
import time
from itertools import pairwise

import pytest
import uvloop

from sidecar.company import Company
from sidecar.ntp.probe import INTERVAL_S, Probe, ProbeResult
from sidecar.ntp.verdict import Miss
from tests.unit.ntp_server import Server, honest, silent

INTERVAL = 0.5
"""Of questions; the probe's bounds go with it, as does the election's second."""

SECOND = INTERVAL / INTERVAL_S
SLACK = 0.1


def ask(server: Server, seconds: float, pace: float | None) -> tuple[list[ProbeResult], list[float]]:
    """What came of the questions of so many seconds, and when an election came by each ``pace`` s."""
    results: list[ProbeResult] = []
    visits: list[float] = []

    async def run() -> None:
        company = Company()
        probe = Probe(
            server.target, lambda result, _: results.append(result), interval=INTERVAL, timeout=0.15, company=company
        )
        probe.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await asyncio.sleep(pace or 0.05)
            if pace and company.now() >= company.due:
                visits.append(time.monotonic())
                company.visit()
        probe.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
    return results, visits


def pauses(server: Server) -> list[float]:
    return [late - early for early, late in pairwise(when for when, _ in server.questions)]


def test_questions_come_with_the_election_and_as_often_as_alone() -> None:
    """Advertisements a second apart, questions 1.25 s: four of five bring one."""
    with Server(honest) as server:
        _, visits = ask(server, 6.0, SECOND)
    assert 6.0 / INTERVAL * 0.7 <= len(server.questions) <= 6.0 / INTERVAL + 2
    accompanied = [when for when, _ in server.questions if any(0 <= when - visit < 0.05 for visit in visits)]
    assert len(accompanied) >= len(server.questions) - 2
    assert min(pauses(server)) >= 0.76 * INTERVAL - 0.05
    assert max(pauses(server)) <= 2 * SECOND + SLACK


@pytest.mark.parametrize("pace", [0.01, 0.05])
def test_an_election_that_is_fast_brings_a_question_each_interval_and_no_more(pace: float) -> None:
    with Server(honest) as server:
        _, visits = ask(server, 4.0, pace)
    assert 4.0 / INTERVAL * 0.7 <= len(server.questions) <= 4.0 / INTERVAL + 2
    assert len(visits) <= len(server.questions) + 2
    assert min(pauses(server)) >= 0.76 * INTERVAL - 0.05


def test_without_an_election_the_server_is_asked_within_twice_its_interval() -> None:
    with Server(honest) as server:
        ask(server, 4.0, None)
    assert len(server.questions) >= 4
    assert max(pauses(server)) <= 1.8 * INTERVAL + SLACK


def test_a_miss_is_looked_into_by_the_clock_whether_the_election_comes_by_or_not() -> None:
    with Server(silent) as server:
        results, _ = ask(server, 2.0, None)
    assert {result.outcome for result in results} == {Miss.TIMEOUT}
    assert sum(pauses(server)[:3]) <= 3 * 0.8 * INTERVAL + SLACK


def test_two_probes_ask_in_the_same_company() -> None:
    """The server and the address that it is served by: one wake-up for both questions, and both answers."""
    turns: list[float] = []

    async def run() -> None:
        company = Company()
        probes = [
            Probe(one.target, lambda *_: None, interval=INTERVAL, timeout=0.15, company=company)
            for one in (server, vip)
        ]
        probes[0].start()
        await asyncio.sleep(0.3 * INTERVAL)
        probes[1].start()
        for _ in range(12):
            await asyncio.sleep(SECOND)
            if company.now() >= company.due:
                turns.append(time.monotonic())
                company.visit()
        for probe in probes:
            probe.stop()

    with Server(honest) as server, Server(honest, "127.0.0.9") as vip:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run())
        both = [asked[-6:] for asked in ([when for when, _ in one.questions] for one in (server, vip))]
    assert max(abs(first - second) for first, second in zip(*both, strict=True)) < 0.1
    assert len(turns) <= 12 * 0.8 + 2
