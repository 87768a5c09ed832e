"""Kernel state of one virtual host, made so that it can be unmade: everything here is idempotent and level-triggered.

``prepare`` may run at any time and leaves the host as virtual hosts need it; ``withdraw`` leaves it as it was before.
Both look once for all of them, block for some milliseconds and never run on the loop's thread.
"""

import contextlib
import logging
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sidecar.carp.config import Address, Family
from sidecar.errors import ConfigError, HostError
from sidecar.net import macvlan, routing, sysctls
from sidecar.net.frames import format_mac, virtual_mac
from sidecar.net.interface import Interface
from sidecar.net.keepsake import Keepsake
from sidecar.net.kernel import Kernel, look
from sidecar.net.pyroute import NetlinkError

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a virtual host lives now. ``index``: the interface that carries the addresses."""

    carpdev: Interface
    index: int
    mac: bytes
    sources: dict[Family, Address]
    routes: tuple[bytes, ...] = ()
    """Requests that put the routes of the addresses in place, encoded."""


class Host:
    """One virtual host's share of the kernel, by name of its carpdev.

    ``virtual``: the addresses live on an interface with 00:00:5e:00:01:VHID; otherwise on the carpdev itself, where
    a network allows no other MAC than its own.
    """

    def __init__(
        self, carpdev: str, vhid: int, addresses: Sequence[Address], keepsake: Keepsake, *, virtual: bool = True
    ) -> None:
        self._name = carpdev
        self._vhid = vhid
        self._addresses = tuple(addresses)
        self._virtual = virtual
        self._keepsake = keepsake
        self._prepared: tuple[int, int] | None = None
        self._refused: set[routing.Route] = set()
        self._told_own: set[tuple[str, str]] = set()

    @property
    def carpdev(self) -> str:
        """The name of the carpdev."""
        return self._name

    @property
    def virtual(self) -> bool:
        """Whether the addresses have a MAC of their own."""
        return self._virtual

    def hold(self, addresses: Sequence[Address]) -> None:
        """Other addresses from the next ``prepare`` on."""
        self._addresses = tuple(addresses)

    def in_place(self, kernel: Kernel) -> bool:
        """Whether what an earlier ``prepare`` made is still there."""
        carpdev = kernel.interface(self._name)
        if self._prepared is None or carpdev is None or self._prepared[0] != carpdev.index:
            return False
        with contextlib.suppress(OSError):
            return bool(socket.if_indextoname(self._prepared[1]))
        return False

    def link(self, kernel: Kernel) -> tuple[int, int] | None:
        """Index of the carpdev and vhid, by which its virtual-MAC interface is known; None without a carpdev."""
        carpdev = kernel.interface(self._name)
        return None if carpdev is None else (carpdev.index, self._vhid)

    def may_be_left(self) -> bool:
        """Whether an earlier run may have left its addresses here; costs two system calls."""
        with contextlib.suppress(OSError):
            index = socket.if_nametoindex(self._name)
            return not self._virtual or bool(socket.if_nametoindex(macvlan.name_for(self._vhid, index)))
        return False

    def left(self, kernel: Kernel) -> Iterator[int]:
        """Of each address that an earlier run left, how many seconds the kernel will answer for it."""
        return (one.lease_s for _, one in kernel.anywhere(self._addresses) if one.virtual)

    def begin(self, kernel: Kernel) -> None:
        """``ConfigError``: no Ethernet, or an address that this node has anyway cannot move. Changes nothing."""
        self._prepared = None
        carpdev = kernel.interface(self._name)
        if carpdev is None:
            return
        if not carpdev.ethernet:
            fix = "name the interface on the Ethernet segment that all nodes share"
            raise ConfigError("interface", self._name, "is no Ethernet", fix)
        for address, where in sorted(self._own_addresses(kernel)):
            fix = "choose one that no node has of its own, or remove it there"
            raise ConfigError("addresses", address, f"is an address of this node itself, on {where}", fix)

    def prepare(self, kernel: Kernel, before: sysctls.Settings | None) -> Placement | None:
        """Make it so; None while there is no such carpdev. ``before``: as ``original`` said when the look began."""
        carpdev = kernel.interface(self._name)
        if carpdev is None:
            return None
        try:
            return self._prepare(kernel, carpdev, before)
        except HostError:  # half made: unmake it
            withdraw([self])
            raise

    def _prepare(self, kernel: Kernel, carpdev: Interface, before: sysctls.Settings | None) -> Placement:
        if self._prepared is None:
            self._clear(kernel, carpdev)
        else:
            self._tell_own_addresses(kernel)
        carpdev = replace(carpdev, addresses=tuple(one for one in carpdev.addresses if not one.virtual))
        sources = carpdev.sources(self._addresses)
        if not self._virtual:
            self._prepared = (carpdev.index, carpdev.index)
            return Placement(carpdev, carpdev.index, carpdev.mac, sources)
        before = self._quieten(kernel, carpdev, before)
        if self._prepared is None:
            self._prepared = (carpdev.index, macvlan.create(kernel, carpdev, self._vhid))
            macvlan.note_before(kernel.ipr, self._prepared[1], before)
        index = self._prepared[1]
        return Placement(carpdev, index, virtual_mac(self._vhid), sources, self._route(kernel, carpdev, index))

    def _tell_own_addresses(self, kernel: Kernel) -> None:
        """One that was given to the node meanwhile is not ours to take, and is owned beside the master's; told once."""
        own = self._own_addresses(kernel)
        for address, where in sorted(own - self._told_own):
            text = "vhid=%d %s is an address of this node itself, on %s: two nodes have it; remove it there"
            _log.error(text, self._vhid, address, where)
        self._told_own = own

    def _own_addresses(self, kernel: Kernel) -> set[tuple[str, str]]:
        """Virtual addresses that an interface of the node has of its own, each with where."""
        found: set[tuple[str, str]] = set()
        for index, one in kernel.anywhere(self._addresses):
            if one.virtual:
                continue
            (link,) = kernel.ipr.get_links(index)
            if link.get_attr("IFLA_ADDRESS") != format_mac(virtual_mac(self._vhid)):
                where = f"{link.get_attr('IFLA_IFNAME')} as {one.address}/{one.network.prefixlen}"
                found.add((str(one.address), where))
        return found

    def original(self, kernel: Kernel) -> sysctls.Settings | None:
        """What the carpdev was before any daemon, if one is or was here: from our file or from what others made."""
        carpdev = kernel.interface(self._name)
        if carpdev is None:
            return None
        return self._keepsake.original(carpdev.name, carpdev.index) or macvlan.noted_before(kernel, carpdev.index)

    def _quieten(self, kernel: Kernel, carpdev: Interface, before: sysctls.Settings | None) -> sysctls.Settings:
        """The carpdev must not answer for the virtual addresses; what it was before is noted first, and returned."""
        noted = self._keepsake.original(carpdev.name, carpdev.index)
        if noted is not None and carpdev.index in kernel.quiet:
            return noted
        kernel.quiet.add(carpdev.index)
        present = sysctls.read(kernel.ipr, carpdev.index, sysctls.ONE_ANSWER)
        original = noted or before or present
        if noted is None:
            self._keepsake.note(carpdev.name, carpdev.index, dict(original))
        if present != sysctls.ONE_ANSWER:
            sysctls.write(kernel.rtnl, carpdev.index, carpdev.name, sysctls.ONE_ANSWER)
        return original

    def _route(self, kernel: Kernel, carpdev: Interface, index: int) -> tuple[bytes, ...]:
        table = routing.table_for(carpdev.index, self._vhid)
        families = sorted({address.version for address in self._addresses})
        wanted = routing.wanted_routes(kernel, carpdev.index, families)
        if carpdev.up:  # without carrier the kernel takes no route
            self._tell_refused(routing.mirror(kernel, table, index, wanted, families))
        routing.mirror_rules(kernel, table, self._addresses)
        return tuple(routing.requests(table, index, wanted))

    def _tell_refused(self, refused: set[routing.Route]) -> None:
        """Replies by such a route leave by the carpdev; told once, since it is looked at again and again."""
        for _, destination, length, gateway, _ in sorted(refused - self._refused):
            where = f"{destination}/{length}" if destination else "default"
            text = "vhid=%d the kernel takes no route %s via %s for replies: they leave with the MAC of %s"
            _log.warning(text, self._vhid, where, gateway or "link", self._name)
        self._refused = refused

    def _clear(self, kernel: Kernel, carpdev: Interface) -> None:
        """Our rules and our addresses on the carpdev."""
        table = routing.table_for(carpdev.index, self._vhid)
        routing.remove_rules(kernel, self._vhid, self._addresses, table)
        for one in carpdev.addresses:
            if one.virtual and one.address in self._addresses:  # the node's own were refused before
                _log.warning("removing leftover address %s from %s", one.address, carpdev.name)
                with contextlib.suppress(NetlinkError):
                    length = one.network.prefixlen
                    kernel.ipr.addr("del", index=carpdev.index, address=str(one.address), prefixlen=length)

    def leave(self, kernel: Kernel, before: sysctls.Settings | None) -> None:
        """Its interface is gone already: take away the rest. The last one on a carpdev makes it what it was before."""
        carpdev = kernel.interface(self._name)
        self._prepared = None
        if carpdev is None:
            routing.remove_rules(kernel, self._vhid, self._addresses, 0)
            return
        self._clear(kernel, carpdev)
        if before is None:
            return
        if not macvlan.any_on(kernel, carpdev.index):  # those that are left know what it was
            sysctls.write(kernel.rtnl, carpdev.index, carpdev.name, before)
        self._keepsake.forget(carpdev.name)


def prepare(hosts: Sequence[Host]) -> list[Placement | None]:
    """Make it so for all of them in one look. The first time an earlier run's leftovers are cleared, all at once.

    ``ConfigError`` before anything was changed, ``HostError`` when the host refuses.
    """
    with look() as kernel:
        befores = [host.original(kernel) for host in hosts]
        fresh = [host for host in hosts if not host.in_place(kernel)]
        for host in fresh:
            host.begin(kernel)
        _remove_links(kernel, fresh)
        return [host.prepare(kernel, before) for host, before in zip(hosts, befores, strict=True)]


def leftover_lease(hosts: Sequence[Host]) -> int:
    """Seconds, rounded up, that addresses of an earlier run go on answering; 0: there are none, or they stay."""
    maybe = [host for host in hosts if host.may_be_left()]
    if not maybe:
        return 0
    with look() as kernel:
        return max((seconds for host in maybe for seconds in host.left(kernel)), default=0)


def _remove_links(kernel: Kernel, hosts: Sequence[Host]) -> None:
    links = (host.link(kernel) for host in hosts)
    macvlan.remove(kernel, [one for one in links if one is not None])


def withdraw(hosts: Sequence[Host]) -> None:
    """Leave everything as it was; what is gone already is no error, and one that fails does not keep the others."""
    with look() as kernel:
        befores = [host.original(kernel) for host in hosts]
        with _told():
            _remove_links(kernel, hosts)
        for host, before in zip(hosts, befores, strict=True):
            with _told():
                host.leave(kernel, before)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """A refusal is logged."""
    try:
        yield
    except HostError as error:
        _log.error("%s", error)
