"""From the bytes of a frame to the IP datagram of protocol 112 in it, or to nothing. Pure, and no bytes make it raise.

Says nothing about what the datagram means. Link layers are told by their LINKTYPE number (as in pcap files).
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from sidecar.carp.config import Family
from sidecar.carp.constants import PROTOCOL
from sidecar.carp.receive import Datagram

ETHERNET: Final = 1
RAW_IP: Final = 101

_IPV4, _IPV6 = 0x0800, 0x86DD
_VLAN_TYPES: Final = frozenset((0x8100, 0x88A8, 0x9100))
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION = 0, 43, 44, 51, 60
_EXTENSIONS: Final = frozenset((_HOP_BY_HOP, _ROUTING, _DESTINATION, _FRAGMENT, _AUTHENTICATION))


class Observation(NamedTuple):
    """A datagram of protocol 112 and what carried it."""

    datagram: Datagram
    destination_mac: bytes = b""
    """6 bytes; empty where the link layer has or records none, as is ``datagram.source_mac``."""
    vlans: tuple[int, ...] = ()
    """VLAN ids, outermost first."""
    missing: int = 0
    """Bytes that the IP header promises and the capture has not got: a frame cut on purpose (snaplen)."""


class _Link(NamedTuple):
    """What precedes the IP header. ``protocol`` 0: to be told by the IP header itself."""

    protocol: int
    packet: bytes
    source: bytes = b""
    destination: bytes = b""
    vlans: tuple[int, ...] = ()


def dissect(link_type: int, frame: bytes) -> Observation | None:
    """The datagram of protocol 112 in a frame; None when there is none or the link type is not in ``LINK_TYPES``."""
    read = LINK_TYPES.get(link_type)
    link = read(frame) if read else None
    if link is None or not link.packet:
        return None
    version = link.packet[0] >> 4
    if version == 4 and link.protocol in {0, _IPV4}:
        return _ipv4(link)
    if version == 6 and link.protocol in {0, _IPV6}:
        return _ipv6(link)
    return None


def _number(data: bytes, start: int) -> int:
    return int.from_bytes(data[start : start + 2], "big")


def _untagged(protocol: int, packet: bytes) -> tuple[int, bytes, tuple[int, ...]]:
    """Take off VLAN tags, however many."""
    vlans = []
    while protocol in _VLAN_TYPES and len(packet) >= 4:
        vlans.append(_number(packet, 0) & 0xFFF)
        protocol, packet = _number(packet, 2), packet[4:]
    return protocol, packet, tuple(vlans)


def _ethernet(frame: bytes) -> _Link:
    protocol, packet, vlans = _untagged(_number(frame, 12), frame[14:])
    return _Link(protocol, packet, frame[6:12], frame[:6], vlans)


def _cooked(frame: bytes) -> _Link:
    """LINUX_SLL: packet type, ARPHRD, address length, address (8), protocol."""
    protocol, packet, vlans = _untagged(_number(frame, 14), frame[16:])
    return _Link(protocol, packet, frame[6:12] if _number(frame, 4) == 6 else b"", b"", vlans)


def _cooked2(frame: bytes) -> _Link:
    """LINUX_SLL2: protocol, reserved, interface (4), ARPHRD, packet type (1), address length (1), address (8)."""
    protocol, packet, vlans = _untagged(_number(frame, 0), frame[20:])
    return _Link(protocol, packet, frame[12:18] if frame[11:12] == b"\x06" else b"", b"", vlans)


def _raw(frame: bytes) -> _Link:
    return _Link(0, frame)


def _null(frame: bytes) -> _Link:
    """BSD loopback: an address family of four bytes in somebody's byte order, which the IP version tells as well."""
    return _Link(0, frame[4:])


LINK_TYPES: Final[Mapping[int, Callable[[bytes], _Link]]] = {
    ETHERNET: _ethernet,
    113: _cooked,
    276: _cooked2,
    RAW_IP: _raw,
    12: _raw,  # DLT_RAW as most systems number it
    14: _raw,  # and as OpenBSD does
    228: _raw,  # IPv4 only
    229: _raw,  # IPv6 only
    0: _null,
    108: _null,
}
"""How each known LINKTYPE is read."""


def _ipv4(link: _Link) -> Observation | None:
    packet = link.packet
    if len(packet) < 20:
        return None
    header = (packet[0] & 0x0F) * 4
    length = _number(packet, 2) or len(packet)  # 0: the network card was to split it
    payload = packet[header:length] if header >= 20 else b""
    protocol, payload = _inner(packet[9], payload)
    if protocol != PROTOCOL:
        return None
    if _number(packet, 6) & 0x1FFF:
        payload = b""  # a later fragment: whatever it starts with is no header
    datagram = Datagram(Family.V4, packet[12:16], packet[16:20], packet[8], payload, link.source)
    return Observation(datagram, link.destination, link.vlans, max(0, length - len(packet)))


def _ipv6(link: _Link) -> Observation | None:
    packet = link.packet
    if len(packet) < 40:
        return None
    length = 40 + _number(packet, 4) if packet[4:6] != b"\0\0" else len(packet)
    protocol, payload = _inner(packet[6], packet[40:length])
    if protocol != PROTOCOL:
        return None
    datagram = Datagram(Family.V6, packet[8:24], packet[24:40], packet[7], payload, link.source)
    return Observation(datagram, link.destination, link.vlans, max(0, length - len(packet)))


def _inner(protocol: int, payload: bytes) -> tuple[int, bytes]:
    """Step over IPv6 extension headers and, in either family, AH (VRRPv2 may be wrapped in it)."""
    while protocol in _EXTENSIONS and len(payload) >= 8:
        if protocol == _FRAGMENT:
            size, later = 8, bool(_number(payload, 2) & 0xFFF8)
        else:
            size, later = _extension_size(protocol, payload[1]), False
        protocol, payload = payload[0], b"" if later else payload[size:]
    return protocol, payload


def _extension_size(protocol: int, length: int) -> int:
    return (length + 2) * 4 if protocol == _AUTHENTICATION else (length + 1) * 8
