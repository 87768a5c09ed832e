"""Kernel state of one virtual host, made so that it can be unmade: everything here is idempotent and level-triggered.

``prepare`` may run at any time and leaves the host as a virtual host needs it; ``withdraw`` leaves it as it was before.
Both block for some milliseconds and never run on the loop's thread.
"""

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from sidecar.carp.config import Address, Family
from sidecar.errors import ConfigError, ExhaustedError, HostError
from sidecar.net import macvlan, routing, sysctls
from sidecar.net.frames import format_mac, virtual_mac
from sidecar.net.interface import Interface, addresses_anywhere, find
from sidecar.net.keepsake import Keepsake
from sidecar.net.routing import Kernel
from sidecar.net.rtnl import Rtnl

_log: Final = logging.getLogger(__name__)
_DESCRIPTORS: Final = 8
"""More than asking the kernel opens."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a virtual host lives now. ``index``: the interface that carries the addresses."""

    carpdev: Interface
    index: int
    mac: bytes
    sources: dict[Family, Address]
    routes: tuple[bytes, ...] = ()
    """Requests that put the routes of the addresses in place, encoded."""


@contextlib.contextmanager
def _kernel() -> Iterator[Kernel]:
    """``ExhaustedError`` when there is nothing to ask the kernel with: that says nothing about what is in place."""
    try:
        _have_descriptors()
        with IPRoute(strict_check=True) as ipr, Rtnl() as rtnl:
            yield Kernel(ipr, rtnl)
    except (OSError, MemoryError) as error:
        raise ExhaustedError(f"cannot ask the kernel: {error}") from error


def _have_descriptors() -> None:
    """``OSError`` when there are too few: pyroute2 would leave a half-made loop behind, which complains on its own."""
    held: list[int] = []
    try:
        while len(held) < _DESCRIPTORS:
            held.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    finally:
        for descriptor in held:
            os.close(descriptor)


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

    def prepare(self) -> Placement | None:
        """Make it so; None while there is no such carpdev. The first time an earlier run's leftovers are cleared."""
        with _kernel() as kernel:
            carpdev = find(kernel.ipr, self._name)
            if carpdev is None:
                self._prepared = None
                return None
            try:
                return self._prepare(kernel, carpdev)
            except HostError:  # half made: unmake it
                self._withdraw(kernel, carpdev)
                raise

    def _prepare(self, kernel: Kernel, carpdev: Interface) -> Placement:
        before = self._before(kernel.ipr, carpdev)
        if self._still_there(kernel.ipr, carpdev):
            self._tell_own_addresses(kernel.ipr)
        else:
            self._refuse_own_addresses(kernel.ipr)
            self._clear(kernel.ipr, carpdev)
            self._prepared = None
        carpdev = replace(carpdev, addresses=tuple(one for one in carpdev.addresses if not one.virtual))
        sources = carpdev.sources(self._addresses)
        if not self._virtual:
            self._prepared = (carpdev.index, carpdev.index)
            return Placement(carpdev, carpdev.index, carpdev.mac, sources)
        before = self._quieten(kernel, carpdev, before)
        if self._prepared is None:
            self._prepared = (carpdev.index, macvlan.create(kernel.ipr, kernel.rtnl, carpdev, self._vhid))
            macvlan.note_before(kernel.ipr, self._prepared[1], before)
        index = self._prepared[1]
        return Placement(carpdev, index, virtual_mac(self._vhid), sources, self._route(kernel, carpdev, index))

    def _refuse_own_addresses(self, ipr: IPRoute) -> None:
        """``ConfigError``: an address that this node has anyway cannot move. Nothing has been changed yet."""
        for address, where in sorted(self._own_addresses(ipr)):
            fix = "choose one that no node has of its own, or remove it there"
            raise ConfigError("addresses", address, f"is an address of this node itself, on {where}", fix)

    def _tell_own_addresses(self, ipr: IPRoute) -> None:
        """One that was given to the node meanwhile is not ours to take, and is owned beside the master's; told once."""
        own = self._own_addresses(ipr)
        for address, where in sorted(own - self._told_own):
            text = "vhid=%d %s is an address of this node itself, on %s: two nodes have it; remove it there"
            _log.error(text, self._vhid, address, where)
        self._told_own = own

    def _own_addresses(self, ipr: IPRoute) -> set[tuple[str, str]]:
        """Virtual addresses that an interface of the node has of its own, each with where."""
        found: set[tuple[str, str]] = set()
        for index, one in addresses_anywhere(ipr, self._addresses):
            if one.virtual:
                continue
            (link,) = ipr.get_links(index)
            if link.get_attr("IFLA_ADDRESS") != format_mac(virtual_mac(self._vhid)):
                where = f"{link.get_attr('IFLA_IFNAME')} as {one.address}/{one.network.prefixlen}"
                found.add((str(one.address), where))
        return found

    def _still_there(self, ipr: IPRoute, carpdev: Interface) -> bool:
        if self._prepared is None or self._prepared[0] != carpdev.index:
            return False
        try:
            return bool(ipr.get_links(self._prepared[1]))
        except NetlinkError:
            return False

    def _before(self, ipr: IPRoute, carpdev: Interface) -> sysctls.Settings | None:
        """What the carpdev was before any daemon, if one is or was here: from our file or from what others made."""
        return self._keepsake.original(carpdev.name, carpdev.index) or macvlan.noted_before(ipr, carpdev.index)

    def _quieten(self, kernel: Kernel, carpdev: Interface, before: sysctls.Settings | None) -> sysctls.Settings:
        """The carpdev must not answer for the virtual addresses; what it was before is noted first, and returned."""
        present = sysctls.read(kernel.ipr, carpdev.index, sysctls.ONE_ANSWER)
        original = present if before is None else before
        if self._keepsake.original(carpdev.name, carpdev.index) is None:
            self._keepsake.note(carpdev.name, carpdev.index, dict(original))
        if present != sysctls.ONE_ANSWER:
            sysctls.write(kernel.rtnl, carpdev.index, carpdev.name, sysctls.ONE_ANSWER)
        return original

    def _route(self, kernel: Kernel, carpdev: Interface, index: int) -> tuple[bytes, ...]:
        table = routing.table_for(carpdev.index, self._vhid)
        families = sorted({address.version for address in self._addresses})
        wanted = routing.wanted_routes(kernel.ipr, carpdev.index, families)
        if carpdev.up:  # without carrier the kernel takes no route
            self._tell_refused(routing.mirror(kernel, table, index, wanted, families))
        routing.mirror_rules(kernel.ipr, table, self._addresses)
        return tuple(routing.requests(table, index, wanted))

    def _tell_refused(self, refused: set[routing.Route]) -> None:
        """Replies by such a route leave by the carpdev; told once, since it is looked at again and again."""
        for _, destination, length, gateway, _ in sorted(refused - self._refused):
            where = f"{destination}/{length}" if destination else "default"
            text = "vhid=%d the kernel takes no route %s via %s for replies: they leave with the MAC of %s"
            _log.warning(text, self._vhid, where, gateway or "link", self._name)
        self._refused = refused

    def _clear(self, ipr: IPRoute, carpdev: Interface) -> None:
        """Leftovers of an earlier run: our interface, our rules, our addresses on the carpdev."""
        macvlan.remove(ipr, carpdev.index, self._vhid)
        table = routing.table_for(carpdev.index, self._vhid)
        routing.remove_rules(ipr, self._vhid, self._addresses, table)
        self._clear_addresses(ipr, carpdev)

    def _clear_addresses(self, ipr: IPRoute, carpdev: Interface) -> None:
        """What was added as we add ours; the node's own were refused before."""
        for one in carpdev.addresses:
            if one.virtual and one.address in self._addresses:
                _log.warning("removing leftover address %s from %s", one.address, carpdev.name)
                with contextlib.suppress(NetlinkError):
                    ipr.addr("del", index=carpdev.index, address=str(one.address), prefixlen=one.network.prefixlen)

    def withdraw(self) -> None:
        """Leave the host as it was; what is gone already is no error."""
        with _kernel() as kernel:
            carpdev = find(kernel.ipr, self._name)
            if carpdev is None:
                routing.remove_rules(kernel.ipr, self._vhid, self._addresses, 0)
                return
            self._withdraw(kernel, carpdev)

    def _withdraw(self, kernel: Kernel, carpdev: Interface) -> None:
        """The last one on a carpdev puts it back; those that are left know what it was."""
        before = self._before(kernel.ipr, carpdev)
        self._clear(kernel.ipr, carpdev)
        self._prepared = None
        if before is None:
            return
        if not macvlan.any_on(kernel.ipr, carpdev.index):
            sysctls.write(kernel.rtnl, carpdev.index, carpdev.name, before)
        self._keepsake.forget(carpdev.name)
