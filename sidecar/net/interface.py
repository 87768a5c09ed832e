"""What a carpdev is right now: asked from the kernel by pyroute2, kept as plain values.

Asking blocks (a few milliseconds) and never goes on on the loop's thread: pyroute2 has a loop of its own.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final

from sidecar.carp.config import Address, Family
from sidecar.errors import ConfigError
from sidecar.net.pyroute import IPRoute, NetlinkError

IFF_UP: Final = 0x1
IFF_LOWER_UP: Final = 0x10000
IFA_F_NOPREFIXROUTE: Final = 0x200
_ARPHRD_ETHER: Final = 1
_FOR_EVER: Final = 0xFFFFFFFF
_IFA_F_TENTATIVE_OR_FAILED: Final = 0x40 | 0x08

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class InterfaceAddress:
    """One address of an interface. ``usable``: not tentative, not failed. ``virtual``: added as we add ours."""

    address: Address
    network: Network
    usable: bool
    virtual: bool
    """A host address without a prefix route: an earlier run's, or another virtual host's of now."""
    lease_s: int = field(default=0, compare=False)
    """Seconds until the kernel takes it away, rounded up; 0: it stays."""


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface by name, as it is at one moment."""

    index: int
    name: str
    mac: bytes
    up: bool
    """Administratively up, with carrier."""
    addresses: tuple[InterfaceAddress, ...]
    ethernet: bool = True

    def sources(self, virtual: Iterable[Address]) -> dict[Family, Address]:
        """Where advertisements leave from: the primary IPv4 address, an IPv6 link-local one; never a virtual one.

        Without an IPv4 address of its own a node speaks from the virtual address, as OpenBSD and NetBSD do.
        """
        mine = [one.address for one in self.addresses if one.usable and not one.virtual]
        found: dict[Family, Address] = {}
        v4 = [one for one in (*mine, *virtual) if isinstance(one, IPv4Address)]
        v6 = [one for one in mine if isinstance(one, IPv6Address)]
        if v4:
            found[Family.V4] = v4[0]
        if v6:
            found[Family.V6] = min(v6, key=lambda one: not one.is_link_local)
        return found


def _interface(link: Any, addresses: list[Any]) -> Interface:
    flags = link["flags"]
    index = link["index"]
    return Interface(
        index=index,
        name=link.get_attr("IFLA_IFNAME"),
        mac=bytes.fromhex((link.get_attr("IFLA_ADDRESS") or "00:00:00:00:00:00").replace(":", "")),
        up=bool(flags & IFF_UP and flags & IFF_LOWER_UP),
        addresses=tuple(interface_address(one) for one in addresses if one["index"] == index),
        ethernet=link["ifi_type"] == _ARPHRD_ETHER,
    )


def interface_address(message: Any) -> InterfaceAddress:
    """One address, of the kernel's message that tells it."""
    text = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
    flags = message.get_attr("IFA_FLAGS") or message["flags"]
    network = ip_network(f"{text}/{message['prefixlen']}", strict=False)
    return InterfaceAddress(
        address=ip_address(text),
        network=network,
        usable=not flags & _IFA_F_TENTATIVE_OR_FAILED,
        virtual=network.prefixlen == network.max_prefixlen and bool(flags & IFA_F_NOPREFIXROUTE),
        lease_s=_lease(message.get_attr("IFA_CACHEINFO")),
    )


def _lease(times: Any | None) -> int:
    valid = times["ifa_valid"] if times else _FOR_EVER
    return 0 if valid == _FOR_EVER else int(valid) + 1


def interfaces(ipr: IPRoute) -> list[Interface]:
    """Every interface of this network namespace."""
    addresses = list(ipr.get_addr())
    return [_interface(link, addresses) for link in ipr.get_links()]


def all_interfaces() -> list[Interface]:
    """The same for whoever has no connection to the kernel."""
    with IPRoute() as ipr:
        return interfaces(ipr)


def find(ipr: IPRoute, name: str) -> Interface | None:
    """One interface by name, or None when it is not there. Costs the same however many there are."""
    link = link_named(ipr, name)
    return None if link is None else _interface(link, list(ipr.get_addr(index=link["index"])))


def link_named(ipr: IPRoute, name: str) -> Any | None:
    """What the kernel tells of one interface, or None when it is not there."""
    try:
        return next(iter(ipr.link("get", ifname=name)), None)
    except NetlinkError:
        return None


def holding_subnet_of(address: Address) -> str:
    """The interface whose subnet holds an address; ``ConfigError`` when none or several do."""
    with IPRoute() as ipr:
        names = sorted({one.name for one in interfaces(ipr) if _holds(one, address)})
    if len(names) == 1:
        return names[0]
    if names:
        rule = f"{', '.join(names)} each hold the subnet of {address}"
    else:
        rule = f"no interface holds the subnet of {address}"
    raise ConfigError("interface", "(unset)", rule, "name the carpdev with --interface or CARP_INTERFACE")


def _holds(interface: Interface, address: Address) -> bool:
    if interface.name == "lo" or interface.mac[:5] == b"\0\0\x5e\0\x01":
        return False
    return any(
        address in one.network
        for one in interface.addresses
        if one.address.version == address.version and one.network.prefixlen < one.address.max_prefixlen
    )
