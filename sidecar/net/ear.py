"""One packet socket of a carpdev: which frames it lets in, how many may wait, and the next of them. Judges nothing."""

import contextlib
import socket
from collections.abc import Sequence
from struct import pack
from typing import Final

from sidecar.net import bpf

_ETH_P_ALL: Final = 0x0003
_SOL_PACKET: Final = 263
_PACKET_ADD_MEMBERSHIP: Final = 1
_PACKET_IGNORE_OUTGOING: Final = 23
_PACKET_MR_ALLMULTI: Final = 2
_SO_RCVBUFFORCE: Final = 33
_FRAME: Final = 128
"""Bytes of a frame that are read: Ethernet's 14, the longest IP header's 60 and the 36 that count."""


class Ear:
    """Hears from the moment it is made. ``buffer`` is in bytes of kernel memory, about 1 KiB a frame."""

    def __init__(self, ifindex: int, ifname: str, program: Sequence[bpf.Instruction], buffer: int) -> None:
        """``OSError`` when the host does not allow it (CAP_NET_RAW) or the interface has gone."""
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        try:
            self.socket.setblocking(False)
            self.attend(program)
            self.socket.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
            membership = pack("=iHH8s", ifindex, _PACKET_MR_ALLMULTI, 0, b"")
            self.socket.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, membership)
            self.resize(buffer)
            self.socket.bind((ifname, _ETH_P_ALL))
        except OSError:
            self.socket.close()
            raise

    def attend(self, program: Sequence[bpf.Instruction]) -> None:
        """Let in what this filter lets in, from now on; what waits already stays."""
        bpf.attach(self.socket, program)

    def resize(self, buffer: int) -> None:
        """How much may wait from now on; without CAP_NET_ADMIN as much as the host's limit allows."""
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, buffer)
        except OSError:
            with contextlib.suppress(OSError):
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)

    def read(self) -> bytes | None:
        """The next frame, or None when none waits."""
        try:
            return self.socket.recv(_FRAME)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:  # the interface went down or away: the link monitor tells, and opens anew
            return None

    def close(self) -> None:
        """Hear nothing more."""
        self.socket.close()
