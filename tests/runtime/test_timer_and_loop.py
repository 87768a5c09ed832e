"""The platform facts that the runtime stands on, on the real loop and the real kernel."""

import asyncio
import select
import socket
import time

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
