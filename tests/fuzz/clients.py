"""Whatever a client may send to the HTTP server and to the control socket, in one conversation and byte by byte.

The answers must be whole and well formed, every one of them; the log must not speak of a failure of ours.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

from sidecar.ops import routes
from sidecar.ops.control import CONTROL_LIMITS, ControlServer
from sidecar.ops.http import HttpServer
from sidecar.ops.listener import LIMITS, Connection, HungUpError, Limits
from tests.fuzz.node import settled

_NODE = settled(master=True, strict=False)
_ASKED = routes.Node(
    version="1",
    name="fuzz",
    readiness="role",
    reports=lambda: [_NODE.driver.report("eth0")],
    deadlines=lambda: [_NODE.driver.deadline],
    clock=lambda: _NODE.world.now,
)
_HTTP = HttpServer("127.0.0.1", 0, routes.build(_ASKED))
_CONTROL = ControlServer(
    Path("/run/fuzz.sock"),
    routes.handlers(_ASKED, lambda seconds: {"seconds": seconds}, lambda wanted: {"maintenance": wanted}),
)
_STATUSES = {200, 400, 404, 405, 431, 503}
_LOOP = asyncio.new_event_loop()


class Failures(logging.Handler):
    """What the servers say of themselves when a request finds a fault in them."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record)


FAILURES = Failures()
logging.getLogger("sidecar.ops").addHandler(FAILURES)


class _Written:
    """A client that takes every byte."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> None:
        self.data += data

    async def drain(self) -> None:
        return

    def write_eof(self) -> None:
        return


class _Client(Connection):
    """The user that the daemon runs as."""

    @property
    def uid(self) -> int:
        return 0


async def _converse(talk: Callable[[Connection], Coroutine[Any, Any, None]], data: bytes, limits: Limits) -> bytes:
    reader, writer = asyncio.StreamReader(limit=limits.head), _Written()
    reader.feed_data(data)
    reader.feed_eof()
    with suppress(HungUpError):
        await talk(_Client(reader, writer, limits))  # type: ignore[arg-type] # a StreamWriter needs a transport
    return bytes(writer.data)


def _answers(talk: Callable[[Connection], Coroutine[Any, Any, None]], data: bytes, limits: Limits) -> bytes:
    FAILURES.said.clear()
    answers = _LOOP.run_until_complete(_converse(talk, data, limits))
    assert not FAILURES.said, FAILURES.said[0].getMessage()
    return answers


def http(data: bytes) -> None:
    """Requests, one after another, as a browser or a nuisance sends them."""
    rest = _answers(_HTTP._talk, data, LIMITS)
    heads = [one for one in data.split(b"\r\n\r\n")[:-1] if one]
    while rest:
        head, _, rest = rest.partition(b"\r\n\r\n")
        line, *fields = head.decode("ascii").split("\r\n")
        protocol, status, phrase = line.split(" ", 2)
        assert (protocol, phrase) == ("HTTP/1.1", HTTPStatus(int(status)).phrase)
        assert int(status) in _STATUSES
        headers = dict(field.split(": ", 1) for field in fields)
        asked = heads.pop(0) if heads else b""
        size = 0 if asked.startswith(b"HEAD ") and int(status) in {200, 404, 503} else int(headers["Content-Length"])
        assert len(rest) >= size
        rest = rest[size:]


def control(data: bytes) -> None:
    """Lines, as `carp-sidecar status` or whoever may open the socket sends them."""
    answers = _answers(_CONTROL._talk, data, CONTROL_LIMITS)
    for line in answers.splitlines():
        answer = json.loads(line)
        assert answer["v"] == 1
        assert isinstance(answer["result"], dict) if answer["ok"] else "\n" not in answer["error"]
    assert len(answers.splitlines()) <= data.count(b"\n") + 1
