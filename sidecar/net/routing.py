"""Replies from a virtual address leave by the virtual-MAC interface: ``from ADDRESS iif lo lookup TABLE``.

The table mirrors the routes that the main table has by way of the carpdev, and throws back to it what goes another way
(containers, other networks). It makes replies carry the virtual MAC, and is what strict ``rp_filter`` asks for the way
back. ``iif lo``: of this host itself only, since a backup forwards the master's answers to its own containers.
"""

import contextlib
from collections.abc import Iterable, Iterator
from ipaddress import ip_address, ip_network
from struct import pack
from typing import Any, Final

from sidecar.carp.config import Address
from sidecar.errors import HostError
from sidecar.net.kernel import FAMILIES, Kernel
from sidecar.net.pyroute import NetlinkError
from sidecar.net.rtnl import NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, attribute, message, u32

_BASE: Final = 112 << 24
PRIORITY: Final = 1120
"""Of our rules: after the local table (0), before the main one (32766)."""
_PROTOCOL: Final = 112
"""rtprot of our routes and rules, so that a person sees whose they are."""
_MAIN: Final = 254
_RTN_UNICAST, _RTN_THROW = 1, 9
THROW: Final = "throw"
"""In the place of a gateway: not by this table."""
_OWN: Final = "lo"
_IP6_RT_PRIO_USER: Final = 1024
_RTNH_F_ONLINK: Final = 4
_IGNORED_V6: Final = "fe80::"
_RTM_NEWROUTE, _RTM_DELROUTE = 24, 25
_RT_SCOPE_LINK: Final = 253
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_TABLE = 1, 4, 5, 6, 15

Route = tuple[int, str, int, str, int]
"""Family, destination ("" for default), prefix length, gateway ("" for on-link) or ``THROW``, metric."""


def table_for(carpdev_index: int, vhid: int) -> int:
    """The table of a virtual host: 112 << 24 and up, so never 0 or 253-255."""
    return _BASE | (carpdev_index & 0xFFFF) << 8 | vhid


def is_ours(table: int, vhid: int) -> bool:
    """Whether a table is one that this vhid could have made, on any carpdev."""
    return table & 0xFF0000FF == _BASE | vhid


def wanted_routes(kernel: Kernel, carpdev_index: int, families: Iterable[int]) -> set[Route]:
    """What the main table sends by the carpdev, and what not."""
    found: set[Route] = set()
    thrown: set[Route] = set()
    for version in families:
        for route in kernel.routes(version)[_MAIN]:
            if route["type"] != _RTN_UNICAST:
                continue
            ours = set(_by_way_of(route, carpdev_index, version))
            found |= ours
            thrown |= set() if ours else set(_another_way(route, version))
    return found | set(_ways_to_gateways(found)) | thrown


def _another_way(route: Any, version: int) -> Iterator[Route]:
    """Not for a default route: a reply prefers the carpdev, where the question came from."""
    destination = route.get_attr("RTA_DST") or ""
    if destination and destination != _IGNORED_V6:
        yield version, destination, route["dst_len"], THROW, route.get_attr("RTA_PRIORITY") or 0


def _ways_to_gateways(routes: set[Route]) -> Iterator[Route]:
    """A host route for an IPv6 gateway that is on no subnet of the table: without one its route is refused."""
    on_link = [ip_network(f"{route[1]}/{route[2]}") for route in routes if route[0] == 6 and route[1] and not route[3]]
    gateways = {ip_address(route[3]) for route in routes if route[0] == 6 and route[3]}
    for gateway in gateways:
        if not gateway.is_link_local and not any(gateway in network for network in on_link):
            yield 6, str(gateway), 128, "", _IP6_RT_PRIO_USER


def _by_way_of(route: Any, index: int, version: int) -> Iterator[Route]:
    destination = route.get_attr("RTA_DST") or ""
    if destination == _IGNORED_V6:
        return
    metric = route.get_attr("RTA_PRIORITY") or 0
    if route.get_attr("RTA_OIF") == index:
        yield version, destination, route["dst_len"], _gateway(route), metric
    for hop in route.get_attr("RTA_MULTIPATH") or ():
        if hop["oif"] == index:
            yield version, destination, route["dst_len"], _gateway(hop), metric


def _gateway(hop: Any) -> str:
    via = hop.get_attr("RTA_GATEWAY")
    return str(via) if via else ""


def mirror(kernel: Kernel, table: int, index: int, wanted: set[Route], families: Iterable[int]) -> set[Route]:
    """Make the table hold exactly these routes, by the interface of this index; those that the kernel refused."""
    present = {route for version in families for route in _present(kernel, table, version)}
    for route in sorted(present - wanted):
        kernel.rtnl.request(_encoded(_RTM_DELROUTE, NLM_F_ACK, table, index, route))
    return {route for route in _ordered(wanted - present) if any(kernel.rtnl.request(_request(table, index, route)))}


def _present(kernel: Kernel, table: int, version: int) -> Iterator[Route]:
    for route in kernel.routes(version)[table]:
        metric = route.get_attr("RTA_PRIORITY") or 0
        by = THROW if route["type"] == _RTN_THROW else _gateway(route)
        yield version, route.get_attr("RTA_DST") or "", route["dst_len"], by, metric


def requests(table: int, index: int, routes: Iterable[Route]) -> list[bytes]:
    """Encoded requests that put routes into the table.

    They go out with the addresses, too: the kernel forgets an interface's IPv4 routes when its last address goes.
    """
    return [_request(table, index, route) for route in _ordered(routes)]


def _ordered(routes: Iterable[Route]) -> list[Route]:
    """On-link routes first, since a gateway must be reachable when its route is added."""
    return sorted(routes, key=lambda route: (bool(route[3]), route))


def _request(table: int, index: int, route: Route) -> bytes:
    return _encoded(_RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, table, index, route)


def _encoded(kind: int, flags: int, table: int, index: int, route: Route) -> bytes:
    version, destination, length, by, metric = route
    thrown, gateway = by == THROW, "" if by == THROW else by
    scope = _RT_SCOPE_LINK if version == 4 and not by else 0
    # IPv6 would look for an on-link gateway in the main table, find it on the carpdev, and refuse the mismatch.
    onlink = _RTNH_F_ONLINK if version == 4 and gateway else 0
    of = _RTN_THROW if thrown else _RTN_UNICAST
    body = pack("=BBBBBBBBI", FAMILIES[version], length, 0, 0, 0, _PROTOCOL, scope, of, onlink)
    body += u32(_RTA_TABLE, table) + (b"" if thrown else u32(_RTA_OIF, index))
    if destination:
        body += attribute(_RTA_DST, ip_address(destination).packed)
    if gateway:
        body += attribute(_RTA_GATEWAY, ip_address(gateway).packed)
    if metric:
        body += u32(_RTA_PRIORITY, metric)
    return message(kind, flags, body)


def mirror_rules(kernel: Kernel, table: int, addresses: Iterable[Address]) -> None:
    """Exactly one rule an address leads to the table. ``HostError`` when the host refuses."""
    wanted = {(one.version, str(one).partition("%")[0]) for one in addresses}
    present = set()
    for version in FAMILIES:
        for rule in tuple(kernel.rules(version)[table]):
            source = rule.get_attr("FRA_SRC") or ""
            present.add((version, source))
            if (version, source) not in wanted:
                _remove_rule(kernel, version, table, rule)
    for version, source in sorted(wanted - present):
        arguments = _rule_arguments(FAMILIES[version], source, 32 if version == 4 else 128, table, PRIORITY)
        try:
            kernel.ipr.rule("add", **arguments)
        except NetlinkError as error:
            raise HostError(f"rule from {source} lookup {table}: {error.args[-1]}") from error


def _remove_rule(kernel: Kernel, version: int, table: int, rule: Any) -> None:
    kernel.rules(version)[table].remove(rule)
    with contextlib.suppress(NetlinkError):
        kernel.ipr.rule("del", **_arguments_of(FAMILIES[version], table, rule))


def remove_rules(kernel: Kernel, vhid: int, addresses: Iterable[Address], table: int) -> None:
    """Take away the rules of this virtual host, an earlier run's and those of a vanished carpdev included."""
    ours = {str(address).partition("%")[0] for address in addresses}
    tables = {table} - {0}
    for version in FAMILIES:
        candidates = [found for found in kernel.rules(version) if is_ours(found, vhid)]
        for found in candidates:
            for rule in tuple(kernel.rules(version)[found]):
                if found == table or rule.get_attr("FRA_SRC") in ours:
                    _remove_rule(kernel, version, found, rule)
                    tables.add(found)
    _remove_thrown(kernel, tables)


def _remove_thrown(kernel: Kernel, tables: Iterable[int]) -> None:
    """Other routes go with their interface; these have none."""
    for table in sorted(tables):
        for version, family in FAMILIES.items():
            for route in tuple(kernel.routes(version)[table]):
                if route["type"] == _RTN_THROW and route["proto"] == _PROTOCOL:
                    kernel.routes(version)[table].remove(route)
                    with contextlib.suppress(NetlinkError):
                        kernel.ipr.route("del", **_thrown_arguments(family, table, route))


def _thrown_arguments(family: int, table: int, route: Any) -> dict[str, Any]:
    destination = f"{route.get_attr('RTA_DST')}/{route['dst_len']}"
    arguments = {"family": family, "table": table, "dst": destination, "type": "throw", "proto": _PROTOCOL}
    metric = route.get_attr("RTA_PRIORITY")
    return {**arguments, "priority": metric} if metric else arguments


def _arguments_of(family: int, table: int, rule: Any) -> dict[str, Any]:
    source, priority = rule.get_attr("FRA_SRC"), rule.get_attr("FRA_PRIORITY")
    return _rule_arguments(family, source, rule["src_len"], table, priority)


def _rule_arguments(family: int, source: str, length: int, table: int, priority: int | None) -> dict[str, Any]:
    arguments = {"family": family, "src": source, "src_len": length, "table": table, "priority": priority}
    return {**arguments, "iifname": _OWN, "FRA_PROTOCOL": _PROTOCOL}
