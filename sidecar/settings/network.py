"""Addresses, hosts and ports: from a text to a value, or a refusal with its reason."""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address, ip_interface
from typing import Final

from sidecar.carp.config import Address
from sidecar.settings.problems import Refusal
from sidecar.settings.rules import BOOLEANS, text

NTP_PORT: Final = 123
_THIS_NETWORK: Final = IPv4Network("0.0.0.0/8")
_BROADCAST: Final = IPv4Address("255.255.255.255")
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}")
_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_USE_ONE: Final = "give an address that one host can have"


def items(value: object) -> list[object]:
    """The items of a list, or of a text with commas between them."""
    if isinstance(value, list):
        return value
    return list(text(value).split(","))


def peer_items(value: object) -> list[object]:
    """Like `items`; empty or ``multicast``: none."""
    if isinstance(value, str) and value.strip().lower() in {"", "multicast"}:
        return []
    return items(value)


def virtual_address(value: object) -> Address:
    """An address that may move between hosts, with or without the prefix of its network."""
    given = _item(value)
    plain, slash, prefix = given.partition("/")
    address = _unicast(plain)
    if slash:
        _check_prefix(address, prefix)
    return address


def peer(value: object) -> Address:
    """The address of a peer."""
    given = _item(value)
    if "/" in given:
        raise Refusal("a peer has no prefix", f"write {given.partition('/')[0]}", given)
    return _unicast(given)


def _item(value: object) -> str:
    if isinstance(value, str) and not value.strip():
        raise Refusal("an item of the list is empty", "remove the superfluous comma", value)
    return text(value)


def _unicast(given: str) -> Address:
    try:
        address = ip_address(given)
    except ValueError:
        raise Refusal("is not an IPv4 or IPv6 address", "write it like 192.0.2.10 or 2001:db8::10", given) from None
    if isinstance(address, IPv6Address):
        _check_v6_form(address, given)
    if reason := _not_unicast(address):
        raise Refusal(reason, _USE_ONE, given)
    return address


def _check_v6_form(address: IPv6Address, given: str) -> None:
    if address.scope_id is not None:
        raise Refusal("carries a zone", "write it without % (the interface is a setting of its own)", given)
    if address.ipv4_mapped:
        raise Refusal("is an IPv4-mapped address", f"write {address.ipv4_mapped}", given)


def _not_unicast(address: Address) -> str | None:
    """Why an address cannot be that of one host, or None."""
    if address.is_unspecified or (isinstance(address, IPv4Address) and address in _THIS_NETWORK):
        return "is an unspecified address"
    if address.is_multicast:
        return "is a multicast address"
    if address.is_loopback:
        return "is a loopback address"
    return "is the broadcast address" if address == _BROADCAST else None


def _check_prefix(address: Address, prefix: str) -> None:
    given, longest = f"{address}/{prefix}", address.max_prefixlen
    if not re.fullmatch(r"[0-9]{1,3}", prefix) or int(prefix) > longest:
        raise Refusal(f"the prefix must be 0 to {longest}", "write it like /24, or leave it out", given)
    network = ip_interface(given).network
    if int(prefix) >= longest - 1:
        return
    if address == network.network_address:
        raise Refusal(f"is the address of the network {network} itself", _USE_ONE, given)
    if address.version == 4 and address == network.broadcast_address:
        raise Refusal(f"is the broadcast address of {network}", _USE_ONE, given)


def http(value: object) -> tuple[str, int]:
    """An address of this host and a port."""
    given = text(value)
    fix = "write it like 127.0.0.1:8112 or [::1]:8112; 0.0.0.0:8112 is every address of the host"
    host, port = _split(given)
    if port is None or not host:
        raise Refusal("must be an address and a port", fix)
    if host.lower() == "localhost":
        host = "127.0.0.1"
    try:
        address = ip_address(host)
    except ValueError:
        raise Refusal("the host must be an IPv4 address or an IPv6 address in brackets", fix) from None
    if address.is_multicast or address == _BROADCAST:
        raise Refusal("is no address to listen on", fix)
    return host, _port(port)


def ntp(value: object) -> str:
    """``host:port`` with the port filled in, or ``off``."""
    given = text(value)
    if BOOLEANS.get(given.lower(), True) is False:
        return "off"
    host, port = _split(given)
    number = NTP_PORT if port is None else _port(port)
    _check_ntp_host(host, bracketed=given.startswith("["))
    return f"[{host}]:{number}" if ":" in host else f"{host}:{number}"


def _check_ntp_host(host: str, *, bracketed: bool) -> None:
    fix = "write it like 127.0.0.1:123, [::1]:123 or ntp.example.net, or off"
    try:
        address = ip_address(host)
    except ValueError:
        if bracketed or not _is_hostname(host):
            raise Refusal("must be host[:port] with an address or a host's name", fix) from None
        return
    if bracketed and address.version == 4:
        raise Refusal("brackets are for IPv6", fix)
    if address.is_unspecified or address.is_multicast or address == _BROADCAST:
        raise Refusal("is no address that one server answers on", fix)


def _is_hostname(host: str) -> bool:
    """RFC 1123, underscores allowed. A name whose last label is a number is a mistyped address, or a boolean."""
    labels = host.removesuffix(".").split(".")
    named = len(host) <= 253 and all(_LABEL.fullmatch(label) for label in labels)
    return named and not labels[-1].isdigit() and host.lower() not in BOOLEANS


def _split(given: str) -> tuple[str, str | None]:
    """Host without brackets, and port if there is one. An IPv6 address without brackets has none."""
    if given.startswith("["):
        host, closed, rest = given[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise Refusal("a bracket opens and does not close before the port", "write it like [::1]:123")
        return host, rest[1:] if rest else None
    if given.count(":") != 1:
        return given, None
    host, _, port = given.partition(":")
    return host, port


def _port(given: str) -> int:
    if not _PORT.fullmatch(given) or int(given) > 65535:
        raise Refusal("the port must be 1 to 65535", "write host:port with a port in that range")
    return int(given)
