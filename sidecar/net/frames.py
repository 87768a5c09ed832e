"""Ethernet frames, built once from values: what is sent at a takeover must not be computed then.

Advertisements are RFC 791/8200 packets with a constant header (id 0, DF, TOS 0x10, TTL 255), so that only the 36 bytes
of the payload differ; gratuitous ARP is the request form (spa = tpa), the NA has Override set (carp.md 7).
"""

from ipaddress import IPv4Address, IPv6Address
from struct import pack
from typing import Final

from sidecar.carp.config import Address, Family
from sidecar.carp.constants import GROUP_V4, GROUP_V6, HEADER_LENGTH, PROTOCOL, TTL
from sidecar.carp.packet import internet_checksum

ETH_P_IP: Final = 0x0800
ETH_P_ARP: Final = 0x0806
ETH_P_IPV6: Final = 0x86DD
BROADCAST: Final = b"\xff" * 6
GROUP_MAC: Final = {
    Family.V4: bytes((0x01, 0x00, 0x5E, 0x00, 0x00, 0x12)),
    Family.V6: bytes((0x33, 0x33, 0x00, 0x00, 0x00, 0x12)),
}
_ALL_NODES: Final = IPv6Address("ff02::1").packed
_ALL_NODES_MAC: Final = bytes((0x33, 0x33, 0x00, 0x00, 0x00, 0x01))
_TOS_LOW_DELAY: Final = 0x10
_DONT_FRAGMENT: Final = 0x4000
ICMPV6: Final = 58
NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT = 135, 136
_OVERRIDE: Final = 0x20000000


def virtual_mac(vhid: int) -> bytes:
    """00:00:5e:00:01:VHID."""
    return bytes((0x00, 0x00, 0x5E, 0x00, 0x01, vhid))


def format_mac(mac: bytes) -> str:
    """Colons between lower-case bytes."""
    return mac.hex(":")


def ipv4_header(source: bytes, destination: bytes, payload_length: int) -> bytes:
    """20 bytes, no options, checksum included."""
    fields = pack(
        "!BBHHHBBH4s4s",
        0x45,
        _TOS_LOW_DELAY,
        20 + payload_length,
        0,
        _DONT_FRAGMENT,
        TTL,
        PROTOCOL,
        0,
        source,
        destination,
    )
    return fields[:10] + pack("!H", internet_checksum(fields)) + fields[12:]


def ipv6_header(source: bytes, destination: bytes, payload_length: int, next_header: int = PROTOCOL) -> bytes:
    """40 bytes, traffic class 0, hop limit 255."""
    return pack("!IHBB16s16s", 0x60000000, payload_length, next_header, TTL, source, destination)


def advertisement_head(family: Family, mac: bytes, source: bytes) -> bytes:
    """Everything before the 36 bytes, to the multicast group of the family."""
    if family is Family.V4:
        network = ipv4_header(source, GROUP_V4, HEADER_LENGTH)
        return GROUP_MAC[family] + mac + pack("!H", ETH_P_IP) + network
    return GROUP_MAC[family] + mac + pack("!H", ETH_P_IPV6) + ipv6_header(source, GROUP_V6, HEADER_LENGTH)


def gratuitous_arp(mac: bytes, address: IPv4Address) -> bytes:
    """A broadcast ARP request for the address by its owner (RFC 5227 calls it an announcement), padded to 60 bytes."""
    body = pack("!HHBBH6s4s6s4s", 1, ETH_P_IP, 6, 4, 1, mac, address.packed, b"\0" * 6, address.packed)
    return (BROADCAST + mac + pack("!H", ETH_P_ARP) + body).ljust(60, b"\0")


def unsolicited_na(mac: bytes, address: IPv6Address) -> bytes:
    """A neighbour advertisement to all nodes with Override and the target's link-layer address (RFC 4861 7.2.6)."""
    body = pack("!BBHI16sBB6s", NEIGHBOUR_ADVERTISEMENT, 0, 0, _OVERRIDE, address.packed, 2, 1, mac)
    return _ALL_NODES_MAC + mac + _icmpv6(address.packed, _ALL_NODES, body)


def _icmpv6(source: bytes, destination: bytes, body: bytes) -> bytes:
    """From the Ethernet type on, the checksum filled in."""
    pseudo = source + destination + pack("!II", len(body), ICMPV6)
    body = body[:2] + pack("!H", internet_checksum(pseudo + body)) + body[4:]
    return pack("!H", ETH_P_IPV6) + ipv6_header(source, destination, len(body), ICMPV6) + body


def arp_probe(mac: bytes, address: IPv4Address) -> bytes:
    """Whether anybody has the address (RFC 5227 1.1, ARP Probe): without a sender, so that nobody learns from it."""
    body = pack("!HHBBH6s4s6s4s", 1, ETH_P_IP, 6, 4, 1, mac, b"\0" * 4, b"\0" * 6, address.packed)
    return (BROADCAST + mac + pack("!H", ETH_P_ARP) + body).ljust(60, b"\0")


def neighbour_question(mac: bytes, source: bytes, address: IPv6Address) -> bytes:
    """Whether anybody has the address, in our own name (RFC 4861 7.2.2).

    Not without a source (RFC 4862): the answer to that goes to all nodes with Override set, and would move them all.
    """
    group = solicited_node_group(address)
    body = pack("!BBHI16sBB6s", NEIGHBOUR_SOLICITATION, 0, 0, 0, address.packed, 1, 1, mac)
    return bytes((0x33, 0x33)) + group[-4:] + mac + _icmpv6(source, group, body)


def announcement(mac: bytes, address: Address) -> bytes:
    """The frame that tells neighbours and switches where an address is."""
    if isinstance(address, IPv4Address):
        return gratuitous_arp(mac, address)
    return unsolicited_na(mac, address)


def solicited_node_group(address: IPv6Address) -> bytes:
    """The group on which neighbours ask for an IPv6 address (RFC 4291 2.7.1), packed."""
    return bytes((0xFF, 0x02, *(0,) * 9, 0x01, 0xFF)) + address.packed[13:]
