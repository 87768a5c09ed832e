"""What changed on the host, from the kernel's own notices: carrier, interfaces, addresses, routes.

A plain AF_NETLINK socket on the loop; pyroute2 only parses, and only what concerns an interface that is watched. A
notice is a hint to look again (level-triggered), except carrier loss and a removed address, which are acted on at once.
"""

import errno
import socket
import struct
from typing import Any, Final, Protocol

from sidecar.errors import HostError
from sidecar.net import bpf
from sidecar.net.interface import IFF_LOWER_UP, IFF_UP
from sidecar.net.pyroute import MarshalRtnl
from sidecar.net.readable import Readable
from sidecar.net.rtnl import messages

_RTM_NEWLINK, _RTM_DELLINK = 16, 17
_RTM_NEWADDR, _RTM_DELADDR = 20, 21
_RTM_NEWROUTE, _RTM_DELROUTE = 24, 25
_GROUPS: Final = 0x1 | 0x10 | 0x100 | 0x40 | 0x400  # link, IPv4 and IPv6 addresses, IPv4 and IPv6 routes
_RECEIVE: Final = 65536
_BUFFER: Final = 1 << 20
_SO_RCVBUFFORCE: Final = 33
_LINK: Final = struct.Struct("=BxHiII")
_MAX_BATCH: Final = 64
_MOST_IGNORED: Final = 255
_TABLE, _MAIN = 4, 254


class Watcher(Protocol):
    """Who is told. All are called on the loop's thread."""

    def link_changed(self, index: int, name: str, up: bool) -> None:
        """An interface exists, with carrier or without."""

    def link_removed(self, index: int, name: str) -> None:
        """An interface is gone."""

    def address_added(self, index: int, address: bytes) -> None:
        """An interface has an address more (packed), or one changed."""

    def address_removed(self, index: int, address: bytes) -> None:
        """An interface has lost an address (packed)."""

    def routes_changed(self) -> None:
        """Some route of the main table came or went."""

    def notices_lost(self) -> None:
        """The kernel could not keep up with us: look at everything again."""


class Monitor:
    """Reads notices for a watcher. ``fileno`` is to be watched, ``read`` called when it is readable."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._marshal = MarshalRtnl()
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            self._socket.bind((0, _GROUPS))
        except OSError as error:
            raise HostError(f"no netlink socket for notices: {error.strerror}") from error
        self._socket.setblocking(False)
        self._readable = Readable(self._socket)

    def fileno(self) -> int:
        """The descriptor to watch."""
        return self._readable.fileno()

    def ignore_renewals_on(self, indices: set[int]) -> None:
        """Do not wake up for addresses that are renewed on these interfaces, which are ours alone."""
        if len(indices) <= _MOST_IGNORED:
            bpf.attach(self._socket, bpf.not_new_addresses_on(indices))

    def close(self) -> None:
        """Hear no more notices."""
        self._readable.close()
        self._socket.close()

    def read(self) -> None:
        """Handle what is there, a bounded number of datagrams."""
        for _ in range(_MAX_BATCH):
            try:
                data = self._socket.recv(_RECEIVE)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    self._watcher.notices_lost()
                return
            for kind, body in messages(data):
                self._handle(kind, body)

    def _handle(self, kind: int, body: bytes) -> None:
        if kind in (_RTM_NEWLINK, _RTM_DELLINK):
            self._link(kind, body)
        elif kind == _RTM_NEWADDR:
            self._watcher.address_added(*self._address(kind, body))
        elif kind == _RTM_DELADDR:
            self._watcher.address_removed(*self._address(kind, body))
        elif kind in (_RTM_NEWROUTE, _RTM_DELROUTE) and body[_TABLE] == _MAIN:
            self._watcher.routes_changed()

    def _link(self, kind: int, body: bytes) -> None:
        family, _, index, flags, _ = _LINK.unpack_from(body)
        if family != socket.AF_UNSPEC:  # a bridge speaks of its ports in the same words
            return
        name = str(self._parsed(kind, body).get_attr("IFLA_IFNAME") or "")
        if kind == _RTM_DELLINK:
            self._watcher.link_removed(index, name)
        else:
            self._watcher.link_changed(index, name, bool(flags & IFF_UP and flags & IFF_LOWER_UP))

    def _address(self, kind: int, body: bytes) -> tuple[int, bytes]:
        message = self._parsed(kind, body)
        text = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
        family = socket.AF_INET6 if ":" in text else socket.AF_INET
        return message["index"], socket.inet_pton(family, text)

    def _parsed(self, kind: int, body: bytes) -> Any:
        head = struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0)
        return next(iter(self._marshal.parse(head + body)))
