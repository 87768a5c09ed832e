"""`sniff --interface` beside real speakers: a real ucarp, and frames put on a real wire."""

import json
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.lab.space import Process, may_unshare
from sidecar.lab.topology import Network, Node

pytestmark = pytest.mark.netns

SNIFF = [sys.executable, "-m", "sidecar", "sniff"]
CHECKOUT = Path(__file__).resolve().parents[2]
VECTORS = json.loads((CHECKOUT / "tests/golden/data/carp-vectors.json").read_text())["vectors"]
DUAL = next(vector for vector in VECTORS if vector["name"] == "mixed-v4-v6")
PATIENCE = 30.0
ETH_P_ALL = 3

Record = dict[str, Any]


@pytest.fixture
def network() -> Iterator[Network]:
    if not may_unshare():
        pytest.skip("needs root or `python -m sidecar.lab.sandbox`: make test gives it")
    with Network() as network:
        yield network


class Sniffer:
    """A `sniff` that runs in a node; ``out`` is what it printed until now."""

    def __init__(self, node: Node, folder: Path, *arguments: str) -> None:
        self._out, self._err = folder / "out", folder / "err"
        self._node = node
        command = [*SNIFF, "--interface", "eth0", *arguments]
        with self._out.open("wb") as out, self._err.open("wb") as err:
            space = node.space
            assert space is not None
            self.process: Process = space.spawn(command, log=out, stderr=err.fileno(), cwd=str(CHECKOUT))
        self.wait_for(lambda: "listening on eth0" in self.errors)

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def errors(self) -> str:
        return self._err.read_text()

    @property
    def records(self) -> list[Record]:
        return [json.loads(line) for line in self.out.splitlines()]

    def wait_for(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, self.out + self.errors
            assert self.process.poll() is None or condition(), self.out + self.errors
            time.sleep(0.02)

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


def ucarp(node: Node, vhid: int = 42) -> None:
    node.spawn([
        "ucarp", "--interface=eth0", f"--srcip={node.ipv4}", f"--vhid={vhid}", "--pass=secret", "--addr=10.77.0.100",
        "--upscript=/bin/true", "--downscript=/bin/true", "--neutral",
    ])  # fmt: skip


def verifying(node: Node, passphrase: str = "secret", addresses: str = "10.77.0.100") -> list[str]:
    file = node.write("/run/passphrases", passphrase + "\n")
    return ["--passphrase-file", file, "--addresses", addresses]


def put_on_the_wire(node: Node, *frames: bytes) -> None:
    with node.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as wire:
        wire.bind(("eth0", ETH_P_ALL))
        for frame in frames:
            wire.send(frame)


@pytest.mark.parametrize("where", ["peer", "itself"])
def test_a_real_ucarp_verifies(network: Network, tmp_path: Path, where: str) -> None:
    """Also on the machine that sends: outgoing frames are heard."""
    speaker, listener = network.add_node("speaker", 1), network.add_node("listener", 2)
    node = listener if where == "peer" else speaker
    sniffer = Sniffer(node, tmp_path, *verifying(node), "--json", "--count", "3")
    before = time.time()
    ucarp(speaker)
    assert sniffer.process.wait(PATIENCE) == 0
    assert [record["frame"] for record in sniffer.records] == [1, 2, 3]
    for record in sniffer.records:
        assert (record["protocol"], record["vhid"], record["speaker"]) == ("carp", 42, "ucarp")
        assert (record["checksum"], record["digest"], record["drop"]) == ("ok", "ok", None)
        assert (record["source"], record["source_mac"]) == ("10.77.0.1", "00:00:5e:00:00:2a")
        assert before - 1 < record["time"] < time.time() + 1


def test_a_real_ucarp_with_another_passphrase_is_named(network: Network, tmp_path: Path) -> None:
    speaker, listener = network.add_node("speaker", 1), network.add_node("listener", 2)
    sniffer = Sniffer(listener, tmp_path, *verifying(listener, "other"))
    ucarp(speaker)
    sniffer.wait_for(lambda: sniffer.out.count("DROP badauth") >= 2)
    assert sniffer.end() == 0
    assert "Wrong keys:\n  vhid 42  10.77.0.1  " in sniffer.out


def test_both_families_and_every_group_are_heard_without_joining(network: Network, tmp_path: Path) -> None:
    speaker, listener = network.add_node("speaker", 1), network.add_node("listener", 2)
    addresses = ",".join([*DUAL["v4"], *DUAL["v6"]])
    sniffer = Sniffer(listener, tmp_path, *verifying(listener, "secret", addresses), "--json", "--count", "3")
    v4, v6 = bytes.fromhex(DUAL["eth_frame_hex"]), bytes.fromhex(DUAL["eth6_frame_hex"])
    stray_mac = bytes.fromhex("01005e7e7861") + v4[6:]
    put_on_the_wire(speaker, v4, v6, stray_mac)
    assert sniffer.process.wait(PATIENCE) == 0
    assert [record["family"] for record in sniffer.records] == [4, 6, 4]
    assert {(record["digest"], record["checksum"], record["drop"]) for record in sniffer.records} == {
        ("ok", "ok", None)
    }
    assert sniffer.records[2]["destination_mac"] == "01:00:5e:7e:78:61"


def test_a_vlan_tag_is_named_though_the_kernel_took_it_out(network: Network, tmp_path: Path) -> None:
    speaker, listener = network.add_node("speaker", 1), network.add_node("listener", 2)
    frame = bytes.fromhex(DUAL["eth_frame_hex"])
    tagged = frame[:12] + struct.pack("!HH", 0x8100, 7) + frame[12:]
    twice = frame[:12] + struct.pack("!HHHH", 0x88A8, 100, 0x8100, 7) + frame[12:]
    sniffer = Sniffer(listener, tmp_path)
    put_on_the_wire(speaker, frame, tagged, twice)
    sniffer.wait_for(lambda: sniffer.out.count("CARP vhid") == 3)
    assert sniffer.end() == 0
    plain, once, doubly = sniffer.out.splitlines()[:3]
    assert "vlan" not in plain
    assert "  vlan 7  " in once
    assert "  vlan 100  vlan 7  " in doubly


def test_other_traffic_is_not_counted(network: Network, tmp_path: Path) -> None:
    speaker, listener = network.add_node("speaker", 1), network.add_node("listener", 2)
    sniffer = Sniffer(listener, tmp_path, "--json", "--count", "1")
    speaker.run(["ping", "-c", "3", "-i", "0.05", listener.ipv4], check=True)
    put_on_the_wire(speaker, bytes.fromhex(DUAL["eth6_frame_hex"]))
    assert sniffer.process.wait(PATIENCE) == 0
    assert [record["frame"] for record in sniffer.records] == [1]


def test_seconds_end_a_silent_wire(network: Network, tmp_path: Path) -> None:
    sniffer = Sniffer(network.add_node("listener", 1), tmp_path, "--seconds", "0.5")
    assert sniffer.process.wait(PATIENCE) == 0
    assert sniffer.out == "\nno frame of CARP or VRRP\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(network: Network, tmp_path: Path, number: signal.Signals) -> None:
    sniffer = Sniffer(network.add_node("listener", 1), tmp_path, "--json")
    assert sniffer.end(number) == 0
    assert sniffer.out == ""


def test_it_hears_again_after_the_interface_was_down(network: Network, tmp_path: Path) -> None:
    speaker, listener = network.add_node("speaker", 1), network.add_node("listener", 2)
    sniffer = Sniffer(listener, tmp_path, "--json", "--count", "1")
    listener.ip("link set eth0 down")
    sniffer.wait_for(lambda: "eth0 is down; waiting" in sniffer.errors)
    listener.ip("link set eth0 up")
    put_on_the_wire(speaker, bytes.fromhex(DUAL["eth_frame_hex"]))
    assert sniffer.process.wait(PATIENCE) == 0


def test_an_interface_that_goes_away_ends_it_with_the_reason(network: Network, tmp_path: Path) -> None:
    speaker, listener = network.add_node("speaker", 1), network.add_node("listener", 2)
    sniffer = Sniffer(listener, tmp_path)
    put_on_the_wire(speaker, bytes.fromhex(DUAL["eth_frame_hex"]))
    sniffer.wait_for(lambda: "CARP vhid" in sniffer.out)
    listener.ip("link del eth0")
    assert sniffer.process.wait(PATIENCE) == 1
    assert "eth0 is gone: it was deleted or renamed" in sniffer.errors
    assert "1 frame in 0.0 s" in sniffer.out


def test_without_cap_net_raw_it_says_so_in_one_line(network: Network) -> None:
    node = network.add_node("listener", 1)
    drop = ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-all"]
    done = node.run([*drop, "env", f"PYTHONPATH={CHECKOUT}", *SNIFF, "--interface", "eth0"])
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "carp-sidecar: listening on eth0 needs CAP_NET_RAW: run as root, or read a capture with --pcap\n"
    )


def test_the_interface_is_left_as_it_was(network: Network, tmp_path: Path) -> None:
    node = network.add_node("listener", 1)
    show = ["ip", "-d", "-j", "link", "show", "eth0"]
    before = json.loads(node.run(show, check=True).stdout)
    sniffer = Sniffer(node, tmp_path)
    assert json.loads(node.run(show, check=True).stdout)[0]["promiscuity"] == 1
    sniffer.process.send_signal(signal.SIGKILL)
    sniffer.process.wait(PATIENCE)
    assert json.loads(node.run(show, check=True).stdout) == before
