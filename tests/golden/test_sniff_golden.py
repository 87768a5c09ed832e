"""All that is recorded of CARP goes through the real `sniff --pcap FILE --json`: right verifies, wrong is named.

Captures are written by scapy, which is not the product's code; it also counts the frames a second time.
"""

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw
from scapy.utils import checksum as scapy_checksum
from scapy.utils import rdpcap, wrpcap

DATA = Path(__file__).parent / "data"
VECTORS: dict[str, Any] = json.loads((DATA / "carp-vectors.json").read_text())
BSD_FRAMES: list[dict[str, Any]] = json.loads((DATA / "bsd-frames.json").read_text())
BASE = VECTORS["vectors"][0]
KEYS = [
    "frame", "time", "source", "destination", "source_mac", "destination_mac", "family", "ttl", "protocol", "vhid",
    "advbase", "advskew", "demote", "counter", "bow_out", "checksum", "digest", "speaker", "drop",
]  # fmt: skip

Record = dict[str, Any]


class Lab(NamedTuple):
    """A folder to write captures and keys into, and the command."""

    folder: Path

    def capture(self, frames: Iterable[bytes | Packet]) -> Path:
        path = self.folder / "frames.pcap"
        wrpcap(str(path), [frame if isinstance(frame, Packet) else Ether(frame) for frame in frames])
        return path

    def sniff(self, pcap: Path, key: bytes | None, addresses: Iterable[str], *more: str) -> list[Record]:
        command = [sys.executable, "-m", "sidecar", "sniff", "--pcap", str(pcap), "--json", *more]
        if key is not None:
            passphrases = self.folder / "passphrases"
            passphrases.write_bytes(key + b"\n")
            command += ["--passphrase-file", str(passphrases)]
        if listed := ",".join(addresses):
            command += ["--addresses", listed]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        records = [json.loads(line) for line in done.stdout.splitlines()]
        assert all(list(record) == KEYS for record in records)
        return records


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def key_of(vector: dict[str, Any]) -> bytes:
    return bytes.fromhex(vector["key_hex"]).rstrip(b"\0")


def over_ipv6(carp: bytes, source: str = "fe80::1") -> Packet:
    return (
        Ether(src="00:00:5e:00:01:01", dst="33:33:00:00:00:12")
        / IPv6(src=source, dst="ff02::12", nh=112, hlim=255)
        / Raw(carp)
    )


def over_ipv4(carp: bytes, ttl: int = 255) -> Packet:
    return (
        Ether(src="00:00:5e:00:01:01", dst="01:00:5e:00:00:12")
        / IP(src="10.9.0.1", dst="224.0.0.18", proto=112, ttl=ttl)
        / Raw(carp)
    )


def with_checksum(carp: bytes) -> bytes:
    zeroed = carp[:6] + b"\0\0" + carp[8:]
    return zeroed[:6] + scapy_checksum(zeroed).to_bytes(2, "big") + zeroed[8:]


def frames_of(vector: dict[str, Any]) -> list[bytes | Packet]:
    """The frames that the vector comes with; in both families where it has none in one that its addresses need."""
    frames: list[bytes | Packet] = [
        bytes.fromhex(vector[key]) for key in ("eth_frame_hex", "eth6_frame_hex") if key in vector
    ]
    carp = bytes.fromhex(vector["carp_hex"])
    if vector["v4"] and "eth_frame_hex" not in vector:
        frames.append(over_ipv4(carp))
    if vector["v6"] and "eth6_frame_hex" not in vector:
        frames.append(over_ipv6(carp))
    return frames


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["name"])
def test_every_golden_vector_verifies(lab: Lab, vector: dict[str, Any]) -> None:
    records = lab.sniff(lab.capture(frames_of(vector)), key_of(vector), [*vector["v4"], *vector["v6"]])
    assert len(records) == bool(vector["v4"]) + bool(vector["v6"])
    for record in records:
        assert (record["digest"], record["checksum"], record["drop"]) == ("ok", "ok", None)
        assert (record["protocol"], record["speaker"], record["ttl"]) == ("carp", "bsd", 255)
        assert {key: record[key] for key in ("vhid", "advbase", "advskew", "demote")} == {
            key: vector[key] for key in ("vhid", "advbase", "advskew", "demote")
        }
        assert record["counter"] == vector["counter_hex"]
        assert record["bow_out"] is (vector["name"] == "v4-goodbye-255-255")


@pytest.mark.parametrize(
    "vector", [one for one in VECTORS["vectors"] if "carp_cksum_netbsd_v6_pseudo" in one], ids=lambda one: one["name"]
)
def test_netbsds_checksum_over_ipv6_is_named_and_verifies(lab: Lab, vector: dict[str, Any]) -> None:
    carp = bytes.fromhex(vector["carp_hex"])
    carp = carp[:6] + bytes.fromhex(vector["carp_cksum_netbsd_v6_pseudo"]) + carp[8:]
    (record,) = lab.sniff(
        lab.capture([over_ipv6(carp, vector["src6"])]), key_of(vector), [*vector["v4"], *vector["v6"]]
    )
    assert (record["checksum"], record["digest"], record["drop"]) == ("ok-pseudo-header", "ok", None)


@pytest.mark.parametrize("negative", VECTORS["negatives"], ids=lambda negative: negative["name"])
def test_every_negative_vector_is_refused(lab: Lab, negative: dict[str, Any]) -> None:
    carp = bytes.fromhex(BASE["carp_hex"])[:16] + bytes.fromhex(negative["md"])
    (record,) = lab.sniff(lab.capture([over_ipv4(with_checksum(carp))]), key_of(BASE), BASE["v4"])
    assert (record["checksum"], record["digest"], record["drop"]) == ("ok", "bad", "badauth")


@pytest.mark.parametrize(
    "frame", BSD_FRAMES, ids=lambda one: f"{one['pcap']}-{one['vhid']}-{one['af']}-{one['counter']}"
)
def test_every_frame_of_a_bsd_kernel_verifies(lab: Lab, frame: dict[str, Any]) -> None:
    (record,) = lab.sniff(lab.capture([bytes.fromhex(frame["frame"])]), frame["key"].encode(), frame["addrs"])
    assert (record["digest"], record["checksum"], record["drop"]) == ("ok", "ok", None)
    assert {key: record[key] for key in ("vhid", "advbase", "advskew", "demote", "counter")} == {
        key: frame[key] for key in ("vhid", "advbase", "advskew", "demote", "counter")
    }
    assert (record["family"], record["speaker"]) == (frame["af"], "bsd")
    assert record["bow_out"] is (frame["advbase"] == 255)


class Speaker(NamedTuple):
    """A virtual host in a capture: how it can be verified."""

    pcap: str
    vhid: int
    key: str
    addresses: str
    speaker: str


SPEAKERS = [
    Speaker("n01_single", 1, "secret", "10.9.9.100", "bsd"),
    Speaker("f01_single", 21, "secret", "10.9.9.200", "bsd"),
    Speaker("f03_v6", 24, "six", "fd99::130,fd99::131", "bsd"),
    Speaker("f03_v6", 25, "dual", "10.9.9.220,fd99::140,fe80::5:1", "bsd"),
    Speaker("o01_single", 41, "secret", "10.9.9.50", "bsd"),
    Speaker("o03_v6", 44, "six", "fd99::150,fd99::151", "bsd"),
    Speaker("o03_v6", 45, "dual", "10.9.9.70,fd99::160", "bsd"),
    Speaker("o04_demote", 46, "dem", "10.9.9.80", "bsd"),
    Speaker("ucarp-v4-basic", 1, "secret", "10.9.0.100", "ucarp"),
    Speaker("ucarp-v4-vhid255-pw19-b2k100", 255, "abcdefghijklmnopqrs", "10.9.0.222", "ucarp"),
    Speaker("ucarp-preempt", 1, "secret", "10.9.0.100", "ucarp"),
    Speaker("ucarp-sigterm-no-goodbye", 1, "secret", "10.9.0.100", "ucarp"),
]


def adverts_by_scapy(pcap: Path) -> list[int]:
    """Numbers, from 1, of the frames of protocol 112."""
    return [
        number
        for number, packet in enumerate(rdpcap(str(pcap)), start=1)
        if (IP in packet and packet[IP].proto == 112) or (IPv6 in packet and packet[IPv6].nh == 112)
    ]


@pytest.mark.parametrize("one", SPEAKERS, ids=lambda one: f"{one.pcap}-{one.vhid}")
def test_every_capture_of_a_real_speaker_verifies(lab: Lab, one: Speaker) -> None:
    pcap = DATA / "pcaps" / f"{one.pcap}.pcap"
    records = lab.sniff(pcap, one.key.encode(), one.addresses.split(","), "--vhid", str(one.vhid))
    assert [record["frame"] for record in records] == adverts_by_scapy(pcap)
    ours = [record for record in records if record["vhid"] == one.vhid]
    others = [record for record in records if record["vhid"] != one.vhid]
    assert ours
    assert {(one["digest"], one["checksum"], one["drop"]) for one in ours} == {("ok", "ok", None)}
    assert {(one["digest"], one["drop"]) for one in others} <= {("bad", "badvhid")}
    assert {record["speaker"] for record in records} == {one.speaker}


def test_each_frame_of_a_changing_host_verifies_with_one_list_of_addresses(lab: Lab) -> None:
    pcap = DATA / "pcaps" / "n02_multi.pcap"
    lists = ["103 101 8.250 102", "103 8.250 102", "103 8.250 102 99"]
    verified = []
    for listed in lists:
        addresses = [f"10.9.{end}" if "." in end else f"10.9.9.{end}" for end in listed.split()]
        records = lab.sniff(pcap, b"netbsd-multi", addresses)
        assert {(one["digest"], one["drop"]) for one in records} == {("ok", None), ("bad", "badauth")}
        verified.append({record["frame"] for record in records if record["digest"] == "ok"})
    assert sorted(frame for frames in verified for frame in frames) == adverts_by_scapy(pcap)


def test_openbsds_demotion_is_read_from_its_byte(lab: Lab) -> None:
    records = lab.sniff(DATA / "pcaps" / "o04_demote.pcap", b"dem", ["10.9.9.80"])
    demotions = [record["demote"] for record in records]
    assert [now for before, now in zip([None, *demotions], demotions, strict=False) if now != before] == [
        0,
        1,
        201,
        0,
        1,
        0,
    ]


def test_bow_outs_of_the_bsds_are_marked(lab: Lab) -> None:
    records = lab.sniff(DATA / "pcaps" / "o03_v6.pcap", b"dual", ["10.9.9.70", "fd99::160"], "--vhid", "45")
    assert [record["family"] for record in records if record["bow_out"]] == [4, 6]


def test_a_ttl_of_254_is_named(lab: Lab) -> None:
    frame = over_ipv4(bytes.fromhex(BASE["carp_hex"]), ttl=254)
    (record,) = lab.sniff(lab.capture([frame]), key_of(BASE), BASE["v4"])
    assert (record["ttl"], record["digest"], record["drop"]) == (254, "ok", "badttl")


def test_a_wrong_checksum_is_named(lab: Lab) -> None:
    carp = bytearray.fromhex(BASE["carp_hex"])
    carp[7] ^= 1
    (record,) = lab.sniff(lab.capture([over_ipv4(bytes(carp))]), key_of(BASE), BASE["v4"])
    assert (record["checksum"], record["digest"], record["drop"]) == ("bad", "ok", "badsum")


@pytest.mark.parametrize("length", [0, 1, 8, 20, 35])
def test_a_short_advertisement_is_named(lab: Lab, length: int) -> None:
    (record,) = lab.sniff(lab.capture([over_ipv4(bytes.fromhex(BASE["carp_hex"])[:length])]), key_of(BASE), BASE["v4"])
    assert (record["protocol"], record["digest"], record["drop"]) == ("malformed", "unknown", "badlen")


def test_an_unknown_version_is_named(lab: Lab) -> None:
    carp = with_checksum(b"\x41" + bytes.fromhex(BASE["carp_hex"])[1:])
    (record,) = lab.sniff(lab.capture([over_ipv4(carp)]), key_of(BASE), BASE["v4"])
    assert (record["protocol"], record["drop"]) == ("malformed", "badver")


def test_without_key_or_addresses_nothing_is_called_bad(lab: Lab) -> None:
    pcap = lab.capture([over_ipv4(bytes.fromhex(BASE["carp_hex"]))])
    for key, addresses in ((None, ()), (b"secret", ()), (None, BASE["v4"])):
        (record,) = lab.sniff(pcap, key, addresses)
        assert (record["digest"], record["checksum"], record["drop"]) == ("unknown", "ok", None)


KEEPALIVED = {1: "badlen", 2: "badlen", 3: "badlen", 4: "badlen", 5: "badsum", 6: "badauth", 7: "badauth", 8: "badsum"}
"""VRIDs in the capture: VRRPv2 with 2 addresses, with a password, in AH; VRRPv3 over IPv4 and IPv6; VRRPv2 as long as
CARP but with 5 addresses, and with 7; VRRPv3 as long as CARP. With the reason for which `run` would drop each."""


@pytest.mark.parametrize("key", [None, b"secret"])
def test_a_real_vrrp_router_is_told_from_carp(lab: Lab, key: bytes | None) -> None:
    records = lab.sniff(DATA / "vrrp-keepalived.pcap", key, ["10.9.0.100", "fd99::1"])
    assert len(records) == 24
    assert {record["protocol"] for record in records} == {"vrrp"}
    assert {record["speaker"] for record in records} == {"unknown"}
    assert {record["digest"] for record in records} == {"unknown"}
    assert {record["checksum"] for record in records} == {"ok", "ok-pseudo-header"}
    assert {record["vhid"]: record["drop"] for record in records} == KEEPALIVED
    assert sorted(record["vhid"] for record in records if record["bow_out"]) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_carp_and_vrrp_of_the_same_number_are_a_clash(lab: Lab) -> None:
    pcap = lab.capture([*rdpcap(str(DATA / "vrrp-keepalived.pcap")), *rdpcap(str(DATA / "pcaps" / "n01_single.pcap"))])
    command = [sys.executable, "-m", "sidecar", "sniff", "--pcap", str(pcap)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    (clash,) = [line for line in done.stdout.splitlines() if line.startswith("CLASH")]
    assert "VRRP id 1 (10.77.0.1) and CARP vhid 1 (10.9.9.1)" in clash
    assert "00:00:5e:00:01:01" in clash
