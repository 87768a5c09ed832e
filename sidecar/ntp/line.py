"""The connected UDP socket to one server. Law: an error wakes at once; an answer only who waits for it.

The loop watches an epoll of the socket's own, which reports errors (the server was killed: connection refused) even
when no event is asked for.
"""

import select
import socket

from sidecar.ntp.resolve import Endpoint


class Line:
    """Open from construction, and awake: answers wake who watches ``fileno``. Every ``OSError`` is the caller's.

    ``send`` and ``recv`` are the socket's.
    """

    __slots__ = ("_epoll", "_socket", "awake", "recv", "send")

    def __init__(self, endpoint: Endpoint, *, own_address: bool) -> None:
        family, address = endpoint
        self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            if own_address:
                self._socket.bind((address[0], 0, *address[2:]))
            self._socket.connect(address)
            self._epoll = select.epoll()
        except OSError:
            self._socket.close()
            raise
        self._epoll.register(self._socket, select.EPOLLIN)
        self.send, self.recv = self._socket.send, self._socket.recv
        self.awake = True

    def fileno(self) -> int:
        """The descriptor to watch."""
        return self._epoll.fileno()

    def wake(self, *, by_answers: bool) -> None:
        """Whether answers wake from now on, those that lie there among them."""
        self.awake = by_answers
        self._epoll.modify(self._socket, select.EPOLLIN if by_answers else 0)

    def close(self) -> None:
        """Nothing is watched or heard any more."""
        self._epoll.close()
        self._socket.close()
