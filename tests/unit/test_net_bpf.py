"""Which frames reach which socket: the programs run on frames, by a machine after bpf(4), and the kernel takes them."""

import socket
from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from sidecar.net import bpf
from sidecar.net.frames import ipv4_header, ipv6_header

ANCILLARY = 0xFFFFF000
KNOWN = [ip_address(one).packed for one in ("10.0.0.1", "10.0.0.2", "fe80::1", "fe80::2")]
STRANGERS = [ip_address(one).packed for one in ("10.0.0.3", "fe80::3", "fe80::1:0:0:1", "fe81::1")]
VHIDS = (7, 9)


def run(program: Sequence[bpf.Instruction], frame: bytes, packet_type: int = 0) -> int:
    """The bytes that the program lets in; 0 for none. A load beyond the frame's end refuses it, as in the kernel."""
    at = accumulator = index = 0
    sizes = {0x20: 4, 0x28: 2, 0x30: 1, 0x50: 1}
    while True:
        code, jt, jf, k = program[at]
        at += 1
        if code in sizes:
            offset = k + index if code == 0x50 else k
            if k < ANCILLARY and offset + sizes[code] > len(frame):
                return 0
            accumulator = int.from_bytes(frame[offset : offset + sizes[code]], "big")
            if k >= ANCILLARY:
                accumulator = packet_type if k == ANCILLARY + 4 else 0
        elif code == 0xB1:
            index = 4 * (frame[k] & 15)
        elif code == 0x05:
            at += k
        elif code == 0x15:
            at += jt if accumulator == k else jf
        elif code == 0x45:
            at += jt if accumulator & k else jf
        else:
            assert code == 0x06
            return k


def frame(source: bytes, vhid: int = 7) -> bytes:
    """An advertisement from this address."""
    payload = bytes((0x21, vhid)) + b"\0" * 34
    if len(source) == 4:
        return b"\0" * 12 + b"\x08\x00" + ipv4_header(source, b"\xe0\x00\x00\x12", len(payload)) + payload
    return b"\0" * 12 + b"\x86\xdd" + ipv6_header(source, b"\xff\x02" + b"\0" * 14, len(payload)) + payload


@pytest.mark.parametrize("source", KNOWN)
def test_a_known_peer_reaches_its_socket_and_not_the_strangers(source: bytes) -> None:
    assert run(bpf.known(VHIDS, KNOWN), frame(source)) > 0
    assert run(bpf.strangers(VHIDS, KNOWN), frame(source)) == 0


@pytest.mark.parametrize("source", STRANGERS)
def test_a_stranger_reaches_theirs_and_not_the_known_peers(source: bytes) -> None:
    assert run(bpf.known(VHIDS, KNOWN), frame(source)) == 0
    assert run(bpf.strangers(VHIDS, KNOWN), frame(source)) > 0


@pytest.mark.parametrize("source", KNOWN + STRANGERS)
def test_another_vhid_reaches_nobody(source: bytes) -> None:
    assert run(bpf.known(VHIDS, KNOWN), frame(source, 8)) == 0
    assert run(bpf.strangers(VHIDS, KNOWN), frame(source, 8)) == 0


@pytest.mark.parametrize("source", KNOWN + STRANGERS)
def test_while_nobody_is_known_all_are_strangers(source: bytes) -> None:
    assert run(bpf.known(VHIDS, ()), frame(source)) == 0
    assert run(bpf.strangers(VHIDS, ()), frame(source)) > 0


def test_what_a_switch_floods_to_another_host_reaches_nobody() -> None:
    for source, program in ((KNOWN[0], bpf.known), (STRANGERS[0], bpf.strangers)):
        reached = [run(program(VHIDS, KNOWN), frame(source), packet_type) > 0 for packet_type in range(4)]
        assert reached == [True, True, True, False], "host, broadcast, multicast, other host"


def test_a_known_address_of_the_other_family_is_no_door() -> None:
    """Bytes of an IPv4 frame that lie where IPv6 has its source are not taken for one."""
    crafted = bytearray(frame(STRANGERS[0]))
    crafted[22:38] = KNOWN[2]
    crafted[23], crafted[26:30] = 112, STRANGERS[0]
    assert run(bpf.known(VHIDS, [bytes(crafted[22:38])]), bytes(crafted)) == 0


def test_the_kernel_takes_the_largest_programs() -> None:
    sources = [number.to_bytes(4, "big") for number in range(32)] + [number.to_bytes(16, "big") for number in range(32)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for program in (bpf.known, bpf.strangers):
            bpf.attach(any_socket, program(range(1, 256), sources))
