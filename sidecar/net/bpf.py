"""Classic BPF programs: which frames reach us, and which must never leave the virtual-MAC interface.

The kernel runs these before a copy or a wake-up is paid for; they never decide about belief, only about concern.
"""

import ctypes
import socket
from collections.abc import Iterable, Sequence
from struct import pack
from typing import Final

from sidecar.carp.constants import PROTOCOL
from sidecar.net.frames import (
    ETH_P_ARP,
    ETH_P_IP,
    ETH_P_IPV6,
    ICMPV6,
    NEIGHBOUR_ADVERTISEMENT,
    NEIGHBOUR_SOLICITATION,
)

Instruction = tuple[int, int, int, int]

_LD_W, _LD_H, _LD_B = 0x20, 0x28, 0x30
_LD_B_IND: Final = 0x50
_LDX_MSH: Final = 0xB1
_JA: Final = 0x05
_JEQ: Final = 0x15
_JSET: Final = 0x45
_RET: Final = 0x06
_VLAN_TAG_PRESENT: Final = 0xFFFFF000 + 48
_PACKET_TYPE: Final = 0xFFFFF000 + 4
_TO_ANOTHER_HOST, _OUTGOING = 3, 4
_MOST_NAMES: Final = 100
_ETHERTYPE, _IPV4_FLAGS, _IPV4_PROTOCOL, _IPV6_NEXT, _ETHERNET, _IPV6_PAYLOAD = 12, 20, 23, 20, 14, 54
_IPV4_SOURCE, _IPV6_SOURCE = 26, 22
_WHOLE: Final = 0x40000
_NLMSG_TYPE, _IFA_INDEX, _RTM_NEWADDR = 4, 20, 20
_TC_ACT_OK, _TC_ACT_SHOT = 0, 2
_REFUSE: Final[Instruction] = (_RET, 0, 0, 0)
_FRAGMENT_OFFSET: Final = 0x1FFF
SO_ATTACH_FILTER: Final = 26


def known(vhids: Iterable[int], sources: Iterable[bytes]) -> list[Instruction]:
    """What concerns us (``concerning``) and comes from one of these packed addresses."""
    return concerning(vhids, [*_from(sources, (_RET, 0, 0, _WHOLE)), _REFUSE])


def strangers(vhids: Iterable[int], sources: Iterable[bytes]) -> list[Instruction]:
    """What concerns us and comes from anybody else."""
    return concerning(vhids, [*_from(sources, _REFUSE), (_RET, 0, 0, _WHOLE)])


def _from(sources: Iterable[bytes], verdict: Instruction) -> list[Instruction]:
    """The verdict over a frame with one of these source addresses; others go on behind it."""
    wanted = sorted(set(sources))
    v4 = [(_LD_W, 0, 0, _IPV4_SOURCE)]
    for address in (one for one in wanted if len(one) == 4):
        v4 += [(_JEQ, 0, 1, int.from_bytes(address, "big")), verdict]
    v6: list[Instruction] = []
    for address in (one for one in wanted if len(one) == 16):
        for word in range(0, 16, 4):
            part = int.from_bytes(address[word : word + 4], "big")
            v6 += [(_LD_W, 0, 0, _IPV6_SOURCE + word), (_JEQ, 0, 7 - word // 2, part)]
        v6.append(verdict)
    v4.append((_JA, 0, 0, len(v6)))
    return [(_LD_H, 0, 0, _ETHERTYPE), (_JEQ, 1, 0, ETH_P_IP), (_JA, 0, 0, len(v4)), *v4, *v6]


def concerning(vhids: Iterable[int], then: Sequence[Instruction] = ()) -> list[Instruction]:
    """Untagged IPv4 or IPv6 frames of protocol 112 whose second payload byte is one of ours; ``then`` may say more.

    Not what a switch floods on its way to another host: with unicast peers the same advertisement comes for each, and
    the second would be a replay. The vhid is VRRP's VRID at the same place, so a VRRP speaker that clashes with us is
    heard too; a wrong TTL, checksum or version passes, because a person should hear of it.
    """
    wanted = sorted(set(vhids))
    v6 = [(_LD_B, 0, 0, _IPV6_NEXT), (_JEQ, 1, 0, PROTOCOL), _REFUSE, (_LD_B, 0, 0, _IPV6_PAYLOAD + 1)]
    v4 = [
        (_LD_B, 0, 0, _IPV4_PROTOCOL),
        (_JEQ, 1, 0, PROTOCOL),
        _REFUSE,
        (_LD_H, 0, 0, _IPV4_FLAGS),
        (_JSET, 0, 1, _FRAGMENT_OFFSET),
        _REFUSE,
        (_LDX_MSH, 0, 0, _ETHERNET),
        (_LD_B_IND, 0, 0, _ETHERNET + 1),
        (_JA, 0, 0, len(v6)),
    ]
    return [
        (_LD_W, 0, 0, _PACKET_TYPE),
        (_JEQ, 0, 1, _TO_ANOTHER_HOST),
        _REFUSE,
        (_LD_W, 0, 0, _VLAN_TAG_PRESENT),
        (_JEQ, 1, 0, 0),
        _REFUSE,
        (_LD_H, 0, 0, _ETHERTYPE),
        (_JEQ, 2, 0, ETH_P_IP),
        (_JEQ, 1 + len(v4), 0, ETH_P_IPV6),
        _REFUSE,
        *v4,
        *v6,
        *_one_of(wanted),
        _REFUSE,
        *(then or [(_RET, 0, 0, _WHOLE)]),
    ]


def _one_of(values: Sequence[int]) -> list[Instruction]:
    """Jump over the verdict that follows when the accumulator is one of the values (at most 255)."""
    return [(_JEQ, len(values) - index, 0, value) for index, value in enumerate(values)]


def naming(v4: Iterable[bytes], v6: Iterable[bytes], mac: bytes) -> list[Instruction]:
    """Untagged ARP and neighbour discovery that says who has one of these addresses (packed), or asks if it is free.

    Not what goes to another host, nor the ordinary question of a client; of what this host (``mac``) sends only what
    could come back to it. IPv6 addresses are told by their last 32 bits; the reader looks at all of them.
    """
    ours_v4 = _among(v4)
    ours_v6 = _among(address[12:] for address in v6)
    solicitation = [(_LD_W, 0, 0, 34), (_JEQ, len(ours_v6), 0, 0), *ours_v6]
    discovery = [
        (_LD_B, 0, 0, _IPV6_NEXT),
        (_JEQ, 1, 0, ICMPV6),
        _REFUSE,
        (_LD_B, 0, 0, _IPV6_PAYLOAD),
        (_JEQ, 2 + len(solicitation), 0, NEIGHBOUR_ADVERTISEMENT),
        (_JEQ, 1, 0, NEIGHBOUR_SOLICITATION),
        _REFUSE,
        *solicitation,
        (_LD_W, 0, 0, 74),
        *ours_v6,
    ]
    resolution = [(_LD_W, 0, 0, 28), (_JEQ, len(ours_v4), 0, 0), *ours_v4, (_LD_W, 0, 0, 38), *ours_v4]
    return [
        *_within_reach(mac),
        (_LD_W, 0, 0, _VLAN_TAG_PRESENT),
        (_JEQ, 1, 0, 0),
        _REFUSE,
        (_LD_H, 0, 0, _ETHERTYPE),
        (_JEQ, 1, 0, ETH_P_ARP),
        (_JA, 0, 0, len(resolution)),
        *resolution,
        (_JEQ, 1, 0, ETH_P_IPV6),
        _REFUSE,
        *discovery,
    ]


def _within_reach(mac: bytes) -> list[Instruction]:
    """Go on with what comes to this host, and with what it sends to a group or to itself."""
    return [
        (_LD_W, 0, 0, _PACKET_TYPE),
        (_JEQ, 0, 1, _TO_ANOTHER_HOST),
        _REFUSE,
        (_JEQ, 0, 5, _OUTGOING),
        (_LD_B, 0, 0, 0),
        (_JSET, 3, 0, 1),
        (_LD_W, 0, 0, 2),
        (_JEQ, 1, 0, int.from_bytes(mac[2:6], "big")),
        _REFUSE,
    ]


def _among(values: Iterable[bytes]) -> list[Instruction]:
    """The verdict: whether the accumulator is one of these 32-bit values; of too many to compare, any."""
    wanted = sorted({int.from_bytes(value, "big") for value in values})
    if len(wanted) > _MOST_NAMES:
        return [(_RET, 0, 0, _WHOLE)]
    return [*_one_of(wanted), _REFUSE, (_RET, 0, 0, _WHOLE)]


def not_new_addresses_on(indices: Iterable[int]) -> list[Instruction]:
    """Netlink notices, but for RTM_NEWADDR on these interfaces: each renewal of a lease makes one.

    Netlink speaks in host order and classic BPF reads in network order, hence the swaps.
    """
    wanted = [int.from_bytes(pack("=I", index), "big") for index in sorted(set(indices))]
    kind = int.from_bytes(pack("=H", _RTM_NEWADDR), "big")
    return [
        (_LD_H, 0, 0, _NLMSG_TYPE),
        (_JEQ, 1, 0, kind),
        (_RET, 0, 0, _WHOLE),
        (_LD_W, 0, 0, _IFA_INDEX),
        *_one_of(wanted),
        (_RET, 0, 0, _WHOLE),
        _REFUSE,
    ]


def nothing() -> list[Instruction]:
    """No frame at all."""
    return [_REFUSE]


def drop_unspecified_source() -> list[Instruction]:
    """A tc program: an IPv6 frame without a source address does not leave.

    That is every frame an interface without addresses would send by itself: duplicate address detection, router
    solicitation and multicast listener reports, also the leave after an address went away, when it would hurt most.
    """
    program = [(_LD_H, 0, 0, _ETHERTYPE), (_JEQ, 0, 9, ETH_P_IPV6)]
    for step, offset in enumerate((22, 26, 30, 34)):
        program += [(_LD_W, 0, 0, offset), (_JEQ, 0, 7 - 2 * step, 0)]
    return [*program, (_RET, 0, 0, _TC_ACT_SHOT), (_RET, 0, 0, _TC_ACT_OK)]


def encode(program: Sequence[Instruction]) -> bytes:
    """``struct sock_filter[]``."""
    return b"".join(pack("=HBBI", *instruction) for instruction in program)


def attach(sock: socket.socket, program: Sequence[Instruction]) -> None:
    """Filter a socket (socket(7), SO_ATTACH_FILTER); ``OSError`` when the kernel refuses."""
    code = ctypes.create_string_buffer(encode(program))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, pack("@HxxxxxxP", len(program), ctypes.addressof(code)))
