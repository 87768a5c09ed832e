"""The platform facts that the runtime stands on, on the real loop and the real kernel."""

import asyncio
import select
import socket
import time
from collections.abc import Iterator

import pytest
import uvloop

from sidecar.net.readable import Readable
from sidecar.runtime.recorder import Recorder, plain
from sidecar.runtime.timer import DeadlineTimer


async def _fires_at(delay: float) -> float:
    loop = asyncio.get_running_loop()
    timer, fired = DeadlineTimer(), loop.create_future()
    deadline = time.monotonic() + delay

    def on_timer() -> None:
        timer.acknowledge()
        if not fired.done():
            fired.set_result(time.monotonic())

    loop.add_reader(timer.fileno(), on_timer)
    timer.arm(deadline)
    try:
        at: float = await asyncio.wait_for(fired, 5)
    finally:
        loop.remove_reader(timer.fileno())
        timer.close()
    return at - deadline


@pytest.mark.parametrize("delay", [0.0, 0.0039, 0.05])
def test_a_deadline_is_never_early(delay: float) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(_fires_at(delay)) >= 0.0


def test_a_disarmed_timer_stays_silent() -> None:
    timer = DeadlineTimer()
    timer.arm(time.monotonic() + 0.02)
    timer.arm(None)
    readable, _, _ = select.select([timer.fileno()], [], [], 0.1)
    timer.close()
    assert readable == []


@pytest.fixture
def timer() -> Iterator[DeadlineTimer]:
    made = DeadlineTimer()
    yield made
    made.close()


def lateness(timer: DeadlineTimer, deadline: float) -> float:
    """Arm it, and see how much later than that it fires, seconds."""
    timer.arm(deadline)
    assert select.select([timer.fileno()], [], [], 5.0)[0]
    late = time.monotonic() - deadline
    timer.acknowledge()
    return late


def silent(timer: DeadlineTimer, seconds: float = 0.05) -> bool:
    return select.select([timer.fileno()], [], [], seconds)[0] == []


def test_equal_steps_are_never_early_and_end_when_none_is_wanted(timer: DeadlineTimer) -> None:
    begin = time.monotonic()
    assert all(0.0 <= lateness(timer, begin + step * 5 / 256) < 2.0 for step in range(1, 21))
    timer.arm(None)
    assert silent(timer)


def test_equal_steps_are_the_kernels_own_period(timer: DeadlineTimer, monkeypatch: pytest.MonkeyPatch) -> None:
    begin, periods, set_it = time.monotonic() + 0.01, list[int](), DeadlineTimer._set

    def noted(self: DeadlineTimer, due: int, period: int) -> None:
        periods.append(period)
        set_it(self, due, period)

    monkeypatch.setattr(DeadlineTimer, "_set", noted)
    for step in range(20):
        lateness(timer, begin + step * 5 / 256)
    assert len(periods) < 10, "it was set each time"


def test_another_step_after_equal_ones_is_another_deadline(timer: DeadlineTimer) -> None:
    begin = time.monotonic()
    for step in range(1, 5):
        lateness(timer, begin + step * 0.01)
    timer.arm(time.monotonic() + 0.2)
    assert silent(timer, 0.1)


def test_a_deadline_in_the_middle_of_a_step_is_heeded(timer: DeadlineTimer) -> None:
    begin = time.monotonic()
    for step in range(1, 5):
        lateness(timer, begin + step * 0.05)
    timer.arm(begin + 0.25)
    assert lateness(timer, begin + 0.21) >= 0.0


def test_who_was_late_by_more_than_a_step_is_woken_for_the_next_at_once(timer: DeadlineTimer) -> None:
    begin = time.monotonic()
    for step in range(1, 5):
        lateness(timer, begin + step * 0.02)
    timer.arm(begin + 0.1)
    time.sleep(0.1)
    timer.acknowledge()
    timer.arm(begin + 0.12)
    assert not silent(timer, 0.01)


def test_the_same_deadline_after_it_fired_fires_again(timer: DeadlineTimer) -> None:
    begin = time.monotonic()
    for step in (1, 2, 3, 3):
        assert lateness(timer, begin + step * 0.01) >= 0.0


def test_a_timer_that_did_not_fire_may_be_acknowledged(timer: DeadlineTimer) -> None:
    begin = time.monotonic()
    for step in range(1, 4):
        lateness(timer, begin + step * 0.02)
    timer.arm(begin + 0.08)
    timer.acknowledge()
    assert lateness(timer, begin + 0.1) >= 0.0


async def _hears_after_an_error() -> list[bytes]:
    """A UDP socket whose peer is not there reports an error; afterwards it must still be heard."""
    loop = asyncio.get_running_loop()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    other.bind(("127.0.0.1", 0))
    gone = other.getsockname()
    other.close()
    sock.setblocking(False)
    sock.connect(gone)
    readable, heard = Readable(sock), []

    def on_readable() -> None:
        try:
            heard.append(sock.recv(100))
        except OSError:
            heard.append(b"error")

    loop.add_reader(readable.fileno(), on_readable)
    sock.send(b"anybody?")
    await asyncio.sleep(0.05)
    back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    back.bind(gone)
    back.sendto(b"yes", sock.getsockname())
    await asyncio.sleep(0.05)
    loop.remove_reader(readable.fileno())
    for one in (sock, back):
        one.close()
    readable.close()
    return heard


def test_a_socket_that_reported_an_error_is_still_heard_on_uvloop() -> None:
    """libuv stops polling a descriptor that reports an error; ours must survive a carpdev that went down."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        heard = runner.run(_hears_after_an_error())
    assert heard == [b"error", b"yes"]


def test_the_loop_is_made_by_a_factory_and_no_policy_is_touched() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.sleep(0))
    loop = asyncio.new_event_loop()
    loop.close()
    assert type(loop).__module__.startswith("asyncio")


def test_a_recorder_forgets_the_oldest() -> None:
    from sidecar.carp.config import Config
    from sidecar.carp.events import DeadlineReached

    recorder = Recorder(depth=2)
    for now in (1.0, 2.0, 3.0):
        recorder.note(now, DeadlineReached(), ())
    lines = list(recorder.dump(Config(vhid=1, addresses=())))
    assert len(lines) == 3
    assert '"now": 2.0' in lines[1]


def test_bytes_of_a_record_are_hex() -> None:
    assert plain((b"\x0a", 1)) == ["0a", 1]
