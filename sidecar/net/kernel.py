"""The kernel as one look sees it: what many virtual hosts ask for is asked once, or a look at n of them would cost n².

A look blocks for milliseconds and never runs on the loop's thread. What it removes it no longer sees; what it adds is
seen by the next one.
"""

import contextlib
import os
import socket
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from typing import Any, Final

from sidecar.carp.config import Address
from sidecar.errors import ExhaustedError
from sidecar.net.interface import Interface, InterfaceAddress, find, interface_address
from sidecar.net.pyroute import IPRoute
from sidecar.net.rtnl import Rtnl

FAMILIES: Final = {4: socket.AF_INET, 6: socket.AF_INET6}
_DESCRIPTORS: Final = 8
"""More than asking the kernel opens."""


class Kernel:
    """Both ways to talk to it, for as long as a look takes, and what it said."""

    def __init__(self, ipr: IPRoute, rtnl: Rtnl) -> None:
        self.ipr = ipr
        self.rtnl = rtnl
        self.quiet: set[int] = set()
        """Carpdevs that were seen to in this look, by index."""
        self._interfaces: dict[str, Interface | None] = {}
        self._rules: dict[int, dict[int, list[Any]]] = {}
        self._routes: dict[int, dict[int, list[Any]]] = {}
        self._links: list[Any] | None = None

    def interface(self, name: str) -> Interface | None:
        """One interface by name, or None when it is not there."""
        if name not in self._interfaces:
            self._interfaces[name] = find(self.ipr, name)
        return self._interfaces[name]

    def anywhere(self, wanted: Collection[Address]) -> list[tuple[int, InterfaceAddress]]:
        """Where these addresses are in this network namespace: index of the interface, and each as it is there."""
        return [found for address in wanted for found in self._addresses.get(address, ())]

    @cached_property
    def _addresses(self) -> dict[Address, list[tuple[int, InterfaceAddress]]]:
        by_address = defaultdict(list)
        for message in self.ipr.get_addr():
            found = interface_address(message)
            by_address[found.address].append((message["index"], found))
        return by_address

    def links(self) -> list[Any]:
        """Every interface, as the kernel tells it."""
        if self._links is None:
            self._links = list(self.ipr.get_links())
        return self._links

    def link_made(self) -> None:
        """An interface more: ask again."""
        self._links = None

    def links_removed(self) -> None:
        """Interfaces are gone, and their routes with them: ask again."""
        self._links = None
        self._routes.clear()

    def routes(self, version: int) -> dict[int, list[Any]]:
        """Routes by their table; who removes one from the kernel removes it here.

        All in one dump: pyroute2 asks for all, too, when it is told a table.
        """
        if version not in self._routes:
            self._routes[version] = _by_table(self.ipr.get_routes(family=FAMILIES[version]), "RTA_TABLE")
        return self._routes[version]

    def rules(self, version: int) -> dict[int, list[Any]]:
        """Policy rules by the table that they lead to; who removes one from the kernel removes it here."""
        if version not in self._rules:
            self._rules[version] = _by_table(self.ipr.get_rules(family=FAMILIES[version]), "FRA_TABLE")
        return self._rules[version]


def _by_table(messages: Iterable[Any], attribute: str) -> dict[int, list[Any]]:
    """A table above 255 has an attribute, for it does not fit into the header."""
    found: dict[int, list[Any]] = defaultdict(list)
    for message in messages:
        found[int(message.get_attr(attribute) or message["table"])].append(message)
    return found


@contextlib.contextmanager
def look() -> Iterator[Kernel]:
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
