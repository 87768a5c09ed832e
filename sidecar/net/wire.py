"""One packet socket on one carpdev: advertisements of all its virtual hosts in, frames out.

The kernel filter lets in what concerns our vhids and nothing we sent ourselves; a wake-up reads a bounded number of
frames, so that a flood cannot keep the loop from its timers. Nothing here judges an advertisement.
"""

import contextlib
import socket
from collections.abc import Callable
from struct import pack
from typing import Final

from sidecar.carp.config import Family
from sidecar.carp.receive import Datagram
from sidecar.errors import HostError
from sidecar.net import bpf
from sidecar.net.readable import Readable

Handler = Callable[[Datagram], None]

BUDGET: Final = 64
"""Frames read a wake-up."""
_DRAINS: Final = 32
_ETH_P_ALL: Final = 0x0003
_SOL_PACKET: Final = 263
_PACKET_ADD_MEMBERSHIP: Final = 1
_PACKET_IGNORE_OUTGOING: Final = 23
_PACKET_MR_ALLMULTI: Final = 2
_SO_RCVBUFFORCE: Final = 33
_RECEIVE_BUFFER: Final = 8 << 20
_FRAME: Final = 2048


class Wire:
    """``handlers`` by vhid are called with each datagram; ``open`` and ``close`` may alternate."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._readable: Readable | None = None
        self._handlers: dict[int, Handler] = {}

    def attach(self, vhid: int, handler: Handler) -> None:
        """Hear a vhid from now on."""
        self._handlers[vhid] = handler
        if self._socket is not None:
            bpf.attach(self._socket, bpf.concerning(self._handlers))

    def open(self, ifindex: int, ifname: str) -> None:
        """Listen on an interface. ``HostError`` when the host does not allow it (CAP_NET_RAW)."""
        self.close()
        try:
            self._socket = self._opened(ifindex, ifname)
            self._readable = Readable(self._socket)
        except PermissionError as error:
            raise HostError(f"no packet socket on {ifname}: CAP_NET_RAW is missing") from error
        except OSError as error:
            self.close()
            raise HostError(f"no packet socket on {ifname}: {error.strerror}") from error

    def _opened(self, ifindex: int, ifname: str) -> socket.socket:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        try:
            sock.setblocking(False)
            bpf.attach(sock, bpf.concerning(self._handlers))
            sock.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
            membership = pack("=iHH8s", ifindex, _PACKET_MR_ALLMULTI, 0, b"")
            sock.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, membership)
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
            sock.bind((ifname, _ETH_P_ALL))
        except OSError:
            sock.close()
            raise
        return sock

    def close(self) -> None:
        """Hear nothing more."""
        if self._readable is not None:
            self._readable.close()
            self._readable = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def fileno(self) -> int:
        """The descriptor to watch, -1 when closed."""
        return -1 if self._readable is None else self._readable.fileno()

    def drain(self, budget: int = BUDGET) -> int:
        """Read and hand over at most ``budget`` frames; how many there were."""
        for count in range(budget):
            frame = self._read()
            if frame is None:
                return count
            self._deliver(frame)
        return budget

    def drain_all(self) -> None:
        """Hear what is there before silence is concluded; bounded, so that a flood cannot hold the loop for ever."""
        for _ in range(_DRAINS):
            if self.drain() < BUDGET:
                return

    def _read(self) -> bytes | None:
        if self._socket is None:
            return None
        try:
            return self._socket.recv(_FRAME)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:  # the interface went down or away: the link monitor tells, and opens anew
            return None

    def _deliver(self, frame: bytes) -> None:
        datagram = dissect(frame)
        if datagram is None or len(datagram.payload) < 2:
            return
        handler = self._handlers.get(datagram.payload[1])
        if handler is not None:
            handler(datagram)

    def send(self, frame: bytes) -> str | None:
        """Put a frame on the wire; the reason when it could not go."""
        if self._socket is None:
            return "the interface is gone"
        try:
            self._socket.send(frame)
        except OSError as error:
            return error.strerror or str(error)
        return None


def dissect(frame: bytes) -> Datagram | None:
    """An Ethernet frame as a datagram, its payload as long as the IP header says; None when it is not whole IP."""
    if frame[12:14] == b"\x08\x00" and len(frame) >= 34:
        head = 14 + (frame[14] & 0x0F) * 4
        end = 14 + int.from_bytes(frame[16:18], "big")
        return Datagram(Family.V4, frame[26:30], frame[30:34], frame[22], frame[head:end], frame[6:12])
    if frame[12:14] == b"\x86\xdd" and len(frame) >= 54:
        end = 54 + int.from_bytes(frame[18:20], "big")
        return Datagram(Family.V6, frame[22:38], frame[38:54], frame[21], frame[54:end], frame[6:12])
    return None
