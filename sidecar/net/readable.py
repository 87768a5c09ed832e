"""A descriptor that stays watchable whatever happens to the socket behind it.

libuv stops polling a descriptor that reports an error, and says nothing: a packet socket whose interface went down, or
a netlink socket that overflowed, would be deaf ever after. An epoll of its own never has an error to report.
"""

import select
import socket


class Readable:
    """``fileno`` is readable whenever one of the sockets (or other descriptors) has data or an error to fetch."""

    def __init__(self, *socks: socket.socket | int) -> None:
        self._epoll = select.epoll()
        for sock in socks:
            self._epoll.register(sock, select.EPOLLIN)

    def heed(self, sock: socket.socket, *, heeded: bool) -> None:
        """Whether what one of the sockets has counts, from now on."""
        if heeded:
            self._epoll.register(sock, select.EPOLLIN)
        else:
            self._epoll.unregister(sock)

    def fileno(self) -> int:
        """The descriptor to give to the loop."""
        return self._epoll.fileno()

    def close(self) -> None:
        """Give it back."""
        self._epoll.close()
