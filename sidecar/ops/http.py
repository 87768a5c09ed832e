"""A read-only HTTP/1.1 server: GET and HEAD of a few paths, on the election's own loop, so that it tells the truth.

One answer is made in each turn of the loop, however many clients ask, and no client is waited for without a limit.
"""

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, NamedTuple

from sidecar.company import Company
from sidecar.ops.listener import LIMITS, Connection, Limits, Listener

LOG: Final = logging.getLogger("sidecar.ops")
_MOST_REQUESTS: Final = 1000
"""Answers on one connection."""
_LINGER: Final = 1.0
"""Seconds that a refused client may go on sending."""
TEXT: Final = "text/plain; charset=utf-8"
JSON: Final = "application/json"
HTML: Final = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. ``headers``: more of them, besides type, length, date and the ones that forbid caching."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def text(cls, status: int, text: str) -> "Response":
        """Plain text."""
        return cls(status, TEXT, text.encode())


Route = Callable[[], Response]


class Request(NamedTuple):
    """What is wanted, and whether the connection can carry another request afterwards."""

    method: str
    path: str
    keep: bool


def parse(head: bytes) -> Request | None:
    """A request from its head (up to and with the empty line), or None when it is not one."""
    line, *fields = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    words = line.split(" ")
    if len(words) != 3 or not words[0].isalpha() or not words[2].startswith("HTTP/1."):
        return None
    pairs = [field.partition(":") for field in fields]
    if any(not colon or not name or name != name.strip() for name, colon, _ in pairs):
        return None
    headers = {name.lower(): value.strip().lower() for name, _, value in pairs}
    path = _path_of(words[1])
    return None if path is None else Request(words[0], path, words[2] != "HTTP/1.0" and _can_keep(headers))


def _path_of(target: str) -> str | None:
    """Origin form and absolute form; the query is nobody's business here."""
    if target.lower().startswith(("http://", "https://")):
        target = "/" + target.split("://", 1)[1].partition("/")[2]
    return target.split("?", 1)[0] if target.startswith("/") else None


def _can_keep(headers: Mapping[str, str]) -> bool:
    """Not with a body: it would be read as the next request."""
    has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    return not has_body and "close" not in headers.get("connection", "")


def encode(response: Response, *, body: bool, keep: bool) -> bytes:
    """The bytes of an answer; without its body for HEAD."""
    lines = [
        f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}",
        f"Date: {time.strftime('%a, %d %b %Y %H:%M:%S GMT', time.gmtime())}",
        f"Content-Type: {response.content_type}",
        f"Content-Length: {len(response.body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        *(f"{name}: {value}" for name, value in response.headers),
        f"Connection: {'keep-alive' if keep else 'close'}",
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (response.body if body else b"")


class TcpPlace:
    """A numeric address (IPv4, IPv6; ``::`` listens on both) and a port, 0 for any."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self.port = port

    @property
    def name(self) -> str:
        """For the log."""
        return f"HTTP on [{self._host}]:{self.port}" if ":" in self._host else f"HTTP on {self._host}:{self.port}"

    def claim(self) -> socket.socket:
        """Bind, or raise OSError."""
        listening = socket.socket(socket.AF_INET6 if ":" in self._host else socket.AF_INET, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if listening.family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            listening.bind((self._host, self.port))
            listening.listen()  # two may bind with SO_REUSEADDR; only one may listen
        except OSError:
            listening.close()
            raise
        self.port = listening.getsockname()[1]
        return listening

    def is_ours(self) -> bool:
        """A bound port stays."""
        return True

    def release(self) -> None:
        """Closing the socket was all."""


class HttpServer:
    """Routes by path; what is not there is 404, another method than GET and HEAD 405."""

    def __init__(
        self,
        host: str,
        port: int,
        routes: Mapping[str, Route],
        limits: Limits = LIMITS,
        company: Company | None = None,
    ) -> None:
        self._place = TcpPlace(host, port)
        self._routes = routes
        self._limits = limits
        self._listener = Listener(self._place, self._talk, limits, company)
        self._turn = asyncio.Lock()

    @property
    def port(self) -> int:
        """The port that is listened on, once it is."""
        return self._place.port

    async def start(self) -> None:
        """Listen now, or as soon as it can be had."""
        await self._listener.start()

    async def close(self) -> None:
        """Stop, and drop whoever is connected."""
        await self._listener.close()

    async def _talk(self, connection: Connection) -> None:
        seconds = self._limits.first
        for left in range(_MOST_REQUESTS - 1, -1, -1):
            try:
                head = await connection.read_until(b"\r\n\r\n", seconds)
            except asyncio.LimitOverrunError:
                return await self._refuse(connection, 431, f"at most {self._limits.head} bytes of headers")
            request = parse(head)
            if request is None:
                return await self._refuse(connection, 400, "not an HTTP/1.1 request")
            if request.method not in {"GET", "HEAD"}:
                return await self._refuse(connection, 405, "this server is read-only; see `carp-sidecar --help`")
            keep = request.keep and left > 0
            self._listener.touch(connection)
            await self._answer(connection, request, keep)
            if not keep:
                return None
            seconds = self._limits.idle
        return None

    async def _answer(self, connection: Connection, request: Request, keep: bool) -> None:
        async with self._turn:
            data = encode(self._respond(request.path), body=request.method == "GET", keep=keep)
            await asyncio.sleep(0)  # whatever else is due comes before the next answer
        await connection.send(data)

    def _respond(self, path: str) -> Response:
        route = self._routes.get(path)
        if route is None:
            return Response.text(404, f"no such page; there are {' '.join(self._routes)}\n")
        try:
            return route()
        except Exception:  # a page that cannot be made must not end the server
            LOG.exception("HTTP: %s failed", path)
            return Response.text(500, "this page could not be made; the log says why\n")

    async def _refuse(self, connection: Connection, status: int, text: str) -> None:
        allow = (("Allow", "GET, HEAD"),) if status == 405 else ()
        await connection.send(encode(Response(status, TEXT, f"{text}\n".encode(), allow), body=True, keep=False))
        await connection.linger(_LINGER)
