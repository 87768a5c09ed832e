"""A real UDP server on the loopback for the NTP tests, as honest or as hostile as it is told to be."""

import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from sidecar.ntp.target import Target
from tests.unit.ntp_reply import reply_bytes

Answer = Callable[[bytes], Iterable[bytes]]  # from a question's cookie to the datagrams it gets


class Server:
    """A UDP server on the loopback, in a thread of its own; it hears each question and answers what it is told to."""

    def __init__(self, answer: Answer, host: str = "127.0.0.1", port: int = 0) -> None:
        self.questions: list[tuple[float, bytes]] = []
        self.ports: list[int] = []  # the client's, for each question
        self.answer = answer
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, port))
        self._socket.settimeout(0.05)
        self._ending = Event()
        self._thread = Thread(target=self._serve)
        self.target = Target(host, self._socket.getsockname()[1])

    def __enter__(self) -> "Server":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Answer no more and give the port back. May be repeated."""
        self._ending.set()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while not self._ending.is_set():
            try:
                data, source = self._socket.recvfrom(1000)
            except TimeoutError:
                continue
            self.questions.append((time.monotonic(), data))
            self.ports.append(source[1])
            for datagram in self.answer(data[40:48]):
                self._socket.sendto(datagram, source)


def honest(cookie: bytes) -> list[bytes]:
    return [reply_bytes(cookie)]


def silent(_: bytes) -> list[bytes]:
    return []


@contextmanager
def unused_port(host: str = "127.0.0.1") -> Iterator[Target]:
    """A port that stays free because it is taken for TCP only, so that a UDP question is refused."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.bind((host, 0))
        yield Target(host, taken.getsockname()[1])
