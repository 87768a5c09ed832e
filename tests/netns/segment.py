"""Ways in which a switch, or somebody on it, makes trouble about an address: groups that are not forwarded, frames that
come back, a stranger who has the address or says so."""

import socket
from ipaddress import ip_address

from sidecar.lab.capture import Capture
from sidecar.lab.netns import run_in
from sidecar.lab.space import SpaceError
from sidecar.lab.topology import Node
from sidecar.net.frames import announcement
from tests.netns.group import V4, VIRTUAL_MAC, Group, Member, until

_DROP_CARP = (
    "12,40 0 0 12,21 0 2 2048,48 0 0 23,21 6 7 112,21 0 6 34525,48 0 0 20,21 3 0 112,21 0 3 44,48 0 0 54,"
    "21 0 1 112,6 0 0 2,6 0 0 0,"
)
"""``tcpdump -ddd 'ip proto 112 or ip6 proto 112'`` with the verdicts of tc: 2 drops, 0 lets pass."""


def mute(group: Group, *members: Member) -> None:
    """The switch takes no advertisements from these; everything else passes."""
    for member in members:
        _tc(group, "qdisc", "add", "dev", member.node.port, "clsact")
        rule = ["ingress", "protocol", "all", "bpf", "da", "bytecode", _DROP_CARP]
        _tc(group, "filter", "add", "dev", member.node.port, *rule)


def unmute(group: Group, *members: Member) -> None:
    """It does again."""
    for member in members:
        _tc(group, "qdisc", "del", "dev", member.node.port, "clsact")


def _tc(group: Group, *words: str) -> None:
    run_in(group.network.switch.pid, ["tc", *words])


def reflect(group: Group, member: Member) -> None:
    """The switch sends back to this node what it floods."""
    run_in(group.network.switch.pid, ["ip", "link", "set", member.node.port, "type", "bridge_slave", "hairpin", "on"])


def stranger(group: Group) -> Node:
    """A machine that has nothing to do with the group."""
    return group.network.add_node("stranger", 66)


def say(node: Node, frame: bytes, times: int = 1) -> None:
    """Have a node put a frame on the wire."""
    with node.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind(("eth0", 0))
        for _ in range(times):
            wire.send(frame)


def claim(node: Node, address: str = V4) -> None:
    """A gratuitous announcement, as an ARP spoofer or a host that just took the address sends it."""
    say(node, announcement(bytes.fromhex(node.mac.replace(":", "")), ip_address(address)))


def announcing(node: Node, times: int) -> None:
    """The same so many times, as fast as it goes."""
    say(node, announcement(bytes.fromhex(node.mac.replace(":", "")), ip_address(V4)), times)


def neighbour(client: Node, address: str = V4) -> str:
    """The MAC that a client has for an address; empty when it has none."""
    found = run_in(client.pid, ["ip", "-o", "neigh", "show", address]).split()
    return found[found.index("lladdr") + 1] if "lladdr" in found else ""


def learn(client: Node, address: str = V4) -> None:
    """Have a client ask for the address, until it has the virtual MAC."""

    def asked() -> bool:
        try:
            run_in(client.pid, ["ping", "-c1", "-W1", address])
        except SpaceError:
            return False
        return neighbour(client, address) == VIRTUAL_MAC

    until(asked, 10.0, f"{client.name} learns {address}")


def from_virtual_mac(capture: Capture) -> list[float]:
    """When frames of the virtual MAC passed, in seconds of the wall clock."""
    return [frame.time_ns / 1e9 for frame in list(capture.frames) if frame.source_mac == VIRTUAL_MAC]
