"""The HTTP server on real sockets and both loops: what it answers, what it refuses, and whom it never waits for."""

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from http.client import HTTPConnection
from typing import Any, NamedTuple

import pytest

from sidecar.carp.effects import State
from sidecar.ops import routes
from sidecar.ops.http import HttpServer, Response
from sidecar.ops.listener import LIMITS, Limits
from sidecar.report import VhostReport
from tests.runtime.loops import LOOPS, LoopFactory, Turns, on, until
from tests.unit.ops_reports import NOW, report

pytestmark = pytest.mark.parametrize("loop", LOOPS)
QUICK = replace(LIMITS, first=0.3, idle=0.3, write=0.3)


def fail() -> Response:
    raise RuntimeError("this page is broken")


ROUTES: dict[str, Callable[[], Response]] = {
    "/role": lambda: Response.text(200, "master"),
    "/large": lambda: Response.text(200, "x" * 50_000),
    "/broken": fail,
}


@asynccontextmanager
async def serving(
    limits: Limits = LIMITS, table: dict[str, Callable[[], Response]] = ROUTES, host: str = "127.0.0.1"
) -> AsyncIterator[HttpServer]:
    server = HttpServer(host, 0, table, limits)
    await server.start()
    try:
        yield server
    finally:
        await server.close()


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """A raw connection: what is sent is up to the test."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def to(cls, server: HttpServer, host: str = "127.0.0.1") -> "Client":
        return cls(*await asyncio.open_connection(host, server.port))

    async def get(self, path: str, method: str = "GET", headers: str = "") -> Reply:
        self.writer.write(f"{method} {path} HTTP/1.1\r\nHost: node\r\n{headers}\r\n".encode())
        return await self.reply(body=method != "HEAD")

    async def reply(self, *, body: bool = True) -> Reply:
        async with asyncio.timeout(10):
            head = await self.reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode().strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            length = int(headers["content-length"]) if body else 0
            return Reply(int(first.split()[1]), headers, await self.reader.readexactly(length))

    async def is_dropped(self, seconds: float = 10.0) -> bool:
        """Whether the server ends the connection within so long, by whatever means, without another word."""
        try:
            async with asyncio.timeout(seconds):
                return await self.reader.read(1) == b""
        except TimeoutError:  # an OSError too
            return False
        except OSError:
            return True

    def leave(self) -> None:
        self.writer.transport.abort()


@asynccontextmanager
async def client_of(server: HttpServer, host: str = "127.0.0.1") -> AsyncIterator[Client]:
    client = await Client.to(server, host)
    try:
        yield client
    finally:
        client.leave()


Talk = Callable[[Client], Coroutine[Any, Any, None]]


def with_client(loop: LoopFactory, talk: Talk, limits: Limits = LIMITS) -> None:
    async def main() -> None:
        async with serving(limits) as server, client_of(server) as client:
            await talk(client)

    on(loop, main())


def test_a_path_is_answered(loop: LoopFactory) -> None:
    async def talk(client: Client) -> None:
        reply = await client.get("/role")
        assert (reply.status, reply.body) == (200, b"master")
        assert reply.headers["content-type"] == "text/plain; charset=utf-8"

    with_client(loop, talk)


def test_pythons_own_client_keeps_its_connection(loop: LoopFactory) -> None:
    def ask(port: int) -> list[bytes]:
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        bodies = []
        for _ in range(3):
            connection.request("GET", "/role")
            bodies.append(connection.getresponse().read())
        local = connection.sock
        assert local is not None  # closed after an answer without keep-alive
        connection.close()
        return bodies

    async def main() -> None:
        async with serving() as server:
            assert await asyncio.to_thread(ask, server.port) == [b"master"] * 3

    on(loop, main())


def test_head_says_what_get_would_and_no_more(loop: LoopFactory) -> None:
    async def talk(client: Client) -> None:
        reply = await client.get("/role", "HEAD")
        assert (reply.status, reply.headers["content-length"]) == (200, "6")
        assert (await client.get("/role")).body == b"master"  # nothing of a body was in between

    with_client(loop, talk)


def test_an_unknown_path_is_404_and_names_those_that_are(loop: LoopFactory) -> None:
    async def talk(client: Client) -> None:
        reply = await client.get("/admin")
        assert reply.status == 404
        assert b"/role" in reply.body

    with_client(loop, talk)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"])
def test_another_method_is_405_and_changes_nothing(loop: LoopFactory, method: str) -> None:
    async def talk(client: Client) -> None:
        reply = await client.get("/role", method)
        assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD")
        assert await client.is_dropped()

    with_client(loop, talk)


def test_a_refusal_is_readable_though_a_body_was_sent(loop: LoopFactory) -> None:
    def post(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(b"POST / HTTP/1.1\r\nContent-Length: 400000\r\n\r\n" + b"x" * 400_000)
            return b"".join(iter(lambda: client.recv(65536), b""))  # a reset would raise, and might overtake the answer

    async def main() -> None:
        async with serving() as server:
            assert (await asyncio.to_thread(post, server.port)).startswith(b"HTTP/1.1 405 ")

    on(loop, main())


@pytest.mark.parametrize("garbage", [b"hello\r\n\r\n", b"\x16\x03\x01\x00\r\n\r\n", b"GET / HTTP/9\r\n\r\n"])
def test_garbage_is_400_and_the_end(loop: LoopFactory, garbage: bytes) -> None:
    async def talk(client: Client) -> None:
        client.writer.write(garbage)
        assert (await client.reply()).status == 400
        assert await client.is_dropped()

    with_client(loop, talk)


def test_an_oversized_head_is_431_and_the_end(loop: LoopFactory) -> None:
    async def talk(client: Client) -> None:
        client.writer.write(b"GET /role HTTP/1.1\r\nCookie: " + b"x" * 100_000)
        assert (await client.reply()).status == 431
        assert await client.is_dropped()

    with_client(loop, talk)


def test_a_broken_page_is_500_and_the_next_is_fine(loop: LoopFactory, caplog: pytest.LogCaptureFixture) -> None:
    async def talk(client: Client) -> None:
        reply = await client.get("/broken")
        assert reply.status == 500
        assert b"RuntimeError" not in reply.body
        assert (await client.get("/role")).status == 200

    with_client(loop, talk)
    assert "this page is broken" in caplog.text


def test_a_connection_ends_when_the_client_says_so(loop: LoopFactory) -> None:
    async def talk(client: Client) -> None:
        assert (await client.get("/role", headers="Connection: close\r\n")).headers["connection"] == "close"
        assert await client.is_dropped()

    with_client(loop, talk)


def test_requests_sent_at_once_are_answered_in_their_order(loop: LoopFactory) -> None:
    async def talk(client: Client) -> None:
        client.writer.write(b"GET /role HTTP/1.1\r\n\r\nGET /nowhere HTTP/1.1\r\n\r\nGET /role HTTP/1.1\r\n\r\n")
        assert [(await client.reply()).status for _ in range(3)] == [200, 404, 200]

    with_client(loop, talk)


def test_a_client_that_says_nothing_is_dropped(loop: LoopFactory) -> None:
    async def talk(client: Client) -> None:
        assert await client.is_dropped()

    with_client(loop, talk, QUICK)


def test_a_slow_loris_has_only_the_time_of_one_request(loop: LoopFactory) -> None:
    async def talk(client: Client) -> None:
        began = time.monotonic()
        dropped = asyncio.create_task(client.is_dropped())
        client.writer.write(b"GET /role HTTP/1.1\r\n")
        while not dropped.done() and time.monotonic() - began < 10:
            client.writer.write(b"X: y\r\n")
            await asyncio.sleep(0.05)
        assert await dropped
        assert time.monotonic() - began < 5

    with_client(loop, talk, QUICK)


def test_an_idle_connection_is_dropped_after_its_answer(loop: LoopFactory) -> None:
    async def talk(client: Client) -> None:
        assert (await client.get("/role")).headers["connection"] == "keep-alive"
        assert await client.is_dropped()

    with_client(loop, talk, QUICK)


def test_a_client_that_does_not_read_is_cut_off(loop: LoopFactory) -> None:
    async def main() -> None:
        async with serving(QUICK) as server:
            deaf = socket.create_connection(("127.0.0.1", server.port))
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.setblocking(False)
            asked = b"GET /large HTTP/1.1\r\n\r\n" * 200  # 10 MB of answers
            deaf.send(asked)
            await until(lambda: _is_cut(deaf))
            deaf.close()
            async with client_of(server) as other:
                assert (await other.get("/role")).status == 200

    on(loop, main())


def _is_cut(deaf: socket.socket) -> bool:
    """The kernel tells a peer's reset on the next write."""
    try:
        deaf.send(b" ")
    except BlockingIOError:
        return False
    except OSError:
        return True
    return False


def test_two_hundred_idle_connections_do_not_keep_a_probe_out(loop: LoopFactory) -> None:
    async def main() -> None:
        async with serving() as server:
            idle = [await Client.to(server) for _ in range(200)]
            async with client_of(server) as probe:
                began = time.monotonic()
                assert (await probe.get("/role")).body == b"master"
                assert time.monotonic() - began < 10
            assert [await client.is_dropped() for client in idle[:137]] == [True] * 137  # the oldest made room
            assert [await client.is_dropped(0.02) for client in idle[-60:]] == [False] * 60
            for client in idle:
                client.leave()

    on(loop, main())


def test_a_client_in_use_stays_when_idle_ones_make_room(loop: LoopFactory) -> None:
    async def main() -> None:
        async with serving(replace(LIMITS, connections=4)) as server, client_of(server) as busy:
            idle = []
            for _ in range(8):
                idle.append(await Client.to(server))
                assert (await busy.get("/role")).status == 200
            for client in idle:
                client.leave()

    on(loop, main())


def test_a_flood_of_requests_leaves_the_election_its_turns(loop: LoopFactory) -> None:
    async def main() -> None:
        turns = Turns()

        def page() -> Response:
            answered.append(turns.count)
            return Response.text(200, "x")

        answered: list[int] = []
        async with serving(table={"/": page}) as server:
            clients = [await Client.to(server) for _ in range(40)]
            for client in clients:
                client.writer.write(b"GET / HTTP/1.1\r\n\r\n" * 20)
            for client in clients:
                for _ in range(20):
                    await client.reply()
            for client in clients:
                client.leave()
        turns.stop()
        assert len(answered) == 800
        assert len(set(answered)) == 800  # not two answers in a turn of the loop

    on(loop, main())


def test_ipv6_and_both_families_at_once(loop: LoopFactory) -> None:
    async def main() -> None:
        async with serving(host="::1") as server, client_of(server, "::1") as client:
            assert (await client.get("/role")).status == 200
        async with serving(host="::") as server:
            for host in ("::1", "127.0.0.1"):
                async with client_of(server, host) as client:
                    assert (await client.get("/role")).status == 200

    on(loop, main())


def test_a_busy_port_is_waited_for_and_said_once(loop: LoopFactory, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "sidecar.ops")

    async def main() -> None:
        first = HttpServer("127.0.0.1", 0, ROUTES)
        await first.start()
        second = HttpServer("127.0.0.1", first.port, {"/role": lambda: Response.text(200, "second")})
        await second.start()
        await asyncio.sleep(2.2)  # two more attempts
        assert [message for message in caplog.messages if "cannot listen yet" in message][1:] == []
        async with client_of(first) as client:
            assert (await client.get("/role")).body == b"master"
        await first.close()
        await until(lambda: sum("listening" in message for message in caplog.messages) == 2)
        async with client_of(second) as client:
            assert (await client.get("/role")).body == b"second"
        await second.close()

    on(loop, main())
    assert any("cannot listen yet, trying each second: [Errno 98]" in message for message in caplog.messages)


def test_an_address_that_is_not_there_is_not_fatal(loop: LoopFactory, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with serving(host="192.0.2.254"):
            assert "cannot listen yet" in caplog.text

    on(loop, main())


def test_close_drops_everybody_and_frees_the_port(loop: LoopFactory) -> None:
    async def main() -> None:
        server = HttpServer("127.0.0.1", 0, ROUTES)
        await server.start()
        idle = await Client.to(server)
        answered = await Client.to(server)
        await answered.get("/role")
        async with asyncio.timeout(2):
            await server.close()
        assert await idle.is_dropped(1)
        assert await answered.is_dropped(1)
        idle.leave()
        answered.leave()
        with pytest.raises(ConnectionRefusedError):
            await Client.to(server)
        again = HttpServer("127.0.0.1", server.port, ROUTES)
        await again.start()
        async with client_of(again) as client:
            assert (await client.get("/role")).status == 200
        await again.close()

    on(loop, main())


class Fake:
    """A daemon to ask, whose answers a test may change."""

    def __init__(self, *reports: VhostReport) -> None:
        self.reports = list(reports)
        self.deadlines: list[float | None] = [NOW + 1] * len(reports)
        self.node = routes.Node("1.2.3", "node-a", "role", lambda: self.reports, lambda: self.deadlines, lambda: NOW)

    async def ask(self, *paths: str) -> list[Reply]:
        async with serving(table=routes.build(self.node)) as server, client_of(server) as client:
            return [await client.get(path) for path in paths]


def test_the_routes_tell_the_role(loop: LoopFactory) -> None:
    async def main() -> None:
        fake = Fake(report(State.MASTER))
        role, ready, live = await fake.ask("/role", "/readyz", "/livez")
        assert (role.body, ready.status, live.status) == (b"master", 200, 200)
        fake.reports, fake.deadlines = [report()], [NOW - 10]
        role, ready, live = await fake.ask("/role", "/readyz", "/livez")
        assert (role.body, ready.status, live.status) == (b"backup", 503, 503)
        assert ready.body == b"not ok: vhid 10 is backup\n"

    on(loop, main())


def test_the_routes_show_status_metrics_and_page(loop: LoopFactory) -> None:
    async def main() -> None:
        status, metrics, page = await Fake(report(State.MASTER)).ask("/status", "/metrics", "/")
        assert status.headers["content-type"] == "application/json"
        assert b'"state": "MASTER"' in status.body
        assert metrics.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert b'\ncarp_state{vhid="10"} 2.0\n' in metrics.body
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in page.headers["content-security-policy"]

    on(loop, main())
