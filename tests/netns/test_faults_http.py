"""Clients of the HTTP server that mean it ill: none of them costs an advertisement its time, none shuts others out."""

import signal
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.netns.faults import changes, intervals
from tests.netns.group import V4, Group, Member, until

INTERVAL = 25 / 256
"""Seconds, at advbase 0 and advskew 25; a backup takes over after three and a bit of them."""
MANY = """
import select, socket, sys, time
target, kind, number, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
line = b"GET /metrics HTTP/1.1\\r\\nHost: x\\r\\nX-Slow: " if kind == "slow" else b"GET /status HTTP/1.1\\r\\n\\r\\n"
def call():
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex((target, 8112))
    return client
clients = [call() for _ in range(number)]
end, calls = time.monotonic() + seconds, number
while time.monotonic() < end:
    for place, client in enumerate(clients):
        try:
            client.send(line if kind == "asks" or calls % 7 else b"a")
            client.recv(1 << 20) if kind == "asks" else None
        except BlockingIOError:
            pass
        except OSError:
            client.close()
            clients[place], calls = call(), calls + 1
    time.sleep(0.02)
print(calls, "connections", flush=True)
"""
"""A thousand sockets that are all connected, or try to; whoever is cut off comes again."""


def fast(group: Group) -> tuple[Member, Member]:
    """Two nodes that advertise ten times a second, with an HTTP server for everybody."""
    first, second = (group.add(advskew=advskew, CARP_ADVBASE="0", CARP_HTTP="0.0.0.0:8112") for advskew in (25, 26))
    for member in (first, second):
        member.start()
    group.wait_for_owner(first)
    until(lambda: first.http("/livez").code == 200, 5, "it serves")
    return first, second


@contextmanager
def crowd(group: Group, kind: str, target: Member, seconds: float) -> Iterator[None]:
    """A thousand clients on a node of their own."""
    node = group.network.nodes.get("crowd") or group.network.add_node("crowd", 200)
    log = group.folder / f"crowd-{kind}.log"
    command = [sys.executable, "-I", "-S", "-c", MANY, target.node.ipv4, kind, "1000", str(seconds)]
    process = node.spawn(["prlimit", "--nofile=4096", *command], log=log)
    try:
        yield
        assert process.wait(60) == 0, log.read_text()
        print(kind, log.read_text().strip())
    finally:
        process.send_signal(signal.SIGKILL)


def lateness(group: Group, seconds: float, source: Member) -> list[float]:
    """How much later than promised each advertisement came after the one before, by the wire, in seconds."""
    with group.network.capture(expression="ip proto 112") as seen:
        time.sleep(seconds)
    return [max(0.0, one - INTERVAL) for one in intervals(seen, source.node.ipv4)]


def test_a_thousand_slow_or_eager_clients_delay_no_advertisement_and_shut_nobody_out(group: Group) -> None:
    first, second = fast(group)
    began = time.monotonic()
    calm = lateness(group, 4.0, first)
    found = {"calm": calm}
    for kind in ("slow", "asks"):
        with crowd(group, kind, first, 6.0):
            time.sleep(1.0)
            found[kind] = lateness(group, 4.0, first)
            asked = time.monotonic()
            assert first.http("/livez").code == 200
            answered = time.monotonic() - asked
            print(f"{kind}: /livez after {answered:.3f} s")
            assert answered < 5.0
    for kind, late in found.items():
        middle, worst = statistics.median(late), max(late)
        print(f"{kind}: {len(late)} adverts, later by {1000 * middle:.2f} ms (median), {1000 * worst:.1f} ms (worst)")
    assert changes(group, began, V4) == [], "no backup missed three of them"
    for kind in ("slow", "asks"):
        assert statistics.median(found[kind]) <= statistics.median(calm) + 0.010
        assert max(found[kind]) <= 2 * INTERVAL
    assert (first.state(), second.state()) == ("MASTER", "BACKUP")
    assert "Traceback" not in first.said()
