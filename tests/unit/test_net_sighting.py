"""What is read of ARP and neighbour discovery, and what the kernel's filter lets through: frames made by scapy and by
us, judged by the real kernel's BPF machine on a socket that needs no privilege."""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import ARP, Ether

from sidecar.carp.conflicts import Says
from sidecar.net import bpf
from sidecar.net.frames import announcement, arp_probe, neighbour_question, virtual_mac
from sidecar.net.sighting import read

V4, V6 = ip_address("192.0.2.10"), ip_address("2001:db8::10")
OTHER4, OTHER6 = "192.0.2.11", "2001:db8:1::10"
MAC, VIRTUAL = "02:00:00:00:00:01", virtual_mac(10)
OURS = bytes.fromhex("020000000099")


def arp(**fields: Any) -> bytes:
    return bytes(Ether(src=MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(hwsrc=MAC, **fields))


def nd(message: object, source: str, hop_limit: int = 255) -> bytes:
    return bytes(Ether(src=MAC, dst="33:33:00:00:00:01") / IPv6(src=source, dst="ff02::1", hlim=hop_limit) / message)


CLAIMS = {
    "reply": (arp(op=2, psrc=str(V4), pdst="192.0.2.1"), V4, Says.REPLY),
    "announcement by request": (arp(op=1, psrc=str(V4), pdst=str(V4)), V4, Says.ANNOUNCEMENT),
    "announcement by reply": (arp(op=2, psrc=str(V4), pdst=str(V4)), V4, Says.ANNOUNCEMENT),
    "request": (arp(op=1, psrc=str(V4), pdst="192.0.2.1"), V4, Says.REQUEST),
    "probe": (arp(op=1, psrc="0.0.0.0", pdst=str(V4)), V4, Says.PROBE),
    "na": (nd(ICMPv6ND_NA(tgt=str(V6), S=0) / ICMPv6NDOptDstLLAddr(lladdr=MAC), str(V6)), V6, Says.ANNOUNCEMENT),
    "na to who asked": (nd(ICMPv6ND_NA(tgt=str(V6), S=1), str(V6)), V6, Says.REPLY),
    "ns in its name": (
        nd(ICMPv6ND_NS(tgt="2001:db8::1") / ICMPv6NDOptSrcLLAddr(lladdr=MAC), str(V6)), V6, Says.REQUEST,
    ),
    "duplicate address detection": (nd(ICMPv6ND_NS(tgt=str(V6)), "::"), V6, Says.PROBE),
}  # fmt: skip
NOTHING = {
    "a client's question": arp(op=1, psrc="192.0.2.1", pdst=str(V4)),
    "another address": arp(op=2, psrc=OTHER4, pdst="192.0.2.1"),
    "a probe for another": arp(op=1, psrc="0.0.0.0", pdst=OTHER4),
    "a client's solicitation": nd(ICMPv6ND_NS(tgt=str(V6)), "2001:db8::1"),
    "another's na": nd(ICMPv6ND_NA(tgt="2001:db8::11"), "2001:db8::11"),
    "ntp to the address": bytes(Ether(src=MAC) / IP(dst=str(V4)) / UDP(dport=123)),
    "ntp to the address, IPv6": bytes(Ether(src=MAC) / IPv6(dst=str(V6)) / UDP(dport=123)),
    "cut short": arp(op=2, psrc=str(V4), pdst="192.0.2.1")[:30],
    "empty": b"\0" * 14,
}


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_is_read_with_who_makes_it(name: str) -> None:
    frame, address, says = CLAIMS[name]
    found = read(frame)
    assert found is not None
    assert (found.address, found.mac.hex(":"), found.says) == (address.packed, MAC, says)


def test_the_link_layer_option_counts_before_the_frames_source() -> None:
    option = ICMPv6NDOptDstLLAddr(lladdr="02:00:00:00:00:77")
    found = read(nd(ICMPv6ND_NA(tgt=str(V6)) / option, str(V6)))
    assert found is not None
    assert found.mac.hex(":") == "02:00:00:00:00:77"


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\0" * 13,
        CLAIMS["reply"][0][:41],
        CLAIMS["na"][0][:77],
        CLAIMS["reply"][0].replace(b"\x08\x06\x00\x01", b"\x08\x06\x00\x06"),  # not Ethernet
        arp(op=3, psrc=str(V4)),
        arp(op=2, psrc="0.0.0.0", pdst=str(V4)),
        nd(ICMPv6ND_NA(tgt=str(V6)), str(V6), hop_limit=64),  # came through a router
        NOTHING["ntp to the address"],
        NOTHING["ntp to the address, IPv6"],
    ],
)
def test_what_is_no_whole_claim_is_none(frame: bytes) -> None:
    assert read(frame) is None


@pytest.mark.parametrize("length", range(0, 96, 5))
def test_options_of_any_length_are_harmless(length: int) -> None:
    whole = bytearray(CLAIMS["na"][0][:78])
    whole[18:20] = (24 + length).to_bytes(2, "big")
    for filler in (0, 1, 2, 255):
        assert read(bytes(whole) + bytes((filler,)) * length) is not None


def test_padding_does_not_tell_a_frame_from_itself() -> None:
    frame = CLAIMS["reply"][0]
    sent, back = read(frame, outgoing=True), read(frame.ljust(60, b"\0"))
    assert sent is not None
    assert back is not None
    assert sent.frame == back.frame


# What we ask


def test_our_question_is_an_arp_probe_from_which_nobody_learns() -> None:
    frame = Ether(arp_probe(OURS, IPv4Address(V4)))
    assert (frame.src, frame.dst, len(frame)) == (OURS.hex(":"), "ff:ff:ff:ff:ff:ff", 60)
    assert (frame[ARP].op, frame[ARP].psrc, frame[ARP].pdst) == (1, "0.0.0.0", str(V4))
    assert frame[ARP].hwsrc == OURS.hex(":")


def test_our_question_for_ipv6_is_asked_in_our_own_name() -> None:
    source = IPv6Address("fe80::1")
    raw = neighbour_question(OURS, source.packed, IPv6Address(V6))
    frame = Ether(raw)
    assert (frame.src, frame.dst) == (OURS.hex(":"), "33:33:ff:00:00:10")
    assert (frame[IPv6].src, frame[IPv6].dst, frame[IPv6].hlim) == (str(source), "ff02::1:ff00:10", 255)
    assert (frame[ICMPv6ND_NS].tgt, frame[ICMPv6NDOptSrcLLAddr].lladdr) == (str(V6), OURS.hex(":"))
    wanted = frame[ICMPv6ND_NS].cksum
    del frame[ICMPv6ND_NS].cksum
    assert Ether(bytes(frame))[ICMPv6ND_NS].cksum == wanted


# The kernel's filter


def passes(frame: bytes, program: list[bpf.Instruction]) -> bool:
    """Whether the kernel hands it over. On such a socket every frame comes to this host and has no VLAN tag."""
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with left, right:
        bpf.attach(right, program)
        left.send(frame)
        right.setblocking(False)
        try:
            return right.recv(2048) == frame
        except BlockingIOError:
            return False


PROGRAM = bpf.naming([V4.packed], [V6.packed], OURS)


@pytest.mark.parametrize("name", CLAIMS)
def test_the_filter_lets_claims_through(name: str) -> None:
    assert passes(CLAIMS[name][0], PROGRAM)


@pytest.mark.parametrize("address", [V4, V6])
def test_the_filter_lets_announcements_of_members_through(address: IPv4Address | IPv6Address) -> None:
    assert passes(announcement(VIRTUAL, address), PROGRAM)


@pytest.mark.parametrize("name", NOTHING)
def test_the_filter_keeps_everything_else_out(name: str) -> None:
    assert not passes(NOTHING[name], PROGRAM)


def test_ipv6_addresses_with_the_same_end_are_told_apart_by_the_reader() -> None:
    frame = nd(ICMPv6ND_NA(tgt=OTHER6), OTHER6)
    assert passes(frame, PROGRAM)
    found = read(frame)
    assert found is not None
    assert found.address != V6.packed


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 300])
def test_a_filter_of_any_number_of_addresses_is_taken_and_right(count: int) -> None:
    v4 = [bytes((10, 0, number >> 8, number & 255)) for number in range(count)]
    v6 = [IPv6Address("2001:db8::").packed[:14] + number.to_bytes(2, "big") for number in range(1, count + 1)]
    program = bpf.naming(v4, v6, OURS)
    for address in (v4[0], v4[-1]) if v4 else ():
        assert passes(arp(op=2, psrc=str(IPv4Address(address)), pdst="10.9.9.9"), program)
    for address in (v6[0], v6[-1]) if v6 else ():
        target = str(IPv6Address(address))
        assert passes(nd(ICMPv6ND_NA(tgt=target), target), program)
    assert not passes(NOTHING["ntp to the address, IPv6"], program)
    if count <= 100:
        assert not passes(CLAIMS["reply"][0], program)
