"""The building blocks are what they claim: machines that lose power, cable or motion, and leave nothing behind."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.utils import rdpcap

from sidecar.lab.space import SpaceError
from sidecar.lab.topology import Network
from tests.lab.conftest import Person, commands_with, marked, send, wait_until

PING = ["ping", "-c1", "-W1"]
TALKER = (
    "import socket, time\n"
    "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
    "while True: s.sendto(b'still here', ('10.77.0.2', 9)); time.sleep(0.001)\n"
)


def test_two_nodes_reach_each_other_by_both_families_at_once(network: Network) -> None:
    one, two = network.add_node("one", 1), network.add_node("two", 2)
    assert one.run([*PING, two.ipv4]).returncode == 0
    assert one.run([*PING, str(two.ipv6)]).returncode == 0
    assert one.run([*PING, f"{two.link_local}%eth0"]).returncode == 0
    assert {one.ipv4, one.ipv6, one.link_local} <= one.addresses()


def test_a_node_has_its_own_name_run_folder_processes_and_interfaces(network: Network) -> None:
    one, two = network.add_node("one", 1), network.add_node("two", 2)
    one.write("/run/carp/secret", "of one", 0o600)
    assert one.run(["sh", "-c", "hostname; cat /run/carp/secret; ls /sys/class/net"]).stdout == "one\nof oneeth0\nlo\n"
    assert two.run(["ls", "/run/carp"]).returncode != 0
    assert "space_init" in two.run(["cat", "/proc/1/cmdline"]).stdout
    assert one.path("/run/carp/secret").stat().st_mode & 0o777 == 0o600


def test_a_unix_socket_of_a_node_is_reached_by_its_path(network: Network) -> None:
    one = network.add_node("one", 1)
    serve = (
        "import socket\ns = socket.socket(socket.AF_UNIX)\ns.bind('/run/control.sock')\ns.listen()\n"
        "s.accept()[0].sendall(b'hello')"
    )
    one.spawn([sys.executable, "-c", serve])
    wait_until(one.path("/run/control.sock").exists)
    with socket.socket(socket.AF_UNIX) as client:
        wait_until(lambda: client.connect_ex(str(one.path("/run/control.sock"))) == 0)
        assert client.recv(100) == b"hello"


def test_run_gives_output_errors_and_code_and_ends_what_takes_too_long(network: Network) -> None:
    one = network.add_node("one", 1)
    done = one.run(["sh", "-c", "cat; echo bad >&2; exit 3"], stdin="given")
    assert (done.stdout, done.stderr, done.returncode) == ("given", "bad\n", 3)
    with pytest.raises(subprocess.TimeoutExpired):
        one.run(["sleep", "60"], timeout=0.1)
    wait_until(lambda: "sleep" not in one.run(["ps", "ax"]).stdout)


def test_a_process_is_signalled_waited_for_and_known_by_its_number_here(network: Network, tmp_path: Path) -> None:
    one = network.add_node("one", 1)
    process = one.spawn(["sh", "-c", "echo logged; exec sleep 60"], log=tmp_path / "log")
    wait_until(lambda: Path(f"/proc/{process.pid}/cmdline").read_text() == "sleep\0" + "60\0")
    assert process.poll() is None
    assert process.stop() == -15
    assert (tmp_path / "log").read_text() == "logged\n"


def test_a_command_that_is_not_there_is_an_error(network: Network) -> None:
    with pytest.raises(SpaceError, match="no-such-command"):
        network.add_node("one", 1).spawn(["no-such-command"])


def test_without_power_not_one_frame_leaves_and_every_process_is_gone(network: Network) -> None:
    one = network.add_node("one", 1)
    network.add_node("two", 2)
    talker = one.spawn([sys.executable, "-c", TALKER])
    with network.capture(expression="udp port 9") as seen:
        wait_until(lambda: len(seen.frames) > 20)
        one.power_off()
        off = time.time_ns()
        time.sleep(0.2)
        late = [frame for frame in seen.frames if frame.time_ns > off]
    assert late == []
    assert talker.poll() == -9
    assert not Path(f"/proc/{talker.pid}").exists()
    assert network.mac_table().keys() & {one.mac} == set()


def test_a_booted_node_starts_with_a_fresh_kernel_state_and_its_old_address(network: Network) -> None:
    one, two = network.add_node("one", 1), network.add_node("two", 2)
    one.ip("addr add 10.77.0.100/32 dev eth0", "link add extra0 type veth")
    one.write("/run/left", "over")
    one.power_off()
    one.boot()
    assert "10.77.0.100" not in one.addresses()
    assert one.run(["ls", "/run/left", "/sys/class/net/extra0"]).returncode != 0
    assert two.run([*PING, one.ipv4]).returncode == 0


def test_a_pulled_cable_is_lost_carrier_and_silence_until_it_is_back(network: Network) -> None:
    one, two = network.add_node("one", 1), network.add_node("two", 2)
    one.link(up=False)
    wait_until(lambda: "NO-CARRIER" in one.run(["ip", "link", "show", "eth0"]).stdout)
    assert two.run([*PING, one.ipv4]).returncode != 0
    one.link(up=True)
    wait_until(lambda: two.run([*PING, one.ipv4]).returncode == 0)


def test_a_frozen_node_does_nothing_but_its_kernel_answers(network: Network) -> None:
    one, two = network.add_node("one", 1), network.add_node("two", 2)
    one.spawn([sys.executable, "-c", TALKER])
    with network.capture(expression="udp port 9") as seen:
        wait_until(lambda: len(seen.frames) > 20)
        one.freeze()
        time.sleep(0.1)
        count = len(seen.frames)
        time.sleep(0.2)
        assert len(seen.frames) == count
        assert two.run([*PING, one.ipv4]).returncode == 0
        one.thaw()
        wait_until(lambda: len(seen.frames) > count)


def test_a_capture_of_a_node_holds_only_what_it_emits_and_the_file_is_a_pcap(network: Network, tmp_path: Path) -> None:
    one, two = network.add_node("one", 1), network.add_node("two", 2)
    file = tmp_path / "one.pcap"
    with network.capture(file, "icmp", node=one) as seen, network.capture(expression="icmp") as everything:
        assert two.run([*PING, one.ipv4]).returncode == 0
        wait_until(lambda: len(everything.frames) == 2 and seen.frames)
    assert [frame.source_mac for frame in seen.frames] == [one.mac]
    assert {frame.source_mac for frame in everything.frames} == {one.mac, two.mac}
    (packet,) = rdpcap(str(file))  # a reader of somebody else's
    assert (packet[IP].src, packet[IP].dst, packet[ICMP].type) == (one.ipv4, two.ipv4, 0)
    assert packet.time == pytest.approx(seen.frames[0].time_ns / 1e9)


def test_the_switch_learns_which_port_a_mac_is_behind(network: Network) -> None:
    one, two = network.add_node("one", 1), network.add_node("two", 2)
    one.run([*PING, two.ipv4])
    assert network.mac_table().items() >= {(one.mac, "one"), (two.mac, "two")}


def test_a_closed_network_leaves_no_process(network: Network) -> None:
    process = network.add_node("one", 1).spawn(["sleep", "300"])
    network.close()
    assert not Path(f"/proc/{process.pid}").exists()
    network.close()


def test_a_killed_owner_of_a_network_leaves_no_process(me: Person) -> None:
    program = (
        "import time\nfrom sidecar.lab.topology import Network\nnetwork = Network()\n"
        "network.add_node('one', 1).spawn(['sleep', '300'])\nprint('up', flush=True)\ntime.sleep(300)"
    )
    command = [*me.command("sidecar.lab.sandbox", "--", me.python, "-c", program)]
    with subprocess.Popen(command, env=me.env(), stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"up\n"
        assert len(marked(me.mark)) > 6
        send([max(commands_with(me.mark, "time.sleep(300)"))], 9)
        wait_until(lambda: not marked(me.mark))


def test_a_switched_off_node_says_so(network: Network) -> None:
    one = network.add_node("one", 1, boot=False)
    with pytest.raises(SpaceError, match="one is switched off"):
        one.run(["true"])
