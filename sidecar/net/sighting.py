"""What an ARP or neighbour-discovery frame says of an address: pure, and nothing of it is believed here.

RFC 826 and 5227 for IPv4, RFC 4861 and 4862 for IPv6. None for whatever is not whole, or says nothing of an owner.
"""

from struct import Struct
from typing import Final

from sidecar.carp.conflicts import Says, Sighting
from sidecar.carp.constants import TTL
from sidecar.net.frames import ETH_P_ARP, ETH_P_IPV6, ICMPV6, NEIGHBOUR_ADVERTISEMENT, NEIGHBOUR_SOLICITATION

_ARP: Final = Struct("!HHBBH6s4s6s4s")
_ARP_HEAD: Final = (1, 0x0800, 6, 4)
_REQUEST, _REPLY = 1, 2
_NOBODY_V4, _NOBODY_V6 = bytes(4), bytes(16)
_ETHERNET, _IPV6, _MESSAGE = 14, 54, 78
"""Where the ARP body or IPv6 header, the ICMPv6 message and its options begin."""
_SOLICITED: Final = 0x40
_SOURCE_MAC, _TARGET_MAC = 1, 2


def read(frame: bytes, *, outgoing: bool = False) -> Sighting | None:
    """An Ethernet frame as a sighting."""
    kind = int.from_bytes(frame[12:14], "big")
    if kind == ETH_P_ARP:
        return _arp(frame, outgoing)
    return _neighbour_discovery(frame, outgoing) if kind == ETH_P_IPV6 else None


def _arp(frame: bytes, outgoing: bool) -> Sighting | None:
    frame = frame[: _ETHERNET + _ARP.size]  # padding differs between what left and what came back
    if len(frame) < _ETHERNET + _ARP.size:
        return None
    *head, operation, mac, sender, _, target = _ARP.unpack_from(frame, _ETHERNET)
    if tuple(head) != _ARP_HEAD or operation not in (_REQUEST, _REPLY):
        return None
    if sender == _NOBODY_V4:
        return Sighting(target, mac, Says.PROBE, frame, outgoing) if operation == _REQUEST else None
    if sender == target:
        return Sighting(sender, mac, Says.ANNOUNCEMENT, frame, outgoing)
    return Sighting(sender, mac, Says.REPLY if operation == _REPLY else Says.REQUEST, frame, outgoing)


def _neighbour_discovery(frame: bytes, outgoing: bool) -> Sighting | None:
    frame = frame[: _IPV6 + int.from_bytes(frame[18:20], "big")]
    if len(frame) < _MESSAGE or frame[20] != ICMPV6 or frame[21] != TTL:
        return None
    source, kind, target = frame[22:38], frame[_IPV6], frame[62:78]
    if kind == NEIGHBOUR_ADVERTISEMENT:
        says = Says.REPLY if frame[58] & _SOLICITED else Says.ANNOUNCEMENT
        return Sighting(target, _mac(frame, _TARGET_MAC), says, frame, outgoing)
    if kind != NEIGHBOUR_SOLICITATION:
        return None
    if source == _NOBODY_V6:
        return Sighting(target, frame[6:12], Says.PROBE, frame, outgoing)
    return Sighting(source, _mac(frame, _SOURCE_MAC), Says.REQUEST, frame, outgoing)


def _mac(frame: bytes, wanted: int) -> bytes:
    """The link-layer address of the option, or the frame's own source where there is none."""
    at = _MESSAGE
    while at + 8 <= len(frame) and frame[at + 1]:
        if frame[at] == wanted:
            return frame[at + 2 : at + 8]
        at += 8 * frame[at + 1]
    return frame[6:12]
