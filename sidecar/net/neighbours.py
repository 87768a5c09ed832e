"""One packet socket on one carpdev that hears who else says that it has our virtual addresses.

The kernel filter lets in next to nothing in normal operation. A flood is cut short: hearing a conflict is worth a few
frames a second and no more, and what is missed comes again.
"""

import asyncio
import socket
from collections.abc import Callable, Iterable
from typing import Final

from sidecar.carp.config import Address
from sidecar.carp.conflicts import Sighting
from sidecar.errors import HostError
from sidecar.net import bpf
from sidecar.net.readable import Readable
from sidecar.net.sighting import read

Handler = Callable[[Sighting], None]

A_SECOND: Final = 64
"""Frames read in a second; then the rest of it is left to the kernel, which keeps a few."""
_ETH_P_ALL: Final = 0x0003
_PACKET_OUTGOING: Final = 4
_RECEIVE_BUFFER: Final = 32768
_FRAME: Final = 256


class NeighbourWatch:
    """``heed`` says who is told of which addresses; ``open`` and ``close`` may alternate. On the loop's thread."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._readable: Readable | None = None
        self._mac = b""
        self._handlers: dict[int, tuple[frozenset[bytes], Handler]] = {}
        self._left = A_SECOND
        self._second = 0
        self._resume: asyncio.TimerHandle | None = None

    def heed(self, vhid: int, addresses: Iterable[Address], handler: Handler) -> None:
        """Tell this one of these addresses from now on."""
        told = (frozenset(address.packed for address in addresses), handler)
        before, self._handlers[vhid] = self._handlers.get(vhid), told
        if self._socket is not None and before != told:
            bpf.attach(self._socket, self._filter())

    def _filter(self) -> list[bpf.Instruction]:
        addresses = {address for names, _ in self._handlers.values() for address in names}
        v4 = [address for address in addresses if len(address) == 4]
        return bpf.naming(v4, [address for address in addresses if len(address) == 16], self._mac)

    def open(self, ifname: str, mac: bytes) -> None:
        """Hear an interface with this MAC. ``HostError`` when the host does not allow it."""
        self.close()
        self._mac = mac
        sock = None
        try:
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0)
            bpf.attach(sock, self._filter())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            sock.bind((ifname, _ETH_P_ALL))
        except OSError as error:
            if sock is not None:
                sock.close()
            raise HostError(f"no packet socket for neighbours on {ifname}: {error.strerror}") from error
        self._socket, self._readable = sock, Readable(sock)
        self._listen()

    def _listen(self) -> None:
        self._resume = None
        if self._readable is not None:
            asyncio.get_running_loop().add_reader(self._readable.fileno(), self._read)

    def close(self) -> None:
        """Hear nothing more."""
        if self._resume is not None:
            self._resume.cancel()
            self._resume = None
        if self._readable is not None:
            asyncio.get_running_loop().remove_reader(self._readable.fileno())
            self._readable.close()
            self._readable = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _read(self) -> None:
        now = asyncio.get_running_loop().time()
        if int(now) != self._second:
            self._second, self._left = int(now), A_SECOND
        while self._left > 0:
            if not self._read_one():
                return
            self._left -= 1
        self._pause(1.0 - now % 1.0)

    def _pause(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        if self._readable is not None:
            loop.remove_reader(self._readable.fileno())
            self._resume = loop.call_later(seconds, self._listen)

    def _read_one(self) -> bool:
        if self._socket is None:
            return False
        try:
            frame, address = self._socket.recvfrom(_FRAME)
        except OSError:  # nothing left, or the interface went: the link monitor tells, and opens anew
            return False
        sighting = read(frame, outgoing=address[2] == _PACKET_OUTGOING)
        if sighting is not None:
            for names, handler in tuple(self._handlers.values()):
                if sighting.address in names:
                    handler(sighting)
        return True
