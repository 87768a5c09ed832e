"""A datagram of protocol 112 is found behind every link layer; no bytes make the dissector raise."""

import socket
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop
from scapy.layers.ipsec import AH
from scapy.layers.l2 import ARP, CookedLinux, CookedLinuxV2, Dot1AD, Dot1Q, Ether, Loopback
from scapy.packet import Packet, Raw

from sidecar.carp.config import Family
from sidecar.sniff.dissect import ETHERNET, LINK_TYPES, RAW_IP, Observation, dissect
from sidecar.sniff.live import ETHERNET_FILTER, attach_filter

PAYLOAD = bytes(range(36))
MAC, GROUP_MAC = "00:00:5e:00:01:07", "01:00:5e:00:00:12"
V4 = IP(src="10.9.0.1", dst="224.0.0.18", proto=112, ttl=255) / Raw(PAYLOAD)
V6 = IPv6(src="fe80::1", dst="ff02::12", nh=112, hlim=255) / Raw(PAYLOAD)
ETHER = Ether(src=MAC, dst=GROUP_MAC)


def seen(link_type: int, frame: Packet | bytes) -> Observation:
    observation = dissect(link_type, bytes(frame))
    assert observation is not None
    return observation


@pytest.mark.parametrize("ip", [V4, V6], ids=["v4", "v6"])
def test_a_datagram_in_ethernet(ip: Packet) -> None:
    observation = seen(ETHERNET, ETHER / ip)
    datagram = observation.datagram
    assert datagram.family is (Family.V4 if ip is V4 else Family.V6)
    assert (datagram.ttl, datagram.payload) == (255, PAYLOAD)
    assert datagram.source == socket.inet_pton(socket.AF_INET if ip is V4 else socket.AF_INET6, ip.src)
    assert datagram.destination == socket.inet_pton(socket.AF_INET if ip is V4 else socket.AF_INET6, ip.dst)
    assert (datagram.source_mac.hex(":"), observation.destination_mac.hex(":")) == (MAC, GROUP_MAC)
    assert (observation.vlans, observation.missing) == ((), 0)


@pytest.mark.parametrize(
    ("tags", "vlans"),
    [
        (Dot1Q(vlan=7), (7,)),
        (Dot1Q(vlan=0, prio=7), (0,)),
        (Dot1AD(vlan=100) / Dot1Q(vlan=7), (100, 7)),
        (Dot1Q(vlan=1) / Dot1Q(vlan=2) / Dot1Q(vlan=3), (1, 2, 3)),
    ],
)
def test_vlan_tags_are_taken_off_outermost_first(tags: Packet, vlans: tuple[int, ...]) -> None:
    observation = seen(ETHERNET, ETHER / tags / V6)
    assert (observation.vlans, observation.datagram.payload) == (vlans, PAYLOAD)


COOKED = CookedLinux(pkttype=2, lladdrtype=1, lladdrlen=6, src=bytes.fromhex(MAC.replace(":", "")) + b"\0\0")
COOKED2 = CookedLinuxV2(
    proto=0x0800, pkttype=2, lladdrtype=1, lladdrlen=6, src=bytes.fromhex(MAC.replace(":", "")) + b"\0\0"
)


@pytest.mark.parametrize(
    ("link_type", "frame", "mac"),
    [
        (113, COOKED / V4, MAC),
        (276, COOKED2 / V4, MAC),
        (113, CookedLinux(proto=0x0800, lladdrlen=0) / V4, ""),
        (RAW_IP, V4, ""),
        (12, V4, ""),
        (14, V4, ""),
        (228, V4, ""),
        (0, Loopback(type=2) / V4, ""),
    ],
)
def test_other_link_layers_have_the_same_datagram(link_type: int, frame: Packet, mac: str) -> None:
    observation = seen(link_type, frame)
    assert observation.datagram.payload == PAYLOAD
    assert (observation.datagram.source_mac.hex(":"), observation.destination_mac) == (mac, b"")


def test_ipv6_behind_other_link_layers() -> None:
    for link_type, frame in ((RAW_IP, bytes(V6)), (229, bytes(V6)), (113, bytes(CookedLinux(proto=0x86DD) / V6))):
        assert seen(link_type, frame).datagram.family is Family.V6


def test_a_tag_behind_a_cooked_header() -> None:
    assert seen(113, bytes(CookedLinux(proto=0x8100)) + bytes(Dot1Q(vlan=7) / V4)).vlans == (7,)


def test_padding_of_the_frame_is_not_payload() -> None:
    assert seen(ETHERNET, bytes(ETHER / V4) + b"pad").datagram.payload == PAYLOAD
    assert seen(ETHERNET, bytes(ETHER / V6) + b"pad").datagram.payload == PAYLOAD


def test_what_the_capture_cut_off_is_missing() -> None:
    for ip in (V4, V6):
        observation = seen(ETHERNET, bytes(ETHER / ip)[:-10])
        assert (observation.missing, observation.datagram.payload) == (10, PAYLOAD[:-10])


def test_ip_options_are_stepped_over() -> None:
    packet = IP(src="10.9.0.1", dst="224.0.0.18", proto=112, options=b"\x01" * 8) / Raw(PAYLOAD)
    assert seen(RAW_IP, packet).datagram.payload == PAYLOAD


def test_extension_headers_and_ah_are_stepped_over() -> None:
    v6 = IPv6(src="fe80::1", dst="ff02::12")
    for packet in (
        v6 / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt(nh=112) / Raw(PAYLOAD),
        v6 / IPv6ExtHdrFragment(nh=112, offset=0) / Raw(PAYLOAD),
        IP(src="10.9.0.1", dst="224.0.0.18", proto=51) / AH(nh=112, payloadlen=4, icv=b"i" * 12) / Raw(PAYLOAD),
    ):
        assert seen(RAW_IP, packet).datagram.payload == PAYLOAD


def test_a_later_fragment_has_no_header() -> None:
    v4 = IP(src="10.9.0.1", dst="224.0.0.18", proto=112, frag=2) / Raw(PAYLOAD)
    v6 = IPv6(src="fe80::1", dst="ff02::12") / IPv6ExtHdrFragment(nh=112, offset=2) / Raw(PAYLOAD)
    assert seen(RAW_IP, v4).datagram.payload == b""
    assert seen(RAW_IP, v6).datagram.payload == b""


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        bytes(ETHER),
        bytes(ETHER / ARP()),
        bytes(ETHER / IP(proto=17) / Raw(PAYLOAD)),
        bytes(ETHER / IPv6(nh=58) / Raw(PAYLOAD)),
        bytes(ETHER / V4)[:33],
        bytes(ETHER / V6)[:53],
        bytes(Ether(type=0x0800) / V6),
        bytes(Ether(type=0x86DD) / V4),
    ],
)
def test_what_is_not_protocol_112_is_nothing(frame: bytes) -> None:
    assert dissect(ETHERNET, frame) is None


def test_an_unknown_link_type_is_nothing() -> None:
    assert dissect(127, bytes(ETHER / V4)) is None


SEEDS = [bytes(ETHER / V4), bytes(ETHER / V6), bytes(ETHER / Dot1Q(vlan=7) / V4), bytes(V4), bytes(COOKED / V4)]


@st.composite
def near_frames(draw: st.DrawFn) -> bytes:
    """A frame with a few bytes changed and its end cut off."""
    frame = bytearray(draw(st.sampled_from(SEEDS)))
    for place, value in draw(st.lists(st.tuples(st.integers(0, len(frame) - 1), st.integers(0, 255)), max_size=6)):
        frame[place] = value
    return bytes(frame[: draw(st.integers(0, len(frame)))])


@given(st.sampled_from([*LINK_TYPES, 127]), st.binary(max_size=120) | near_frames())
def test_no_bytes_make_it_raise(link_type: int, frame: bytes) -> None:
    observation = dissect(link_type, frame)
    if observation is not None:
        assert len(observation.datagram.source) in {4, 16}
        assert len(observation.datagram.source_mac) in {0, 6}


class KernelFilter:
    """The filter of live capture, run by the kernel on a socket that needs no privilege."""

    def __init__(self) -> None:
        self.inside, self.outside = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        attach_filter(self.outside, ETHERNET_FILTER)
        self.outside.setblocking(False)

    def passes(self, frame: bytes) -> bool:
        if not frame:
            return False
        self.inside.send(frame)
        try:
            return self.outside.recv(2048) == frame
        except BlockingIOError:
            return False


@pytest.fixture(scope="module")
def kernel() -> Iterator[KernelFilter]:
    kernel = KernelFilter()
    with kernel.inside, kernel.outside:
        yield kernel


@given(frame=near_frames())
def test_the_kernel_lets_through_what_the_dissector_would_find(kernel: KernelFilter, frame: bytes) -> None:
    if dissect(ETHERNET, frame) is not None:
        assert kernel.passes(frame)


@pytest.mark.parametrize(
    ("frame", "wanted"),
    [
        (bytes(ETHER / V4), True),
        (bytes(ETHER / V6), True),
        (bytes(ETHER / Dot1Q(vlan=7) / V4), True),
        (bytes(ETHER / Dot1Q(vlan=7) / V6), True),
        (bytes(ETHER / Dot1AD(vlan=1) / Dot1Q(vlan=7) / V6), True),
        (bytes(ETHER / IP(proto=51) / Raw(PAYLOAD)), True),
        (bytes(ETHER / IPv6(nh=0) / Raw(PAYLOAD)), True),
        (bytes(ETHER / IP(proto=6) / Raw(PAYLOAD)), False),
        (bytes(ETHER / IPv6(nh=17) / Raw(PAYLOAD)), False),
        (bytes(ETHER / ARP()), False),
        (bytes(ETHER / Dot1Q(vlan=7) / IP(proto=6) / Raw(PAYLOAD)), False),
        (bytes(ETHER / Dot1Q(vlan=7) / ARP()), False),
        (struct.pack("!12sH", b"", 0x0800), False),
    ],
)
def test_the_kernel_keeps_other_traffic_from_us(kernel: KernelFilter, frame: bytes, wanted: bool) -> None:
    assert kernel.passes(frame) is wanted
