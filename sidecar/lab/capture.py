"""What really was on the wire: every frame with the kernel's time stamp, in memory and, if wanted, in a pcap file.

Own code instead of tcpdump because tcpdump insists on becoming another user, which a user namespace has not got; the
filter expression is still compiled by tcpdump.
"""

import contextlib
import ctypes
import fcntl
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sidecar.lab.netns import socket_in
from sidecar.lab.space import SpaceError, readable

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_ADD_MEMBERSHIP = 1
PACKET_MR_PROMISC = 1
PACKET_OUTGOING = 4
SO_ATTACH_FILTER = 26
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
SIOCGIFINDEX = 0x8933
RECEIVE_BUFFER = 8 << 20
PCAP_HEADER = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 0x40000, 1)  # nanosecond time stamps, Ethernet
NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class Frame:
    """One frame: `time_ns` is the kernel's wall clock (as `time.time_ns()`), `data` starts at the Ethernet header."""

    time_ns: int
    data: bytes

    @property
    def destination_mac(self) -> str:
        return self.data[0:6].hex(":")

    @property
    def source_mac(self) -> str:
        return self.data[6:12].hex(":")


class Capture:
    """Frames seen on an interface of process `pid`'s network since the start; `frames` grows until `close()`.

    `incoming`: only what the interface received (on a switch port: what the node behind it emitted).
    """

    def __init__(self, pid: int, interface: str, expression: str = "", *, incoming: bool = False) -> None:
        self.frames: list[Frame] = []
        self._incoming = incoming
        self._socket = socket_in(pid, socket.AF_PACKET, socket.SOCK_RAW, 0)  # protocol 0: deaf until bound
        try:
            self._prepare(interface, expression)
        except BaseException:
            self._socket.close()
            raise
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._receive, name=f"capture {interface}", daemon=True)
        self._thread.start()

    def _prepare(self, interface: str, expression: str) -> None:
        if expression:
            attach(self._socket, compiled(expression))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        with contextlib.suppress(PermissionError):  # beyond the machine's limit only where we are real root
            self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        self._socket.bind((interface, ETH_P_ALL))
        index = index_of(self._socket, interface)
        membership = struct.pack("IHH8x", index, PACKET_MR_PROMISC, 0)
        self._socket.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership)
        self._socket.setblocking(False)

    def _receive(self) -> None:
        while not self._end.is_set():
            if readable(self._socket.fileno(), 0.05):
                self._drain()
        self._drain()

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):  # OSError: the interface went away with its node
            while True:
                data, ancillary, _, address = self._socket.recvmsg(65536, 64)
                if self._incoming and address[2] == PACKET_OUTGOING:
                    continue
                seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16])
                self.frames.append(Frame(seconds * NANOSECONDS + nanoseconds, data))

    def save(self, file: Path) -> None:
        """Write what was captured as a pcap file."""
        with file.open("wb") as pcap:
            pcap.write(PCAP_HEADER)
            for frame in self.frames:
                seconds, nanoseconds = divmod(frame.time_ns, NANOSECONDS)
                pcap.write(struct.pack("<IIII", seconds, nanoseconds, len(frame.data), len(frame.data)) + frame.data)

    def close(self) -> None:
        """Take in what has arrived and stop. May be repeated."""
        self._end.set()
        self._thread.join()
        self._socket.close()


@contextlib.contextmanager
def capturing(
    pid: int, interface: str, expression: str = "", *, incoming: bool = False, file: Path | None = None
) -> Iterator[Capture]:
    capture = Capture(pid, interface, expression, incoming=incoming)
    try:
        yield capture
    finally:
        capture.close()
        if file is not None:
            capture.save(file)


def index_of(within: socket.socket, interface: str) -> int:
    """The interface's number in the network of that socket. Raises `OSError`."""
    answer = fcntl.ioctl(within, SIOCGIFINDEX, struct.pack("16si20x", interface.encode(), 0))
    return int(struct.unpack_from("16si", answer)[1])


def compiled(expression: str) -> bytes:
    """A pcap filter expression as BPF instructions for Ethernet. Raises `SpaceError` if it does not parse."""
    done = subprocess.run(["tcpdump", "-y", "EN10MB", "-ddd", expression], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SpaceError(f"filter {expression!r}: {done.stderr.strip()}")
    instructions = [line.split() for line in done.stdout.splitlines()[1:]]
    return b"".join(struct.pack("HBBI", *map(int, fields)) for fields in instructions)


def attach(receiver: socket.socket, program: bytes) -> None:
    buffer = ctypes.create_string_buffer(program, len(program))
    receiver.setsockopt(
        socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", len(program) // 8, ctypes.addressof(buffer))
    )
