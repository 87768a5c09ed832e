"""The probe in company of an election: how often it asks, and when, if the election comes by and if it does not."""

import asyncio
import time
from collections.abc import Callable
from itertools import pairwise

import pytest
import uvloop

from sidecar.company import Company
from sidecar.ntp import probe
from sidecar.ntp.packet import Reply
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
        asking = Probe(
            server.target, lambda result, _: results.append(result), interval=INTERVAL, timeout=0.15, company=company
        )
        asking.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await asyncio.sleep(pace or 0.05)
            if pace and company.now() >= company.due:
                visits.append(time.monotonic())
                company.visit()
        asking.stop()

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
        for one in probes:
            one.stop()

    with Server(honest) as server, Server(honest, "127.0.0.9") as vip:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run())
        both = [asked[-6:] for asked in ([when for when, _ in one.questions] for one in (server, vip))]
    assert max(abs(first - second) for first, second in zip(*both, strict=True)) < 0.1
    assert len(turns) <= 12 * 0.8 + 2


class Told:
    """What a probe told and when, and when an election came by."""

    def __init__(self, server: Server, *, well: bool = True) -> None:
        """``well``: what it is told in return for an answer."""
        self._target = server.target
        self._well = well
        self.told: list[tuple[float, ProbeResult, float]] = []
        self.visits: list[float] = []

    def __call__(self, result: ProbeResult, came_at: float) -> bool:
        self.told.append((time.monotonic(), result, came_at))
        return self._well and isinstance(result.outcome, Reply)

    def run(self, *steps: tuple[float, Callable[[], object]], pace: float = SECOND) -> "Told":
        """So many seconds and then something, again and again."""

        async def run() -> None:
            company = Company()
            asking = Probe(self._target, self, interval=INTERVAL, timeout=0.15, company=company)
            asking.start()
            for seconds, act in steps:
                end = time.monotonic() + seconds
                while time.monotonic() < end:
                    await asyncio.sleep(min(pace, end - time.monotonic()))
                    if pace < seconds and company.now() >= company.due:
                        self.visits.append(time.monotonic())
                        company.visit()
                act()
            asking.stop()

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run())
        return self

    def answers(self) -> tuple[int, int]:
        """How many came with an election, and how many were waited for."""
        in_company = sum(any(0 <= when - visit < 0.05 for visit in self.visits) for when, _, _ in self.told)
        waited_for = sum(result.rtt_s is not None for _, result, _ in self.told)
        return in_company, waited_for

    def misses(self, outcome: Miss) -> list[tuple[float, float]]:
        """When each was told, and when it is said to have come to be."""
        return [(when, at) for when, result, at in self.told if result.outcome is outcome]


def nothing() -> None:
    """Only wait."""


def test_while_all_is_well_an_answer_wakes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_NO_PATIENCE_S", 0.0)  # this machine may be busy, and the visits late
    with Server(honest) as server:
        in_company, waited_for = Told(server).run((6.0, nothing)).answers()
    assert in_company >= 8
    assert waited_for <= 4, "the first, and one in sixteen"


def test_as_long_as_not_all_is_well_answers_are_waited_for() -> None:
    with Server(honest) as server:
        told = Told(server, well=False).run((3.0, nothing))
    assert None not in [result.rtt_s for _, result, _ in told.told if isinstance(result.outcome, Reply)]
    assert len(told.told) >= 4


def test_where_no_election_comes_by_answers_are_waited_for() -> None:
    with Server(honest) as server:
        told = Told(server).run((6.0, nothing), pace=7.0)
    assert told.answers()[1] >= len(told.told) - 1 >= 5


def test_beside_an_election_that_comes_by_all_the_time_answers_are_waited_for() -> None:
    """To hear one later costs as much then."""
    with Server(honest) as server:
        told = Told(server).run((4.0, nothing), pace=0.03)
    assert told.answers()[1] >= len(told.told) - 1 >= 5


def test_that_a_server_was_killed_is_known_with_the_question_though_no_answer_is_waited_for() -> None:
    with Server(honest) as server:
        told = Told(server).run((3.0, server.end), (3 * SECOND, nothing))
    first, _ = told.misses(Miss.REFUSED)[0]
    assert min(abs(first - visit) for visit in told.visits) < SLACK


def test_silence_that_was_not_waited_for_is_looked_into_by_the_clock_as_any_other() -> None:
    """The first miss is told when the next question is due, with the time at which it was one."""
    with Server(honest) as server:
        told = Told(server).run((3.0, lambda: setattr(server, "answer", silent)), (4 * INTERVAL, nothing))
        asked = [when for when, _ in server.questions]
    (first_told, first_at), (second_told, second_at), *_ = told.misses(Miss.TIMEOUT)
    question = max(when for when in asked if when < first_at)
    assert first_at - question == pytest.approx(0.15, abs=SLACK)
    assert first_told - question < 0.9 * INTERVAL + SLACK
    assert second_told == pytest.approx(second_at, abs=SLACK)
    assert second_at - question < 0.9 * INTERVAL + 0.15 + SLACK


def test_a_server_that_has_become_slow_is_found_out() -> None:
    """Its answers lie there when the election comes by; one question in sixteen is waited for, and all after a miss."""

    def slow(cookie: bytes) -> list[bytes]:
        time.sleep(0.2)
        return honest(cookie)

    with Server(honest) as server:
        told = Told(server).run((1.5, lambda: setattr(server, "answer", slow)), (17 * INTERVAL, nothing))
    outcomes = [result.outcome for _, result, _ in told.told]
    assert outcomes[-3:] == [Miss.TIMEOUT] * 3
    assert isinstance(outcomes[4], Reply)
