"""What was recorded from real implementations, and how to look at it without the product's code."""

import json
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet
from scapy.utils import rdpcap

from sidecar.carp.auth import Authenticator, Key
from sidecar.carp.config import Address, Config, Dialect, Family
from sidecar.carp.freshness import Freshness
from sidecar.carp.receive import Accepted, Datagram, DropReason, Receiver

DATA = Path(__file__).parent / "data"
VECTORS: dict[str, Any] = json.loads((DATA / "carp-vectors.json").read_text())
BSD_FRAMES: list[dict[str, Any]] = json.loads((DATA / "bsd-frames.json").read_text())

Said = tuple[int, int, int]
"""advbase, advskew, demote."""


class Speaker(NamedTuple):
    """What a captured virtual host was configured with, and everything that it says in the capture.

    ``addresses`` holds one list after another where they were changed while it ran.
    """

    vhid: int
    passphrase: str
    addresses: tuple[str, ...]
    frames: int
    said: set[Said]


SPEAKERS = {
    "n01_single": [Speaker(1, "secret", ("10.9.9.100",), 11, {(1, 0, 0), (255, 255, 0)})],
    "n02_multi": [
        Speaker(
            2,
            "netbsd-multi",
            (
                "10.9.9.103 10.9.9.101 10.9.8.250 10.9.9.102",
                "10.9.9.103 10.9.8.250 10.9.9.102",
                "10.9.9.103 10.9.8.250 10.9.9.102 10.9.9.99",
            ),
            10,
            {(1, 0, 0)},
        )
    ],
    "f01_single": [Speaker(21, "secret", ("10.9.9.200",), 9, {(1, 0, 0)})],
    "f03_v6": [
        Speaker(24, "six", ("fd99::130 fd99::131",), 5, {(1, 0, 0)}),
        Speaker(25, "dual", ("10.9.9.220 fd99::140 fe80::5:1",), 10, {(1, 0, 0)}),
    ],
    "o01_single": [Speaker(41, "secret", ("10.9.9.50",), 11, {(1, 0, 0), (255, 255, 0)})],
    "o03_v6": [
        Speaker(44, "six", ("fd99::150 fd99::151",), 8, {(1, 0, 0)}),
        Speaker(45, "dual", ("10.9.9.70 fd99::160",), 14, {(1, 0, 0), (255, 255, 0)}),
    ],
    "o04_demote": [Speaker(46, "dem", ("10.9.9.80",), 20, {(1, 10, 0), (1, 10, 1), (1, 10, 201)})],
    "ucarp-v4-basic": [Speaker(1, "secret", ("10.9.0.100",), 6, {(1, 0, 0)})],
    "ucarp-v4-vhid255-pw19-b2k100": [Speaker(255, "abcdefghijklmnopqrs", ("10.9.0.222",), 3, {(2, 100, 0)})],
    "ucarp-preempt": [Speaker(1, "secret", ("10.9.0.100",), 8, {(1, 100, 0), (1, 0, 0)})],
    "ucarp-sigterm-no-goodbye": [Speaker(1, "secret", ("10.9.0.100",), 8, {(1, 0, 0)})],
}


def addresses_of(text: Iterable[str]) -> tuple[Address, ...]:
    return tuple(ip_address(one) for one in text)


def receiver(vhid: int, key: bytes, addresses: Iterable[str], dialect: Dialect = Dialect.FREEBSD) -> Receiver:
    """A virtual host of ours that would listen to such a speaker."""
    config = Config(vhid, addresses_of(addresses), dialect=dialect)
    authenticator = Authenticator(vhid, config.addresses, [Key(key)], sign_link_local=config.sign_link_local)
    return Receiver(config, authenticator, Freshness())


def datagram(frame: bytes | Packet) -> Datagram | None:
    """The CARP datagram in an Ethernet frame, cut out by scapy; None when it holds something else."""
    packet = Ether(frame) if isinstance(frame, bytes) else frame
    if IP in packet and packet[IP].proto == 112:
        ip = packet[IP]
        source, destination = ip_address(ip.src).packed, ip_address(ip.dst).packed
        return Datagram(Family.V4, source, destination, ip.ttl, bytes(ip.payload), bytes.fromhex(_mac(packet)))
    if IPv6 in packet and packet[IPv6].nh == 112:
        ip = packet[IPv6]
        source, destination = ip_address(ip.src).packed, ip_address(ip.dst).packed
        return Datagram(Family.V6, source, destination, ip.hlim, bytes(ip.payload), bytes.fromhex(_mac(packet)))
    return None


def _mac(packet: Packet) -> str:
    return str(packet[Ether].src).replace(":", "")


def captured(name: str) -> list[Datagram]:
    """Every CARP datagram of a capture, in order."""
    packets = rdpcap(str(DATA / "pcaps" / f"{name}.pcap"))
    return [found for packet in packets if (found := datagram(packet)) is not None]


def is_believed(datagram: Datagram, vhid: int, passphrase: str, addresses: str) -> bool:
    """Whether a virtual host of ours, configured alike, would believe it."""
    checked = receiver(vhid, passphrase.encode(), addresses.split()).check(datagram, 0.0)
    assert isinstance(checked, Accepted) or checked is DropReason.BADAUTH
    return isinstance(checked, Accepted)
