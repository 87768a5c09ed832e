"""Whether a virtual host's interface and addresses are such that it can become master here. Asks, changes nothing."""

from collections.abc import Iterator, Sequence
from ipaddress import IPv6Address
from pathlib import Path
from typing import Final

from sidecar.carp.config import Address, Family
from sidecar.check.finding import Finding, ok, problem, warning
from sidecar.errors import ConfigError
from sidecar.net.frames import format_mac, virtual_mac
from sidecar.net.interface import Interface, InterfaceAddress, holding_subnet_of
from sidecar.settings.values import MacMode, VhostSettings

_IPV6: Final = Path("/proc/sys/net/ipv6/conf")


def carpdev_of(settings: VhostSettings) -> str | Finding:
    """The name of its carpdev, or why there is none."""
    if settings.interface is not None:
        return settings.interface
    try:
        return holding_subnet_of(settings.config.addresses[0])
    except ConfigError as error:
        return problem(f"vhid {settings.config.vhid}", error.rule, error.fix)


def carpdev(settings: VhostSettings, name: str, here: Sequence[Interface]) -> Iterator[Finding]:
    """Everything about one virtual host's place; ``here`` are all interfaces."""
    found = next((one for one in here if one.name == name), None)
    if found is None:
        names = ", ".join(one.name for one in here)
        yield problem(f"interface {name}", "there is none of this name", f"name one of {names}, or make it")
        return
    yield from _link(found)
    yield from _sources(settings, found)
    for address in settings.config.addresses:
        yield _address(found, address, here)
    yield from _number(settings, here)


def _link(found: Interface) -> Iterator[Finding]:
    subject = f"interface {found.name}"
    if not found.ethernet:
        yield problem(subject, "it is no Ethernet", "CARP needs an Ethernet segment that all nodes share")
    elif not found.up:
        yield problem(subject, "it is down or has no carrier", f"ip link set {found.name} up, and look at its cable")
    else:
        yield ok(subject, f"up, {format_mac(found.mac)}")


def _sources(settings: VhostSettings, found: Interface) -> Iterator[Finding]:
    """Advertisements need an address to leave from, for each family."""
    config = settings.config
    wanted = {Family.V6 if isinstance(one, IPv6Address) else Family.V4 for one in config.addresses}
    sources = found.sources(config.addresses)
    for family in sorted(wanted, key=lambda one: one.value):
        subject = f"source for IPv{family.value} on {found.name}"
        if family in sources:
            yield ok(subject, str(sources[family]))
        else:
            yield problem(subject, "it has no usable address", _how_to_get(family, found.name))


def _how_to_get(family: Family, name: str) -> str:
    if family is Family.V4:
        return f"give it one: ip address add ADDRESS/PREFIX dev {name}"
    off = _IPV6 / name / "disable_ipv6"
    if off.exists() and off.read_text().strip() == "1":
        return f"IPv6 is switched off there: sysctl net.ipv6.conf.{name}.disable_ipv6=0"
    return "wait for its link-local address, or look whether addrgenmode is none"


def _address(found: Interface, address: Address, here: Sequence[Interface]) -> Finding:
    subject = f"address {address}"
    holders = {one.name for one in here for each in one.addresses if each.address == address and not each.virtual}
    if holders:
        what = f"this node's own, on {', '.join(sorted(holders))}"
        return problem(subject, what, "a virtual address belongs to no node: take it away there, or choose another")
    if not any(address in each.network for each in found.addresses if not each.virtual and not _is_host(each)):
        what = f"no subnet of {found.name} holds it"
        return warning(subject, what, "clients reach it only if a router knows that it is on this segment")
    return ok(subject, f"in a subnet of {found.name}")


def _number(settings: VhostSettings, here: Sequence[Interface]) -> Iterator[Finding]:
    """Whether something else here has the virtual MAC, as keepalived's use_vmac would."""
    mac = virtual_mac(settings.config.vhid)
    others = [one.name for one in here if one.mac == mac and not one.name.startswith("carp")]
    if settings.mac is MacMode.VIRTUAL and others:
        what = f"{', '.join(others)} has its MAC {format_mac(mac)}"
        yield problem(f"vhid {settings.config.vhid}", what, "something else uses this number here: choose another vhid")


def _is_host(one: InterfaceAddress) -> bool:
    return one.network.prefixlen == one.network.max_prefixlen
