"""Our advertisements, captured on the switch and checked by code that is not the product's: scapy and hmac."""

import hashlib
import hmac
import time
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

import pytest
from scapy.contrib.carp import CARP
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.utils import checksum

from tests.netns.group import PASSPHRASE, group_on, is_advert, until

CASES = {
    "one IPv4 address": ({"CARP_ADDRESSES": "10.77.0.100"}, {4}),
    "several unsorted IPv4 addresses": ({"CARP_ADDRESSES": "10.77.0.200,10.77.0.30,9.255.255.1"}, {4}),
    "IPv6": ({"CARP_ADDRESSES": "fd77::100,fd77::20"}, {6}),
    "dual stack": ({"CARP_ADDRESSES": "10.77.0.200,fd77::100,10.77.0.3,fd77::20"}, {4, 6}),
    "vhid 255": ({"CARP_ADDRESSES": "10.77.0.100", "CARP_VHID": "255"}, {4}),
    "unicast": ({"CARP_ADDRESSES": "10.77.0.100", "CARP_PEERS": "10.77.0.2"}, {4}),
    "advskew 254, advbase 2": ({"CARP_ADDRESSES": "10.77.0.100", "CARP_ADVSKEW": "254", "CARP_ADVBASE": "2"}, {4}),
    "openbsd": ({"CARP_ADDRESSES": "10.77.0.100,fd77::100", "CARP_DIALECT": "openbsd"}, {4, 6}),
    "own MAC": ({"CARP_ADDRESSES": "10.77.0.100", "CARP_MAC": "interface"}, {4}),
}


def digest_of(vhid: int, addresses: Sequence[str], counter: bytes) -> bytes:
    """carp(4), from the specification: 02 01 vhid, IPv4 ascending, IPv6 ascending, counter."""
    packed = [ip_address(one).packed for one in addresses]
    message = bytes((2, 1, vhid))
    message += b"".join(sorted(one for one in packed if len(one) == 4))
    message += b"".join(sorted(one for one in packed if len(one) == 16))
    return hmac.new(PASSPHRASE.encode().ljust(20, b"\0"), message + counter, hashlib.sha1).digest()


@pytest.mark.parametrize("case", CASES)
def test_what_a_third_party_captures_is_right(tmp_path: Path, case: str) -> None:
    env, families = CASES[case]
    with group_on(tmp_path) as group:
        member = group.add(advskew=7, **env)
        group.network.add_node("node2", 2)
        member.start()
        with group.network.capture(expression="ip proto 112 or ip6 proto 112") as seen:
            until(lambda: sum(map(is_advert, list(seen.frames))) >= 2 * len(families), 12, "two rounds")
            time.sleep(0.1)
    packets = [Ether(frame.data) for frame in seen.frames if is_advert(frame)]
    assert {6 if IPv6 in packet else 4 for packet in packets} == families
    for packet in packets:
        check(packet, env)
    counters = [payload_of(packet)[8:16] for packet in packets]
    assert len(set(counters)) * len(families) == len(counters), "each has a counter of its own, one for both families"


def payload_of(packet: Ether) -> bytes:
    """The payload of protocol 112, parsed as CARP and built again: scapy must find nothing to change."""
    raw = bytes(packet[IPv6].payload if IPv6 in packet else packet[IP].payload)
    assert bytes(CARP(raw)) == raw
    return raw


def check(packet: Ether, env: dict[str, str]) -> None:
    """One captured frame against the specification."""
    vhid = int(env.get("CARP_VHID", "10"))
    raw = payload_of(packet)
    assert len(raw) == 36
    assert checksum(raw) == 0
    assert (raw[0], raw[1], raw[3]) == (0x21, vhid, 7)
    assert (raw[2], raw[5]) == (int(env.get("CARP_ADVSKEW", "7")), int(env.get("CARP_ADVBASE", "1")))
    assert raw[16:36] == digest_of(vhid, env["CARP_ADDRESSES"].split(","), raw[8:16])
    own = env.get("CARP_MAC") == "interface" or "CARP_PEERS" in env
    assert packet.src == ("02:77:00:00:00:01" if own else f"00:00:5e:00:01:{vhid:02x}")
    network = packet[IPv6] if IPv6 in packet else packet[IP]
    if IPv6 in packet:
        assert (network.hlim, network.nh, network.plen, network.dst) == (255, 112, 36, "ff02::12")
        assert packet.dst == "33:33:00:00:00:12"
        return
    assert (network.ttl, network.proto, network.len, str(network.flags)) == (255, 112, 56, "DF")
    assert network.dst == env.get("CARP_PEERS", "224.0.0.18")
    if "CARP_PEERS" not in env:
        assert packet.dst == "01:00:5e:00:00:12"
