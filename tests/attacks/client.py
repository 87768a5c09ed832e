"""Who answers at the addresses, as a client sees it: a question to each twenty times a second, the node's name back."""

import contextlib
import select
import socket
import struct
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

from sidecar.lab.topology import Node

PORT = 7007
PACE = 0.05
IP_PKTINFO = 8
CMSG = socket.CMSG_SPACE(12)


class Answer(NamedTuple):
    """One reply."""

    at: float
    node: str


class Client:
    """Asks until closed. Responders on the nodes answer from the very address that was asked."""

    def __init__(self, node: Node, addresses: Sequence[str]) -> None:
        self.answers: dict[str, list[Answer]] = {address: [] for address in addresses}
        self._asking = node.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._asking.setblocking(False)
        self._responders: dict[str, socket.socket] = {}
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="client", daemon=True)
        self._thread.start()

    def serve_on(self, node: Node) -> None:
        """Have a node answer with its name."""
        responder = node.socket(socket.AF_INET, socket.SOCK_DGRAM)
        responder.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        responder.bind(("0.0.0.0", PORT))
        responder.setblocking(False)
        with self._lock:
            self._responders[node.name] = responder

    def forget(self, node: Node) -> None:
        """It has lost its power: an open socket would keep its network alive."""
        with self._lock:
            self._responders.pop(node.name).close()

    def close(self) -> None:
        """Ask no more."""
        self._end.set()
        self._thread.join()
        for one in (self._asking, *self._responders.values()):
            one.close()

    def _run(self) -> None:
        ask_at = time.monotonic()
        while not self._end.is_set():
            with self._lock:
                names = {responder: name for name, responder in self._responders.items()}
                ready, _, _ = select.select([self._asking, *names], [], [], max(0.0, ask_at - time.monotonic()))
                for readable in ready:
                    with contextlib.suppress(OSError):
                        self._note() if readable is self._asking else self._reply(readable, names[readable])
            if time.monotonic() >= ask_at:
                ask_at = max(ask_at + PACE, time.monotonic())
                self._ask()

    def _ask(self) -> None:
        for address in self.answers:
            with contextlib.suppress(OSError):
                self._asking.sendto(b"who?", (address, PORT))

    def _note(self) -> None:
        name, (address, _) = self._asking.recvfrom(64)
        if address in self.answers:
            self.answers[address].append(Answer(time.monotonic(), name.decode()))

    @staticmethod
    def _reply(responder: socket.socket, name: str) -> None:
        _, ancillary, _, asker = responder.recvmsg(64, CMSG)
        asked = struct.unpack("=I4s4s", ancillary[0][2])[2]
        information = struct.pack("=I4s4s", 0, asked, b"\0" * 4)
        responder.sendmsg([name.encode()], [(socket.IPPROTO_IP, IP_PKTINFO, information)], 0, asker)
