"""Per-interface IPv4 settings by rtnetlink, where /proc/sys is read-only for a container without privilege.

``IFLA_AF_SPEC -> AF_INET -> IFLA_INET_CONF`` needs CAP_NET_ADMIN only. The numbers are those of ``linux/ip.h``
(IPV4_DEVCONF_*), which the kernel keeps stable because they are its interface.
"""

import errno
import os
import socket
from collections.abc import Mapping
from struct import pack
from typing import Any, Final

from sidecar.errors import HostError
from sidecar.net.pyroute import IPRoute
from sidecar.net.rtnl import NLM_F_ACK, Rtnl, attribute, message, nested, u32

RTM_SETLINK: Final = 19
_IFLA_AF_SPEC: Final = 26
_IFLA_INET_CONF: Final = 1
_IFLA_INET6_ADDR_GEN_MODE: Final = 8
_ADDR_GEN_MODE_NONE: Final = 1
_DEVCONF: Final = {
    "forwarding": 1,
    "proxy_arp": 3,
    "accept_redirects": 4,
    "send_redirects": 6,
    "rp_filter": 8,
    "arp_announce": 18,
    "arp_ignore": 19,
    "arp_notify": 22,
}

Settings = Mapping[str, int]

ONE_ANSWER: Final[Settings] = {"arp_ignore": 1, "arp_announce": 2}
"""The carpdev must not answer for an address of the virtual-MAC interface, nor ask in its name."""
SILENT: Final[Settings] = {
    **ONE_ANSWER,
    "forwarding": 0,
    "proxy_arp": 0,
    "send_redirects": 0,
    "accept_redirects": 0,
    "arp_notify": 0,
    "rp_filter": 0,
}
"""The virtual-MAC interface: answers for its addresses and does nothing else."""


def write(rtnl: Rtnl, index: int, name: str, settings: Settings) -> None:
    """Set them on an interface; ``HostError`` when the kernel refuses."""
    entries = (u32(_DEVCONF[key], value) for key, value in settings.items())
    spec = nested(socket.AF_INET, nested(_IFLA_INET_CONF, *entries))
    rtnl.check(_set_link(index, spec), f"IPv4 settings of {name}")


def generate_no_address(rtnl: Rtnl, index: int, name: str) -> None:
    """``addrgenmode none``: no IPv6 link-local address. A kernel without IPv6 needs no telling."""
    spec = nested(socket.AF_INET6, attribute(_IFLA_INET6_ADDR_GEN_MODE, bytes((_ADDR_GEN_MODE_NONE,))))
    for code in rtnl.request(_set_link(index, spec)):
        if code not in (0, errno.EAFNOSUPPORT):
            raise HostError(f"addrgenmode none on {name}: {os.strerror(code)}")


def _set_link(index: int, spec: bytes) -> bytes:
    body = pack("=BxHiII", socket.AF_UNSPEC, 0, index, 0, 0)
    return message(RTM_SETLINK, NLM_F_ACK, body + nested(_IFLA_AF_SPEC, spec))


def read(ipr: IPRoute, index: int, keys: Settings) -> dict[str, int]:
    """The present values of these keys on an interface."""
    (link,) = ipr.get_links(index)
    conf: Any = link.get_nested("IFLA_AF_SPEC", "AF_INET")
    return {key: conf[key] for key in keys}
