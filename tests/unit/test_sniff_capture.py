"""Captures are read frame by frame, whatever wrote them, and damage is told from an end."""

import gzip
import io
import struct
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.l2 import Ether
from scapy.utils import PcapNgWriter, PcapWriter, RawPcapNgReader, RawPcapReader

from sidecar.sniff.capture import read_capture
from sidecar.sniff.frame import CaptureError, Frame

TIMES = [1_700_000_000.000001, 1_700_000_000.5, 1_700_000_002.999999]
FRAMES = [bytes([number]) * size for number, size in enumerate((60, 61, 1514))]


def reader(content: bytes) -> io.BufferedReader:
    return io.BufferedReader(io.BytesIO(content))


def read(content: bytes) -> list[Frame]:
    return list(read_capture(reader(content), "a.pcap"))


def read_until_damage(content: bytes) -> tuple[list[Frame], str]:
    frames: list[Frame] = []
    try:
        frames.extend(read_capture(reader(content), "a.pcap"))
    except CaptureError as error:
        return frames, str(error)
    return frames, ""


def pcap(order: str = "<", ticks: int = 1_000_000, link_type: int = 1) -> bytes:
    magic = 0xA1B2C3D4 if ticks == 1_000_000 else 0xA1B23C4D
    content = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link_type)
    for time, data in zip(TIMES, FRAMES, strict=True):
        seconds, fraction = divmod(Decimal(str(time)), 1)
        content += struct.pack(order + "IIII", int(seconds), int(fraction * ticks), len(data), len(data)) + data
    return content


def block(order: str, kind: int, body: bytes) -> bytes:
    body += b"\0" * (-len(body) % 4)
    length = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + length + body + length


def section(order: str = "<") -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(order: str = "<", link_type: int = 1, snaplen: int = 0, options: bytes = b"") -> bytes:
    return block(order, 1, struct.pack(order + "HHI", link_type, 0, snaplen) + options)


def packet(data: bytes, ticks: int, order: str = "<", number: int = 0) -> bytes:
    head = struct.pack(order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data))
    return block(order, 6, head + data + b"\0" * (-len(data) % 4))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("ticks", [1_000_000, 1_000_000_000])
def test_pcap_of_either_byte_order_and_resolution(order: str, ticks: int) -> None:
    frames = read(pcap(order, ticks))
    assert [(frame.number, frame.link_type, frame.data) for frame in frames] == [
        (number, 1, data) for number, data in enumerate(FRAMES, start=1)
    ]
    assert [frame.time for frame in frames] == pytest.approx(TIMES, abs=1e-6)


def test_link_type_is_the_lower_half_of_its_field() -> None:
    """The upper bits say how long the frame check sequence is."""
    assert {frame.link_type for frame in read(pcap(link_type=0x9400_0071))} == {113}


@pytest.mark.parametrize("writer", [PcapWriter, PcapNgWriter])
def test_what_scapy_writes_reads_the_same(tmp_path: Path, writer: Callable[[str], PcapWriter]) -> None:
    path = tmp_path / "frames"
    with writer(str(path)) as file:
        for time, data in zip(TIMES, FRAMES, strict=True):
            frame = Ether(data)
            frame.time = time
            file.write(frame)
    frames = read(path.read_bytes())
    assert [frame.data for frame in frames] == FRAMES
    assert [frame.time for frame in frames] == pytest.approx(TIMES, abs=2e-6)


def by_scapy(reader: Callable[[Any], Iterable[tuple[bytes, object]]], content: bytes) -> Iterable[tuple[bytes, object]]:
    return reader(io.BytesIO(content))


@given(st.lists(st.binary(max_size=300), max_size=8), st.sampled_from("<>"))
def test_scapy_reads_the_same_frames(frames: list[bytes], order: str) -> None:
    content = struct.pack(order + "IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for data in frames:
        content += struct.pack(order + "IIII", 7, 8, len(data), len(data)) + data
    assert [frame.data for frame in read(content)] == [data for data, _ in by_scapy(RawPcapReader, content)]


@given(st.lists(st.binary(max_size=300), max_size=8), st.sampled_from("<>"))
def test_scapy_reads_the_same_frames_of_pcapng(frames: list[bytes], order: str) -> None:
    content = section(order) + interface(order) + b"".join(packet(data, 7, order) for data in frames)
    assert [frame.data for frame in read(content)] == [data for data, _ in by_scapy(RawPcapNgReader, content)]


def test_gzip_is_read_as_it_is() -> None:
    assert read(gzip.compress(pcap())) == read(pcap())


def test_pcapng_counts_time_in_the_ticks_of_its_interface() -> None:
    nanoseconds = struct.pack("<HHBxxx", 9, 1, 9)
    binary = struct.pack("<HHBxxx", 9, 1, 0x80 | 10)
    later = struct.pack("<HHq", 14, 8, 1000)
    content = section() + interface() + interface(options=nanoseconds) + interface(options=binary + later)
    content += packet(b"a", 1_500_000) + packet(b"b", 1_500_000_000, number=1) + packet(b"c", 1536, number=2)
    assert [frame.time for frame in read(content)] == [1.5, 1.5, 1001.5]


def test_pcapng_numbers_interfaces_anew_in_each_section() -> None:
    content = section() + interface(link_type=1) + packet(b"a", 0)
    content += section(">") + interface(">", link_type=113) + packet(b"b", 0, ">")
    assert [(frame.number, frame.link_type, frame.data) for frame in read(content)] == [(1, 1, b"a"), (2, 113, b"b")]


def test_pcapng_blocks_of_other_kinds_are_stepped_over() -> None:
    names = block("<", 4, b"\0" * 8)
    assert [frame.data for frame in read(section() + names + interface() + names + packet(b"a", 0) + names)] == [b"a"]


def test_pcapng_simple_and_old_packets() -> None:
    simple = block("<", 3, struct.pack("<I", 9) + b"abcdefghi")
    old = block("<", 2, struct.pack("<HHIIII", 0, 0, 0, 2_000_000, 3, 3) + b"old")
    frames = read(section() + interface(snaplen=4) + simple + old)
    assert [(frame.time, frame.data) for frame in frames] == [(None, b"abcd"), (2.0, b"old")]


def boundaries(content: bytes) -> dict[int, int]:
    """Where a capture may end in order, and how many frames are there until then."""
    if content.startswith(b"\x0a\x0d"):
        ends, place, frames = {0: -1}, 0, 0
        while place < len(content):
            kind, length = struct.unpack_from("<II", content, place)
            place, frames = place + length, frames + (kind == 6)
            ends[place] = frames
        return ends
    ends, place = {0: -1, 24: 0}, 24
    for number, data in enumerate(FRAMES, start=1):
        place += 16 + len(data)
        ends[place] = number
    return ends


PCAPNG = section() + interface() + b"".join(packet(data, 7) for data in FRAMES)


@pytest.mark.parametrize("content", [pcap(), PCAPNG], ids=["pcap", "pcapng"])
def test_a_cut_at_any_byte_is_told_and_loses_no_whole_frame(content: bytes) -> None:
    ends = boundaries(content)
    for size in range(len(content) + 1):
        frames, damage = read_until_damage(content[:size])
        whole = max(0, *(count for end, count in ends.items() if end <= size))
        assert len(frames) == whole
        assert bool(damage) is (ends.get(size, -1) < 0)
    assert read(content) == read_until_damage(content)[0]


@given(st.integers(0, len(PCAPNG) - 1), st.integers(1, 255), st.sampled_from([pcap(), PCAPNG]))
def test_a_changed_byte_gives_frames_or_a_capture_error(place: int, change: int, content: bytes) -> None:
    damaged = bytearray(content)
    damaged[place % len(content)] ^= change
    read_until_damage(bytes(damaged))


@given(st.sampled_from([b"", pcap()[:4], pcap()[:24], section(), section() + interface()]), st.binary(max_size=200))
def test_arbitrary_bytes_give_frames_or_a_capture_error(start: bytes, rest: bytes) -> None:
    read_until_damage(start + rest)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "capture a.pcap is empty"),
        (b"\xd4\xc3", "damaged before its first frame: it was cut short, 2 of 4 bytes are missing"),
        (b"#!/bin/sh\n", "a.pcap is no capture: it starts with 23212f62"),
        (pcap()[:-1], "damaged after frame 2: it was cut short, 1 of 1514 bytes are missing"),
        (pcap() + struct.pack("<IIII", 0, 0, 1 << 20, 1 << 20), "damaged after frame 3: it was cut short, "),
        (pcap() + struct.pack("<IIII", 0, 0, 1 << 20, 1 << 20) + bytes(1 << 20), "the next frame claims 1048576 bytes"),
        (section() + packet(b"a", 0), "a frame names interface 0 of 0"),
        (
            section()[:8] + b"\0\0\0\0" + section()[12:],
            "damaged before its first frame: its first section has no right header",
        ),
        (section() + struct.pack("<II", 1, 13), "it was cut short, 1 of 1 bytes are missing"),
        (section() + struct.pack("<II", 1, 1 << 31), "the next block claims 2147483648 bytes"),
        (section() + struct.pack("<II", 1, 3), "too short for its kind"),
        (section() + interface()[:-4] + b"\0\0\0\0", "two lengths differ"),
        (section() + block("<", 6, b"\0" * 8), "too short for its kind"),
        (section() + interface() + block("<", 6, struct.pack("<IIIII", 0, 0, 0, 99, 99)), "claims 99 bytes in a block"),
        (gzip.compress(pcap(), mtime=0)[:-20], "damaged"),
        (gzip.compress(pcap(), mtime=0)[:30] + b"\xff" * 30, "damaged"),
        (b"\x1f\x8bnothing", "damaged before its first frame"),
    ],
)
def test_what_is_wrong_is_said(content: bytes, message: str) -> None:
    assert message in read_until_damage(content)[1]
