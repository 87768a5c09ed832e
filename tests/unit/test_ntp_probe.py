"""The probe against real UDP servers on the loopback, honest and hostile, on asyncio's loop and on uvloop's."""

import asyncio
import socket
import time
from collections.abc import Iterable, Iterator
from itertools import pairwise
from math import exp
from threading import Event

import pytest
import uvloop

from sidecar.ntp import resolve
from sidecar.ntp.packet import Refusal, Reply
from sidecar.ntp.probe import INTERVAL_S, Probe, ProbeResult
from sidecar.ntp.target import Target
from sidecar.ntp.verdict import Miss, Outcome
from tests.unit.ntp_reply import reply_bytes
from tests.unit.ntp_server import Server, honest, silent, unused_port

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=LOOPS)
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
        yield runner


one_loop_will_do = pytest.mark.parametrize("runner", ["uvloop"], indirect=True)  # where it is our logic that is asked


def ask(runner: asyncio.Runner, target: Target, count: int, **options: object) -> tuple[list[ProbeResult], Probe]:
    """The first `count` results, asked quickly."""

    async def run() -> tuple[list[ProbeResult], Probe]:
        results: list[ProbeResult] = []
        enough = asyncio.Event()

        def on_result(result: ProbeResult, _: float) -> None:
            results.append(result)
            if len(results) >= count:
                enough.set()

        probe = Probe(target, on_result, **({"interval": 0.11, "timeout": 0.1} | options))  # type: ignore[arg-type]
        probe.start()
        try:
            async with asyncio.timeout(20):
                await enough.wait()
        finally:
            probe.stop()
        return results[:count], probe

    return runner.run(run())


def outcomes(results: Iterable[ProbeResult]) -> list[Outcome | type[Reply]]:
    return [Reply if isinstance(result.outcome, Reply) else result.outcome for result in results]


# --------------------------------------------------------------------------------------------------- honest servers


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_server_is_asked_and_heard(runner: asyncio.Runner, host: str) -> None:
    with Server(honest, "127.0.0.1" if host == "localhost" else host) as server:
        results, _ = ask(runner, Target(host, server.target.port), 4)
    assert outcomes(results)[-3:] == [Reply] * 3  # localhost may be ::1 first, where nobody listens
    assert all(result.rtt_s is not None and 0 < result.rtt_s < 1 for result in results[-3:])


@one_loop_will_do
def test_each_question_has_a_cookie_of_its_own(runner: asyncio.Runner) -> None:
    with Server(honest) as server:
        ask(runner, server.target, 4)
    assert {question[:40] for _, question in server.questions} == {b"\x23" + bytes(39)}
    assert len({question[40:] for _, question in server.questions}) == len(server.questions) >= 4


@one_loop_will_do
def test_questions_are_an_interval_apart_and_no_faster(runner: asyncio.Runner) -> None:
    with Server(honest) as server:
        ask(runner, server.target, 5, interval=0.2)
    times = [when for when, _ in server.questions]
    assert times[4] - times[0] >= 4 * 0.2 - 0.05


# ------------------------------------------------------------------------------------------------------- no server


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_closed_port_is_refused_each_time(runner: asyncio.Runner, host: str) -> None:
    with unused_port(host) as target:
        assert outcomes(ask(runner, target, 3)[0]) == [Miss.REFUSED] * 3


def test_a_silent_server_is_a_timeout_each_time(runner: asyncio.Runner) -> None:
    with Server(silent) as server:
        results, _ = ask(runner, server.target, 3)
    assert outcomes(results) == [Miss.TIMEOUT] * 3
    assert [result.rtt_s for result in results] == [None] * 3


@one_loop_will_do
def test_a_server_that_comes_back_is_heard_again(runner: asyncio.Runner) -> None:
    async def run() -> list[ProbeResult]:
        results: list[ProbeResult] = []
        probe = Probe(target, lambda result, _: results.append(result), interval=0.15, timeout=0.1)
        probe.start()
        await asyncio.sleep(0.2)
        with Server(honest, port=target.port):
            await asyncio.sleep(0.5)
        await asyncio.sleep(0.3)
        probe.stop()
        return results

    with unused_port() as target:
        heard = outcomes(runner.run(run()))
    assert heard[0] is heard[-1] is Miss.REFUSED
    assert heard.count(Reply) >= 2


def test_an_address_without_route_is_a_miss(runner: asyncio.Runner) -> None:
    """240/4 is reserved: the kernel itself refuses to send there."""
    results, _ = ask(runner, Target("240.0.0.1", 123), 2)
    assert all(isinstance(result.outcome, Miss) for result in results)


def test_a_virtual_address_that_is_not_here_is_never_asked_elsewhere(runner: asyncio.Runner) -> None:
    results, _ = ask(runner, Target("192.0.2.213", 123), 2, own_address=True)
    assert outcomes(results) == [Miss.ABSENT] * 2


@pytest.mark.parametrize("host", ["127.0.0.9", "::1"])
def test_a_virtual_address_is_asked_from_itself(runner: asyncio.Runner, host: str) -> None:
    with Server(honest, host) as server:
        assert outcomes(ask(runner, server.target, 2, own_address=True)[0]) == [Reply] * 2


# -------------------------------------------------------------------------------------------------- hostile servers


@one_loop_will_do
def test_forged_datagrams_are_counted_and_the_genuine_answer_still_heard(runner: asyncio.Runner) -> None:
    def forge(cookie: bytes) -> list[bytes]:
        wrong = bytes(byte ^ 255 for byte in cookie)
        kiss = reply_bytes(wrong, leap=3, stratum=0, refid=b"DENY")
        return [b"", b"short", reply_bytes(wrong), kiss, reply_bytes(cookie, mode=3), reply_bytes(cookie)]

    with Server(forge) as server:
        results, probe = ask(runner, server.target, 2)
    assert outcomes(results) == [Reply] * 2
    assert {Refusal.SHORT, Refusal.ORIGIN, Refusal.MODE} <= probe.refused.keys()


@one_loop_will_do
def test_a_second_answer_to_the_same_question_is_refused(runner: asyncio.Runner) -> None:
    with Server(lambda cookie: [reply_bytes(cookie)] * 3) as server:
        results, probe = ask(runner, server.target, 3)
    assert outcomes(results) == [Reply] * 3
    assert probe.refused[Refusal.ORIGIN] >= 2


@one_loop_will_do
def test_an_answer_from_another_port_is_not_heard(runner: asyncio.Runner) -> None:
    """A load balancer or a careless server that answers from elsewhere: its clients would not hear it either."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other, Server(silent) as server:
        server.answer = lambda cookie: _send_from(other, server, cookie)
        results, probe = ask(runner, server.target, 2)
    assert outcomes(results) == [Miss.TIMEOUT] * 2
    assert not probe.refused


def _send_from(other: socket.socket, server: Server, cookie: bytes) -> list[bytes]:
    for port in _clients_of(server.target):
        other.sendto(reply_bytes(cookie), (server.target.host, port))
    return []


def _clients_of(target: Target) -> list[int]:
    """The ports of this host's sockets that are connected to the server, from /proc/net/udp."""
    host = socket.inet_aton(target.host)[::-1].hex().upper()
    with open("/proc/net/udp") as table:
        fields = [line.split() for line in table.readlines()[1:]]
    return [
        int(local.partition(":")[2], 16) for _, local, remote, *_ in fields if remote == f"{host}:{target.port:04X}"
    ]


@one_loop_will_do
def test_a_server_that_asks_for_fewer_queries_gets_them(runner: asyncio.Runner) -> None:
    def kiss(cookie: bytes) -> list[bytes]:
        return [reply_bytes(cookie, leap=3, stratum=0, refid=b"RATE")]

    with Server(kiss) as server:
        results, _ = ask(runner, server.target, 3)
    assert outcomes(results) == [Refusal.KISS_RATE] * 3
    times = [when for when, _ in server.questions]
    pauses = [late - early for early, late in pairwise(times)]
    assert pauses[0] >= 0.21
    assert pauses[1] >= 0.43


@one_loop_will_do
def test_the_pace_comes_back_after_ten_good_answers(runner: asyncio.Runner) -> None:
    def first_kiss(cookie: bytes) -> list[bytes]:
        first = len(server.questions) == 1
        return [reply_bytes(cookie, stratum=0, refid=b"RATE")] if first else [reply_bytes(cookie)]

    with Server(first_kiss) as server:
        ask(runner, server.target, 15)
    times = [when for when, _ in server.questions]
    assert times[10] - times[0] >= 10 * 0.22 - 0.02
    assert times[14] - times[11] < 3 * 0.22


@one_loop_will_do
def test_a_miss_is_looked_into_sooner_but_not_for_ever(runner: asyncio.Runner) -> None:
    with Server(silent) as server:
        ask(runner, server.target, 6, interval=0.4)
    pauses = [late - early for early, late in pairwise(when for when, _ in server.questions)]
    assert sum(pauses[:3]) < 3 * 0.4
    assert sum(pauses[3:]) > 2 * 0.4 * 0.85


def test_neither_pace_is_kept_up_above_the_limit_of_ntpsec() -> None:
    """Its score: each query adds 1/20 and decays with a time constant of 20 s; above 1 it answers no more."""
    assert INTERVAL_S * 0.8 >= 1
    steady = 1 / 20 / (1 - exp(-INTERVAL_S / 20))
    assert steady < 0.9


# ------------------------------------------------------------------------------------------------- names, ends, stalls


def test_a_name_that_does_not_resolve_is_a_miss_each_time(runner: asyncio.Runner) -> None:
    results, _ = ask(runner, Target("a" * 63 + ".invalid", 123), 2)
    assert outcomes(results) == [Miss.UNRESOLVED] * 2


def test_a_dns_that_hangs_holds_up_neither_the_loop_nor_the_results(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No DNS server can be made to hang here without one of our own, so the look-up itself is what hangs."""
    wake, begun = Event(), []

    def hang(target: Target, family: int, flags: int) -> list[resolve.Endpoint]:
        if flags:
            raise OSError("a name, not an address")
        begun.append(target)
        wake.wait(30)
        return []

    monkeypatch.setattr(resolve, "_lookup", hang)
    results, _ = ask(runner, Target("ntp.example", 123), 4)
    assert outcomes(results) == [Miss.UNRESOLVED] * 4
    assert len(begun) == 1
    wake.set()


def test_an_answer_that_waits_behind_a_stall_of_ours_is_heard(runner: asyncio.Runner) -> None:
    """A stopped process, or a paused virtual machine: time-out and answer are both there when it wakes."""

    async def run() -> list[ProbeResult]:
        results: list[ProbeResult] = []
        probe = Probe(server.target, lambda result, _: results.append(result), interval=0.3, timeout=0.1)
        probe.start()
        for _ in range(3):
            await asyncio.sleep(0.02)
            time.sleep(0.2)  # noqa: ASYNC251 - it is the loop that shall stall
        probe.stop()
        return results

    def slow(cookie: bytes) -> list[bytes]:
        time.sleep(0.05)
        return [reply_bytes(cookie)]

    with Server(slow) as server:
        assert set(outcomes(runner.run(run()))) == {Reply}


@one_loop_will_do
def test_a_time_out_hears_what_has_arrived_before_it_concludes_silence(runner: asyncio.Runner) -> None:
    """Both loops happen to read before they look at timers; neither promises it, so the time-out is called by hand."""

    async def run() -> list[ProbeResult]:
        results: list[ProbeResult] = []
        probe = Probe(server.target, lambda result, _: results.append(result), interval=10, timeout=9)
        probe.start()
        while not server.questions:  # noqa: ASYNC110 - the server is a thread
            await asyncio.sleep(0)
        time.sleep(0.1)  # noqa: ASYNC251 - the answer arrives and the loop does not look
        probe._conclude(probe._company.now())
        probe.stop()
        return results

    def slow(cookie: bytes) -> list[bytes]:
        time.sleep(0.05)
        return [reply_bytes(cookie)]

    with Server(slow) as server:
        assert outcomes(runner.run(run())) == [Reply]


@one_loop_will_do
def test_a_miss_is_followed_by_a_new_socket_and_an_answer_is_not(runner: asyncio.Runner) -> None:
    """The route, or our own address, may be others by now; a connected socket would go on with the old ones."""
    with Server(silent) as server:
        ask(runner, server.target, 3)
        assert len(set(server.ports)) == len(server.ports) >= 3
    with Server(honest) as server:
        ask(runner, server.target, 3)
        assert len(set(server.ports)) == 1


@one_loop_will_do
def test_a_listener_that_raises_does_not_end_the_questions(runner: asyncio.Runner) -> None:
    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context))
        probe = Probe(server.target, listener, interval=0.15, timeout=0.1)
        probe.start()
        await asyncio.sleep(0.7)
        probe.stop()

    def listener(result: ProbeResult, now: float) -> None:
        raise RuntimeError("a fault in the listener")

    raised: list[object] = []
    with Server(honest) as server:
        runner.run(run())
    assert len(raised) >= 3


@one_loop_will_do
def test_a_listener_may_stop_the_probe_and_nothing_comes_after(runner: asyncio.Runner) -> None:
    async def run() -> int:
        results: list[ProbeResult] = []

        def stop(result: ProbeResult, now: float) -> None:
            results.append(result)
            probe.stop()

        probe = Probe(server.target, stop, interval=0.15, timeout=0.1)
        probe.start()
        await asyncio.sleep(0.5)
        return len(results)

    with Server(lambda cookie: [reply_bytes(cookie)] * 5) as server:
        assert runner.run(run()) == 1


@one_loop_will_do
def test_start_and_stop_may_be_repeated_and_leave_no_socket(runner: asyncio.Runner) -> None:
    async def run() -> None:
        probe = Probe(server.target, lambda result, _: results.append(result), interval=0.15, timeout=0.1)
        for _ in range(2):
            probe.stop()
            probe.start()
            probe.start()
            await asyncio.sleep(0.2)
        probe.stop()
        probe.stop()

    results: list[ProbeResult] = []
    with Server(honest) as server:
        runner.run(run())
        assert not _clients_of(server.target)
    assert 2 <= len(results) <= 4


def test_a_timeout_must_end_within_the_interval() -> None:
    with pytest.raises(ValueError, match="timeout"):
        Probe(Target("127.0.0.1"), print, interval=0.5, timeout=0.5)
