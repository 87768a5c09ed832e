"""The transport by the official ``kubernetes`` package: its connection pool, its TLS, none of its 30 MB of models.

The token is read for every request (bound tokens rotate), the authority's certificate after every failed handshake.
No retries in here: who asks knows whether it is still worth it.
"""

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import urllib3
from kubernetes.client.api_client import ApiClient
from kubernetes.client.configuration import Configuration
from kubernetes.client.exceptions import ApiException
from urllib3 import exceptions as broken

from sidecar import __version__
from sidecar.kube.api import Answer, reason_of
from sidecar.kube.errors import GarbledError, TimedOutError, UnreachableError, of_status

CONNECT: Final = 2.0
READ: Final = 3.0
WHOLE: Final = 6.0
"""Seconds for an answer to be complete, however slowly it comes."""
LARGEST: Final = 8 * 1024 * 1024
"""Bytes of an answer, or of a line of a watch."""
_CHUNK: Final = 65536
_KEEPALIVE: Final = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 10000),
]


@dataclass(frozen=True, slots=True)
class Server:
    """Where the API is and who we are: URL, file with the token, file with the authority's certificate."""

    url: str
    token: Path
    authority: Path | None


class Client:
    """``Transport``. One for each thread."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._client: ApiClient | None = None

    def request(self, method: str, target: str, body: object = None, content_type: str = "application/json") -> Answer:
        """One request, answered whole or failed."""
        what = f"{method} {target.partition('?')[0]}"
        try:
            response = self._open(method, target, READ, body, content_type)
            try:
                data = _read_all(response, time.monotonic() + WHOLE, what)
            except BaseException:
                response.close()
                raise
            response.release_conn()
        except (broken.HTTPError, ApiException, OSError) as error:
            self._forget()
            raise _unreachable(what, error) from error
        return Answer(response.status, _retry_after(response), data)

    def stream(self, target: str, idle: float) -> Iterator[bytes]:
        """The lines of a watch, as they come."""
        what = f"watch {target.partition('?')[0]}"
        try:
            response = self._open("GET", target, idle)
            try:
                if response.status != 200:
                    detail = reason_of(_read_all(response, time.monotonic() + WHOLE, what))
                    raise of_status(response.status, what, detail, _retry_after(response))
                yield from _lines(response, what)
            finally:
                response.close()
        except (broken.HTTPError, ApiException, OSError) as error:
            self._forget()
            raise _unreachable(what, error) from error

    def _open(
        self, method: str, target: str, read: float, body: object = None, content_type: str = "application/json"
    ) -> urllib3.HTTPResponse:
        headers = {"Accept": "application/json", "Authorization": f"Bearer {self._server.token.read_text().strip()}"}
        headers["User-Agent"] = f"carp-sidecar/{__version__}"
        if body is not None:
            headers["Content-Type"] = content_type
        url = f"{self._server.url}{target}"
        answer = self._connected().call_api(method, url, headers, body, _request_timeout=(CONNECT, read))
        response: urllib3.HTTPResponse = answer.response
        return response

    def _connected(self) -> ApiClient:
        if self._client is None:
            configuration = Configuration(host=self._server.url)
            configuration.ssl_ca_cert = str(self._server.authority) if self._server.authority else None
            configuration.retries = False
            configuration.socket_options = _KEEPALIVE
            configuration.connection_pool_maxsize = 1
            self._client = ApiClient(configuration)
        return self._client

    def _forget(self) -> None:
        """Whatever failed, the next request begins with a new connection."""
        if self._client is not None:
            self._client.rest_client.pool_manager.clear()
        self._client = None


def _read_all(response: Any, until: float, what: str) -> bytes:
    """Every byte, however slowly it comes, until then."""
    data = bytearray()
    while chunk := response.read1(_CHUNK):
        data += chunk
        if len(data) > LARGEST:
            raise GarbledError(what, f"an answer of more than {LARGEST} bytes")
        if time.monotonic() > until:
            raise TimedOutError(what, f"no whole answer in {WHOLE:g} s")
    return bytes(data)


def _lines(response: Any, what: str) -> Iterator[bytes]:
    rest = b""
    while chunk := response.read1(_CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from filter(None, lines)
        if len(rest) > LARGEST:
            raise GarbledError(what, f"a line of more than {LARGEST} bytes")


def _retry_after(response: urllib3.HTTPResponse) -> float | None:
    """Only the form in seconds, which is the API server's; a date would ask our clock, which we set by NTP."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else None


def _unreachable(what: str, error: Exception) -> UnreachableError:
    kind = TimedOutError if isinstance(error, TimeoutError | broken.TimeoutError) else UnreachableError
    return kind(what, str(error) or type(error).__name__)
