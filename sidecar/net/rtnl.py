"""A raw rtnetlink socket for what must be fast or what pyroute2 cannot say: encoded requests in, errno out.

The kernel handles a request inside ``send``, so the answer is there when ``send`` returns: nothing here waits.
Set-up and message building belong to pyroute2 (address, rule, route, link); this only carries bytes.
"""

import errno
import os
import select
import socket
import struct
from collections.abc import Iterator
from types import TracebackType
from typing import Final

from sidecar.errors import ExhaustedError, HostError

NLM_F_REQUEST: Final = 0x1
NLM_F_ACK: Final = 0x4
NLM_F_REPLACE: Final = 0x100
NLM_F_EXCL: Final = 0x200
NLM_F_CREATE: Final = 0x400
NLA_F_NESTED: Final = 0x8000
NLMSG_ERROR: Final = 2
_HEADER: Final = struct.Struct("=IHHII")
_ERROR: Final = struct.Struct("=i")
_ATTRIBUTE: Final = struct.Struct("=HH")
_RECEIVE: Final = 65536


def message(kind: int, flags: int, body: bytes) -> bytes:
    """One netlink message (netlink(7)): header and body, padded."""
    length = _HEADER.size + len(body)
    return _HEADER.pack(length, kind, NLM_F_REQUEST | flags, 0, 0) + body + b"\0" * (-length % 4)


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute: length, type, value, padding."""
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + b"\0" * (-length % 4)


def nested(kind: int, *attributes: bytes) -> bytes:
    """An attribute that holds attributes."""
    return attribute(kind | NLA_F_NESTED, b"".join(attributes))


def u32(kind: int, value: int) -> bytes:
    """A 32-bit attribute in host order."""
    return attribute(kind, struct.pack("=I", value))


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, body) of each message in a datagram; a malformed rest is left out."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, _, _, _ = _HEADER.unpack_from(data, offset)
        if length < _HEADER.size or offset + length > len(data):
            return
        yield kind, data[offset + _HEADER.size : offset + length]
        offset += (length + 3) & ~3


class Rtnl:
    """One request socket, for one thread."""

    def __init__(self) -> None:
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        except OSError as error:
            raise ExhaustedError(f"no rtnetlink socket: {error.strerror}") from error
        self._socket.bind((0, 0))
        self._socket.setblocking(False)
        self._answered = select.poll()
        self._answered.register(self._socket, select.POLLIN)

    def __enter__(self) -> "Rtnl":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def request(self, requests: bytes) -> list[int]:
        """Send encoded requests in one datagram; the errnos that came back (0: acknowledged), in their order."""
        try:
            self._socket.send(requests)
        except OSError as error:
            return [error.errno or errno.EIO]
        return list(self._answers())

    def check(self, requests: bytes, what: str) -> None:
        """Send; ``HostError`` naming ``what`` when the kernel refuses."""
        for code in self.request(requests):
            if code:
                raise HostError(f"{what}: {os.strerror(code)}")

    def _answers(self) -> Iterator[int]:
        """Asked first whether there are any: mostly there are none, and an exception that says so costs 20 us."""
        while self._answered.poll(0):
            try:
                data = self._socket.recv(_RECEIVE)
            except BlockingIOError:
                return
            except OSError as error:
                yield error.errno or errno.EIO
                return
            for kind, body in messages(data):
                if kind == NLMSG_ERROR:
                    yield -_ERROR.unpack_from(body)[0]

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
