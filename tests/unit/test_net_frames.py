"""What we put on the wire, read back by code that is not ours."""

import json
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from scapy.layers.inet import IP
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from sidecar.carp.config import Family
from sidecar.net import frames

VECTORS = json.loads((Path(__file__).parents[1] / "golden/data/carp-vectors.json").read_text())["vectors"]
MAC = frames.virtual_mac(10)


@pytest.mark.parametrize("vector", [one for one in VECTORS if "eth_frame_hex" in one], ids=lambda one: one["name"])
def test_ipv4_advertisement_equals_the_golden_frame(vector: dict[str, str]) -> None:
    head = frames.advertisement_head(
        Family.V4, frames.virtual_mac(int(vector["vhid"])), IPv4Address(vector["src4"]).packed
    )
    assert head + bytes.fromhex(vector["carp_hex"]) == bytes.fromhex(vector["eth_frame_hex"])


@pytest.mark.parametrize("vector", [one for one in VECTORS if "eth6_frame_hex" in one], ids=lambda one: one["name"])
def test_ipv6_advertisement_equals_the_golden_frame(vector: dict[str, str]) -> None:
    head = frames.advertisement_head(
        Family.V6, frames.virtual_mac(int(vector["vhid"])), IPv6Address(vector["src6"]).packed
    )
    assert head + bytes.fromhex(vector["carp_hex"]) == bytes.fromhex(vector["eth6_frame_hex"])


def test_gratuitous_arp_is_a_broadcast_request_for_the_address_by_its_owner() -> None:
    frame = Ether(frames.gratuitous_arp(MAC, IPv4Address("192.0.2.10")))
    assert (frame.dst, frame.src) == ("ff:ff:ff:ff:ff:ff", "00:00:5e:00:01:0a")
    assert (frame[ARP].op, frame[ARP].psrc, frame[ARP].pdst) == (1, "192.0.2.10", "192.0.2.10")
    assert (frame[ARP].hwsrc, frame[ARP].hwdst) == ("00:00:5e:00:01:0a", "00:00:00:00:00:00")
    assert len(frame) == 60


def test_unsolicited_na_overrides_and_carries_the_virtual_mac() -> None:
    raw = frames.unsolicited_na(MAC, IPv6Address("2001:db8::10"))
    frame = Ether(raw)
    assert (frame.dst, frame[IPv6].dst, frame[IPv6].hlim) == ("33:33:00:00:00:01", "ff02::1", 255)
    assert (frame[ICMPv6ND_NA].O, frame[ICMPv6ND_NA].S, frame[ICMPv6ND_NA].tgt) == (1, 0, "2001:db8::10")
    assert frame[ICMPv6NDOptDstLLAddr].lladdr == "00:00:5e:00:01:0a"
    sent = frame[ICMPv6ND_NA].cksum
    del frame[ICMPv6ND_NA].cksum
    assert Ether(bytes(frame))[ICMPv6ND_NA].cksum == sent


def test_ipv4_header_checksum_is_what_scapy_computes() -> None:
    header = frames.ipv4_header(IPv4Address("203.0.113.7").packed, IPv4Address("224.0.0.18").packed, 36)
    sent = IP(header).chksum
    parsed = IP(header)
    del parsed.chksum
    assert IP(bytes(parsed)).chksum == sent


def test_solicited_node_group_has_the_last_three_bytes() -> None:
    group = frames.solicited_node_group(IPv6Address("2001:db8::12:3456"))
    assert str(IPv6Address(group)) == "ff02::1:ff12:3456"
