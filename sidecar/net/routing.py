"""Replies from a virtual address leave by the virtual-MAC interface: ``from ADDRESS lookup TABLE``.

The table mirrors the routes that the main table has by way of the carpdev. It makes replies carry the virtual MAC, and
it is what strict ``rp_filter`` asks when it looks for the way back. One table for each carpdev and vhid.
"""

import contextlib
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from sidecar.carp.config import Address
from sidecar.errors import HostError

_BASE: Final = 112 << 24
PRIORITY: Final = 1120
"""Of our rules: after the local table (0), before the main one (32766)."""
_PROTOCOL: Final = 112
"""rtprot of our routes and rules, so that a person sees whose they are."""
_MAIN: Final = 254
_RTN_UNICAST: Final = 1
_RTNH_F_ONLINK: Final = 4
_FAMILIES: Final = {4: socket.AF_INET, 6: socket.AF_INET6}
_IGNORED_V6: Final = "fe80::"

Route = tuple[int, str, int, str, int]
"""Family, destination ("" for default), prefix length, gateway ("" for on-link), metric."""


def table_for(carpdev_index: int, vhid: int) -> int:
    """The table of a virtual host: 112 << 24 and up, so never 0 or 253-255."""
    return _BASE | (carpdev_index & 0xFFFF) << 8 | vhid


def is_ours(table: int, vhid: int) -> bool:
    """Whether a table is one that this vhid could have made, on any carpdev."""
    return table & 0xFF0000FF == _BASE | vhid


def wanted_routes(ipr: IPRoute, carpdev_index: int, families: Iterable[int]) -> set[Route]:
    """What the main table sends by the carpdev."""
    found: set[Route] = set()
    for version in families:
        for route in ipr.get_routes(family=_FAMILIES[version], table=_MAIN, type=_RTN_UNICAST):
            found.update(_by_way_of(route, carpdev_index, version))
    return found


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


def mirror(ipr: IPRoute, table: int, index: int, wanted: set[Route], families: Iterable[int]) -> None:
    """Make the table hold exactly these routes, by the interface of this index. ``HostError`` when it cannot."""
    present = {route for version in families for route in _present(ipr, table, version)}
    for route in sorted(present - wanted):
        _change(ipr.route, "del", table, index, route)
    # On-link routes first: a gateway must be reachable when its route is added.
    for route in sorted(wanted - present, key=lambda one: bool(one[3])):
        _change(ipr.route, "replace", table, index, route)


def _present(ipr: IPRoute, table: int, version: int) -> Iterator[Route]:
    for route in ipr.get_routes(family=_FAMILIES[version], table=table):
        metric = route.get_attr("RTA_PRIORITY") or 0
        yield version, route.get_attr("RTA_DST") or "", route["dst_len"], _gateway(route), metric


def _change(request: Callable[..., Any], action: str, table: int, index: int, route: Route) -> None:
    version, destination, length, gateway, metric = route
    arguments: dict[str, Any] = {"family": _FAMILIES[version], "table": table, "oif": index, "proto": _PROTOCOL}
    arguments["dst"] = f"{destination}/{length}" if destination else "default"
    if metric:
        arguments["priority"] = metric
    if gateway:
        arguments |= {"gateway": gateway, "flags": _RTNH_F_ONLINK}
    elif version == 4:
        arguments["scope"] = 253
    try:
        request(action, **arguments)
    except NetlinkError as error:
        if action != "del":
            raise HostError(f"route {arguments['dst']} in table {table}: {error.args[-1]}") from error


def mirror_rules(ipr: IPRoute, table: int, addresses: Iterable[Address]) -> None:
    """Exactly one rule an address leads to the table. ``HostError`` when the host refuses."""
    wanted = {(one.version, str(one).partition("%")[0]) for one in addresses}
    present = set()
    for version, family in _FAMILIES.items():
        for rule in ipr.get_rules(family=family):
            if _table_of(rule) != table:
                continue
            source = rule.get_attr("FRA_SRC") or ""
            present.add((version, source))
            if (version, source) not in wanted:
                ipr.rule(
                    "del", **_rule_arguments(family, source, rule["src_len"], table, rule.get_attr("FRA_PRIORITY"))
                )
    for version, source in sorted(wanted - present):
        try:
            ipr.rule("add", **_rule_arguments(_FAMILIES[version], source, 32 if version == 4 else 128, table, PRIORITY))
        except NetlinkError as error:
            raise HostError(f"rule from {source} lookup {table}: {error.args[-1]}") from error


def _table_of(rule: Any) -> int:
    return int(rule.get_attr("FRA_TABLE") or rule["table"])


def remove_rules(ipr: IPRoute, vhid: int, addresses: Iterable[Address], table: int) -> None:
    """Take away the rules of this virtual host, an earlier run's and those of a vanished carpdev included."""
    ours = {str(address).partition("%")[0] for address in addresses}
    for family in _FAMILIES.values():
        for rule in ipr.get_rules(family=family):
            found = _table_of(rule)
            source = rule.get_attr("FRA_SRC")
            if found == table or (is_ours(found, vhid) and source in ours):
                with contextlib.suppress(NetlinkError):
                    ipr.rule(
                        "del", **_rule_arguments(family, source, rule["src_len"], found, rule.get_attr("FRA_PRIORITY"))
                    )


def _rule_arguments(family: int, source: str, length: int, table: int, priority: int | None) -> dict[str, Any]:
    arguments = {"family": family, "src": source, "src_len": length, "table": table, "priority": priority}
    return {**arguments, "FRA_PROTOCOL": _PROTOCOL}
