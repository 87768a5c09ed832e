"""The wire: a bridge in the switch's namespace, a veth pair to each machine. All in namespaces of our own."""

import contextlib
import signal
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from tests.e2e.cluster.layout import BRIDGE, SWITCH_ADDRESS, Layout, node_address
from tests.e2e.cluster.shell import in_network, ip, kill, processes, run, wait_for

ISLAND = "br1"
SWITCH_MAC = "02:77:00:00:00:01"
CROSSING = "crossing"
NAMESPACES = Path("/run/netns")
IPV6 = Path("/proc/sys/net/ipv6")


def add_switch(layout: Layout, nodes: int) -> None:
    """The switch, at 10.77.0.1/24, with a way to each node's pods."""
    _add_namespace(layout.switch)
    ip(
        layout.switch,
        # An address of its own: else it would change with its ports, and no node would find the API server for seconds.
        f"link add {BRIDGE} address {SWITCH_MAC} type bridge forward_delay 0 stp_state 0 mcast_snooping 0",
        f"address add {SWITCH_ADDRESS}/24 brd + dev {BRIDGE}",
        f"link set {BRIDGE} up",
        *(f"route add 10.244.{number}.0/24 via {node_address(number)}" for number in range(1, nodes + 1)),
    )


def add_machine(layout: Layout, namespace: str, port: str, address: str) -> None:
    """A namespace whose eth0 is plugged into the switch; its MAC is the same at every boot, as a real one's."""
    number = int(address.rpartition(".")[2])
    _add_namespace(namespace)
    mac = f"02:77:00:00:00:{number:02x}"
    ip(
        layout.switch,
        f"link add {port} type veth peer name eth0 address {mac} netns {namespace}",
        f"link set {port} master {BRIDGE} up",
    )
    v6 = [f"address add fd77::{number}/64 dev eth0 nodad"] if IPV6.exists() else []
    ip(
        namespace,
        f"address add {address}/24 brd + dev eth0",
        *v6,
        "link set eth0 up",
        f"route add default via {SWITCH_ADDRESS}",
    )


def remove_machine(layout: Layout, namespace: str, port: str) -> None:
    """Cut the cable and forget the machine's network: addresses, neighbours, macvlans, everything its kernel knew."""
    run(["ip", "-netns", layout.switch, "link", "del", port], check=False)
    run(["ip", "netns", "del", namespace], check=False)


def set_link(layout: Layout, port: str, *, up: bool) -> None:
    """The switch's port: down is a pulled cable, the machine loses its carrier."""
    ip(layout.switch, f"link set {port} {'up' if up else 'down'}")


def split(layout: Layout, near: Iterable[str], far: Iterable[str]) -> None:
    """Two halves: the ports `far` hear each other but not `near`; all reach the switch itself and its other ports.

    No cable is pulled: carriers stay.
    """
    ip(
        layout.switch,
        f"link add {ISLAND} type bridge forward_delay 0 stp_state 0 mcast_snooping 0",
        f"link add {CROSSING} type veth peer name {ISLAND}0",
        f"link set {CROSSING} master {BRIDGE} up",
        f"link set {ISLAND}0 master {ISLAND} up",
        f"link set {ISLAND} up",
        *(f"link set {port} type bridge_slave isolated on" for port in (CROSSING, *near)),
        *(f"link set {port} master {ISLAND}" for port in far),
    )


def join(layout: Layout, near: Iterable[str], far: Iterable[str]) -> None:
    """The end of `split`."""
    ip(
        layout.switch,
        *(f"link set {port} master {BRIDGE}" for port in far),
        *(f"link set {port} type bridge_slave isolated off" for port in near),
        f"link del {CROSSING}",
        f"link del {ISLAND}",
    )


def _add_namespace(name: str) -> None:
    run(["ip", "netns", "add", name])
    ip(name, "link set lo up")


def namespaces(layout: Layout) -> list[str]:
    """The names of this cluster's namespaces that are there."""
    return sorted(path.name for path in NAMESPACES.glob(f"{layout.prefix}-*"))


def inhabitants(name: str) -> Iterator[int]:
    """The processes in a namespace of ours: whatever made them, they are part of the cluster."""
    wanted = (NAMESPACES / name).stat()
    for process in processes():
        with contextlib.suppress(OSError):
            found = (process / "ns/net").stat()
            if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
                yield int(process.name)


def remove_all(layout: Layout) -> None:
    """End everything in this cluster's namespaces and remove them; /run/netns itself if nobody else uses it."""
    for name in namespaces(layout):
        if _is_mounted(name):
            for pid in inhabitants(name):
                kill(pid, signal.SIGKILL)
            wait_for(f"the processes in {name} to be gone", partial(_is_empty, name), 30)
            run(["ip", "netns", "del", name])
        else:  # left by somebody killed between its file and its mount
            (NAMESPACES / name).unlink()
    if NAMESPACES.is_dir() and not any(NAMESPACES.iterdir()):
        run(["umount", str(NAMESPACES)], check=False)
        with contextlib.suppress(OSError):
            NAMESPACES.rmdir()


def _is_empty(name: str) -> bool:
    return not any(inhabitants(name))


def _is_mounted(name: str) -> bool:
    return f" {NAMESPACES / name} " in Path("/proc/self/mountinfo").read_text()


def on_switch(layout: Layout) -> list[str]:
    """The beginning of a command that runs where the API server does."""
    return in_network(layout.switch)
