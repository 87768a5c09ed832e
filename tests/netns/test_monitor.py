"""The kernel's notices, from a real kernel: what wakes us and what does not."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from sidecar.net.monitor import Monitor

ONE, TWO = (f"m{os.getpid()}{letter}" for letter in "ab")
"""Names of this worker's own: all share the sandbox's network."""


class Heard:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.added: list[int] = []
        self.removed: list[bytes] = []
        self.links: list[tuple[str, bool]] = []
        self.gone: list[str] = []
        self.routes = 0

    def link_changed(self, index: int, name: str, up: bool) -> None:
        self.links.append((name, up))

    def link_removed(self, index: int, name: str) -> None:
        self.gone.append(name)

    def address_added(self, index: int, address: bytes) -> None:
        self.added.append(index)

    def address_removed(self, index: int, address: bytes) -> None:
        self.removed.append(address)

    def routes_changed(self) -> None:
        self.routes += 1

    def notices_lost(self) -> None:
        raise AssertionError("nothing was lost")


def ip(*lines: str) -> None:
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True)


def index(name: str) -> int:
    """The interface's number, by ip itself: /sys may be another namespace's."""
    out = subprocess.run(["ip", "-o", "link", "show", name], capture_output=True, text=True, check=True).stdout
    return int(out.partition(":")[0])


@pytest.fixture
def heard() -> Iterator[tuple[Monitor, Heard]]:
    """A monitor in this sandbox's network, with two bridges to play with."""
    ip(f"link add {ONE} type bridge", f"link add {TWO} type bridge", f"link set {ONE} up", f"link set {TWO} up")
    watcher = Heard()
    monitor = Monitor(watcher)
    yield monitor, watcher
    monitor.close()
    subprocess.run(["ip", "-batch", "-"], input=f"link del {ONE}\nlink del {TWO}\n", text=True, check=False)


def test_renewals_on_our_own_interface_do_not_wake_us(heard: tuple[Monitor, Heard]) -> None:
    monitor, watcher = heard
    ours, other = index(ONE), index(TWO)
    monitor.ignore_renewals_on({ours})
    for _ in range(3):
        ip(f"addr replace 192.0.2.1/32 dev {ONE} valid_lft 30 preferred_lft 30", f"addr replace 192.0.2.2/32 dev {TWO}")
    ip(f"addr del 192.0.2.1/32 dev {ONE}")
    monitor.read()
    assert ours not in watcher.added
    assert other in watcher.added
    assert bytes((192, 0, 2, 1)) in watcher.removed, "a removal is heard all the same"


def test_a_removed_interface_and_a_lost_carrier_are_heard(heard: tuple[Monitor, Heard]) -> None:
    monitor, watcher = heard
    ip(f"link set {ONE} down", f"link del {TWO}")
    monitor.read()
    assert (ONE, False) in watcher.links
    assert TWO in watcher.gone


def test_only_routes_of_the_main_table_are_heard(heard: tuple[Monitor, Heard]) -> None:
    monitor, watcher = heard
    ip(f"addr add 192.0.2.9/32 dev {ONE}")
    monitor.read()
    before = watcher.routes
    ip(f"route add 198.51.100.0/24 dev {ONE} table 1120", f"route del 198.51.100.0/24 dev {ONE} table 1120")
    monitor.read()
    assert watcher.routes == before
    ip(f"route add 198.51.100.0/24 dev {ONE}")
    monitor.read()
    assert watcher.routes == before + 1
