"""One daemon for each virtual host of a host: whoever comes second waits until the first is gone.

Two of them would clear what the other has made, again and again, and the address would flap. The claim is an abstract
Unix socket: its names belong to the network namespace as interfaces do, so that containers which share one see it,
and it goes with its process, however that ends.
"""

import contextlib
import errno
import os
import socket
import struct
from typing import Final, NamedTuple

_CREDENTIALS: Final = struct.Struct("=iII")


class Holder(NamedTuple):
    """Who has a claim. ``pid``: 0 when it lives in another container."""

    pid: int
    uid: int

    @property
    def counts(self) -> bool:
        """Anybody may take such a name; only root and our own user are believed to be a daemon."""
        return self.uid in {0, os.geteuid()}

    def __str__(self) -> str:
        return f"process {self.pid}" if self.pid else "a process of another container"


class Claim:
    """To one virtual host on one carpdev; ``where`` names it for people."""

    def __init__(self, carpdev: str, vhid: int) -> None:
        self.where = f"vhid {vhid} on {carpdev}"
        self._name = f"\0carp-sidecar/{carpdev}/{vhid}"
        self._socket: socket.socket | None = None

    def take(self) -> Holder | None:
        """None when it is ours now, or nobody's that counts; else who has it."""
        claiming = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            claiming.bind(self._name)
            claiming.listen()
        except OSError as error:
            claiming.close()
            return self._holder() if error.errno == errno.EADDRINUSE else None  # a host that allows none has none
        self._socket = claiming
        return None

    def _holder(self) -> Holder | None:
        """Whoever listens there; one that just went away is found by the next attempt."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
            caller.setblocking(False)
            with contextlib.suppress(BlockingIOError, OSError):
                caller.connect(self._name)
                pid, uid, _ = _CREDENTIALS.unpack(
                    caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
                )
                holder = Holder(pid, uid)
                return holder if holder.counts else None
        return Holder(0, 0)

    def release(self) -> None:
        """Let whoever waits have it."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
