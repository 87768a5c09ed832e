"""The command as it is run: streams, ends and exit codes."""

import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.carp.auth import Authenticator, Key
from sidecar.carp.packet import Advertisement, encode
from sidecar.sniff.live import read_ancillary
from sidecar.sniff.options import read_addresses

SNIFF = [sys.executable, "-m", "sidecar", "sniff"]
DIGEST = Authenticator(7, read_addresses("10.9.0.100"), [Key(b"secret")], sign_link_local=True).sign(5)
PAYLOAD = encode(Advertisement(7, 1, 0, 0, 5, DIGEST))
FRAME = bytes.fromhex("01005e00001200005e00010708004510003800004000ff7091290a090001e0000012") + PAYLOAD
ARP = bytes.fromhex("ffffffffffff0200000000010806") + bytes(28)


def header(link_type: int = 1) -> bytes:
    return struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link_type)


def record(data: bytes = FRAME) -> bytes:
    return struct.pack("<IIII", 1_700_000_000, 0, len(data), len(data)) + data


def sniff(*arguments: str | Path, given: bytes = b"") -> "subprocess.CompletedProcess[str]":
    done = subprocess.run([*SNIFF, *map(str, arguments)], input=given, capture_output=True, timeout=60, check=False)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def pcap(tmp_path: Path) -> Path:
    path = tmp_path / "a.pcap"
    path.write_bytes(header() + record(ARP) + record() + record(ARP) + record() + record())
    return path


@contextlib.contextmanager
def following(*arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """`sniff --pcap -` fed by us."""
    command, pipe = [*SNIFF, "--pcap", "-", *arguments], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        try:
            yield process
        finally:
            process.kill()


def feed(process: "subprocess.Popen[bytes]", data: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(data)
    process.stdin.flush()


def line_of(process: "subprocess.Popen[bytes]") -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


def test_frames_are_numbered_as_the_capture_counts_them(pcap: Path) -> None:
    done = sniff("--pcap", pcap, "--json")
    assert [json.loads(one)["frame"] for one in done.stdout.splitlines()] == [2, 4, 5]
    assert (done.returncode, done.stderr) == (0, "")


def test_count_stops_after_so_many_advertisements(pcap: Path) -> None:
    done = sniff("--pcap", pcap, "--json", "--count", "2")
    assert [json.loads(one)["frame"] for one in done.stdout.splitlines()] == [2, 4]


def test_text_ends_with_a_summary(pcap: Path) -> None:
    lines = sniff("--pcap", pcap).stdout.splitlines()
    assert lines[0].startswith("     2 22:13:20.000000  10.9.0.1 > 224.0.0.18  CARP vhid 7")
    assert lines[3:5] == ["", "3 frames in 0.0 s from 2023-11-14 22:13:20 UTC: 3 CARP"]


@pytest.mark.parametrize("form", ["--json", "--count=9"])
def test_what_stands_before_the_damage_is_printed_and_the_exit_code_is_1(pcap: Path, form: str) -> None:
    pcap.write_bytes(pcap.read_bytes()[:-1])
    done = sniff("--pcap", pcap, form)
    assert len([one for one in done.stdout.splitlines() if "224.0.0.18" in one]) == 2
    assert ("2 frames" in done.stdout) is (form != "--json")
    assert done.returncode == 1
    assert done.stderr == (
        f"carp-sidecar: capture {pcap} is damaged after frame 4: it was cut short, 1 of 70 bytes are missing\n"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), (b"#!/bin/sh\n", "is no capture"), (None, "cannot be read: No such file or directory")],
)
def test_what_is_no_capture_is_one_line_and_exit_code_1(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "a.pcap"
    if content is not None:
        path.write_bytes(content)
    done = sniff("--pcap", path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert message in done.stderr


def test_a_wrong_setting_is_exit_code_78(pcap: Path) -> None:
    done = sniff("--pcap", pcap, "--vhid", "300")
    assert done.returncode == 78
    assert done.stderr.startswith("carp-sidecar: --vhid=300: must be a whole number from 1 to 255;")


def test_wrong_usage_is_exit_code_2() -> None:
    assert sniff("--json").returncode == 2


def test_a_capture_of_another_medium_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "wifi.pcap"
    path.write_bytes(header(127) + record() + record())
    done = sniff("--pcap", path)
    assert done.returncode == 1
    assert "2 of link type 127" in done.stderr


def test_lines_come_as_the_frames_come() -> None:
    with following("--json") as process:
        feed(process, header() + record())
        assert json.loads(line_of(process))["frame"] == 1
        feed(process, record(ARP) + record())
        assert json.loads(line_of(process))["frame"] == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_the_summary(number: signal.Signals) -> None:
    with following() as process:
        feed(process, header() + record())
        line_of(process)
        process.send_signal(number)
        rest, errors = process.communicate(timeout=30)
        assert (process.returncode, errors) == (0, b"")
        assert b"1 frame in 0.0 s" in rest


def test_seconds_end_it_though_nothing_comes() -> None:
    with following("--seconds", "0.5", "--json") as process:
        feed(process, header() + record())
        line_of(process)
        assert process.stdin is not None
        assert process.wait(timeout=30) == 0


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "long.pcap"
    path.write_bytes(header() + record() * 20_000)
    for form in ([], ["--json"]):
        with subprocess.Popen(
            [*SNIFF, "--pcap", str(path), *form], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.readline()
            process.stdout.close()
            assert process.stderr.read() == b""
            assert process.wait(timeout=60) == 0


def test_time_and_tag_come_beside_the_frame() -> None:
    """As packet(7) lays them out: SO_TIMESTAMPNS, then PACKET_AUXDATA with TP_STATUS_VLAN_VALID and _TPID_VALID."""
    time = (1, 35, struct.pack("@ll", 1_700_000_000, 500_000_000))
    tagged = (263, 8, struct.pack("@IIIHHHH", 0x51, 70, 70, 0, 14, 0xE007, 0x88A8))
    untyped = (263, 8, struct.pack("@IIIHHHH", 0x11, 70, 70, 0, 14, 7, 0))
    plain = (263, 8, struct.pack("@IIIHHHH", 0x01, 70, 70, 0, 14, 0, 0))
    assert read_ancillary([time, tagged]) == (1_700_000_000.5, bytes.fromhex("88a8e007"))
    assert read_ancillary([untyped]) == (None, bytes.fromhex("81000007"))
    assert read_ancillary([plain, time]) == (1_700_000_000.5, b"")


def test_output_is_not_lost_when_it_is_a_file(pcap: Path, tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        subprocess.run([*SNIFF, "--pcap", str(pcap)], stdout=out, check=True, timeout=60)
    assert "3 frames" in (tmp_path / "out").read_text()
    assert os.stat(tmp_path / "out").st_size
