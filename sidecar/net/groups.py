"""Raw sockets that make the host a member of CARP's groups, keep it from answering "protocol unreachable", and carry
unicast advertisements.

They receive nothing (their filter refuses every packet): the packet socket hears. Their membership makes switches that
snoop forward the groups to us, and so does that of the solicited-node groups of IPv6 virtual addresses, which the
virtual-MAC interface itself must not report while it is silent.
"""

import contextlib
import errno
import socket
from collections.abc import Iterable
from ipaddress import IPv6Address
from struct import pack
from typing import Final

from sidecar.carp.config import Address, Family
from sidecar.carp.constants import GROUP_V4, GROUP_V6, PROTOCOL, TTL
from sidecar.errors import HostError
from sidecar.net import bpf
from sidecar.net.frames import solicited_node_group

_TOS_LOW_DELAY: Final = 0x10
_IP_MTU_DISCOVER, _IP_PMTUDISC_DO = 10, 2
_PEER_DOWN: Final = frozenset({errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ECONNREFUSED})
_AF: Final = {Family.V4: socket.AF_INET, Family.V6: socket.AF_INET6}


class Groups:
    """One raw socket a family on one carpdev."""

    def __init__(self) -> None:
        self._sockets: dict[Family, socket.socket] = {}

    def open(self, ifindex: int, ifname: str, families: Iterable[Family], addresses: Iterable[Address]) -> None:
        """Join on an interface; ``HostError`` when the host does not allow it."""
        self.close()
        for family in families:
            try:
                self._sockets[family] = sock = self._opened(family, ifname)
            except OSError as error:
                raise HostError(f"no raw socket for protocol {PROTOCOL} on {ifname}: {error.strerror}") from error
            self._join(sock, family, ifindex, addresses)

    def _opened(self, family: Family, ifname: str) -> socket.socket:
        sock = socket.socket(_AF[family], socket.SOCK_RAW | socket.SOCK_CLOEXEC, PROTOCOL)
        sock.setblocking(False)
        bpf.attach(sock, bpf.nothing())
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, ifname.encode())
        if family is Family.V4:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, TTL)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _TOS_LOW_DELAY)
            sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DO)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, TTL)
        return sock

    def _join(self, sock: socket.socket, family: Family, ifindex: int, addresses: Iterable[Address]) -> None:
        """Membership is a service to snooping switches: a host that has none to give still hears (allmulti)."""
        with contextlib.suppress(OSError):
            if family is Family.V4:
                request = pack("=4s4si", GROUP_V4, b"\0" * 4, ifindex)
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
                return
            groups = {GROUP_V6, *(solicited_node_group(one) for one in addresses if isinstance(one, IPv6Address))}
            for group in groups:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, pack("=16si", group, ifindex))

    def send(self, payload: bytes, peer: Address, ifindex: int) -> str | None:
        """A unicast advertisement, by the kernel's routing and neighbour table; the reason when it could not go."""
        sock = self._sockets.get(Family(peer.version))
        if sock is None:
            return f"no socket for IPv{peer.version}"
        destination: tuple[object, ...] = (str(peer), 0) if peer.version == 4 else (str(peer), 0, 0, ifindex)
        try:
            sock.sendto(payload, destination)
        except OSError as error:
            # A peer that is down is its own trouble, not a failure of ours to speak (OpenBSD ignores it likewise).
            return None if error.errno in _PEER_DOWN else error.strerror or str(error)
        return None

    def close(self) -> None:
        """Leave all groups."""
        for sock in self._sockets.values():
            sock.close()
        self._sockets.clear()
