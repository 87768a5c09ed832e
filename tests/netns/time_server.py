"""An NTP server on a node whose word can be chosen: what no real server can be brought to say within a test."""

import contextlib
import socket
import time
from threading import Event, Thread
from typing import Any, Self

from sidecar.lab.space import readable
from sidecar.lab.topology import Node
from tests.netns.group import until
from tests.unit.ntp_reply import reply_bytes

IP_FREEBIND = 15


class TimeServer:
    """Answers on these addresses of the node, which need not be there yet; ``says`` are arguments of ``reply_bytes``.

    ``silent``: asked and not answering. Times are monotonic seconds.
    """

    def __init__(self, node: Node, *addresses: str, **says: Any) -> None:
        self.says: dict[str, Any] = says
        self.silent = False
        self.asked: list[tuple[float, str]] = []
        self._ending = Event()
        self._threads = [Thread(target=self._serve, args=(self._bound(node, one), one)) for one in addresses]

    @staticmethod
    def _bound(node: Node, address: str) -> socket.socket:
        bound = node.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        bound.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        bound.bind((address, 123))
        return bound

    def _serve(self, bound: socket.socket, address: str) -> None:
        with bound:
            while not self._ending.is_set():
                if not readable(bound.fileno(), 0.05):
                    continue
                data, source = bound.recvfrom(1000)
                self.asked.append((time.monotonic(), address))
                if not self.silent:
                    with contextlib.suppress(OSError):
                        bound.sendto(reply_bytes(data[40:48], **self.says), source)

    def until_asked(self, address: str, seconds: float = 5.0) -> None:
        """Wait for the next question to this address."""
        now = time.monotonic()
        until(lambda: any(at > now and one == address for at, one in self.asked), seconds, f"{address} is asked")

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()
