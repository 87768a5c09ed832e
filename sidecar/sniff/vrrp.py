"""VRRP told from CARP: both are protocol 112, and CARP's first byte is that of a VRRPv2 advertisement. Pure.

VRRPv2 is RFC 3768 (RFC 2338 with authentication), VRRPv3 RFC 5798. Nothing of VRRP is verified but its checksum.
"""

from ipaddress import ip_address
from typing import Final, NamedTuple

from sidecar.carp.config import Family
from sidecar.carp.constants import AUTHLEN, HEADER_LENGTH, PROTOCOL
from sidecar.carp.packet import internet_checksum
from sidecar.carp.receive import Datagram

_HEADER: Final = 8
_AUTHENTICATION_DATA: Final = 8
_AUTHENTICATION: Final = ("none", "simple password", "AH")


class Vrrp(NamedTuple):
    """What a VRRP router says of itself. ``interval`` in seconds; ``authentication`` of version 2 only."""

    version: int
    vrid: int
    priority: int
    interval: float
    addresses: tuple[str, ...]
    authentication: str = ""


def parse_vrrp(datagram: Datagram) -> Vrrp | None:
    """The advertisement if this is VRRP: version 3, or version 2 in VRRP's layout rather than CARP's."""
    payload = datagram.payload
    if len(payload) < _HEADER:
        return None
    version = payload[0] >> 4
    addresses = _addresses(payload, 4 if datagram.family is Family.V4 else 16)
    if version == 3:
        centiseconds = int.from_bytes(payload[4:6], "big") & 0x0FFF
        return Vrrp(3, payload[1], payload[2], centiseconds / 100, addresses)
    if payload[0] == 0x21 and _is_laid_out_as_version_2(datagram):
        return Vrrp(2, payload[1], payload[2], float(payload[5]), addresses, _AUTHENTICATION[payload[4]])
    return None


def _is_laid_out_as_version_2(datagram: Datagram) -> bool:
    """Count, authentication type and length agree. Seven addresses are CARP's authlen: it takes more than that to tell.

    With the eight bytes of authentication data they are longer than CARP; without, as nobody sends them, they are CARP.
    """
    payload = datagram.payload
    count, authentication = payload[3], payload[4]
    body = _HEADER + count * (4 if datagram.family is Family.V4 else 16)
    if count == 0 or authentication >= len(_AUTHENTICATION):
        return False
    if len(payload) not in {body, body + _AUTHENTICATION_DATA}:
        return False
    if count != AUTHLEN:
        return True
    return len(payload) != HEADER_LENGTH and _sum(payload) == 0


def _addresses(payload: bytes, size: int) -> tuple[str, ...]:
    ends = range(_HEADER + size, min(len(payload), _HEADER + size * payload[3]) + 1, size)
    return tuple(str(ip_address(payload[end - size : end])) for end in ends)


def whole_checksum(datagram: Datagram) -> str:
    """``ok``, ``ok-pseudo-header`` or ``bad``, over all of the payload: VRRPv2's way, then VRRPv3's."""
    payload = datagram.payload
    if _sum(payload) == 0:
        return "ok"
    length = len(payload).to_bytes(4, "big")
    pseudo = datagram.source + datagram.destination + length + PROTOCOL.to_bytes(4, "big")
    return "ok-pseudo-header" if _sum(pseudo + payload) == 0 else "bad"


def _sum(data: bytes) -> int:
    return internet_checksum(data + b"\0" * (len(data) % 2))
