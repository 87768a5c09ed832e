"""What a person asks of a running daemon: status, resign, maintenance, signals, HTTP, logs; on real nodes."""

import json
import re
import shutil
import signal
import socket
import struct
import time
from pathlib import Path

import pytest

from sidecar.carp.packet import internet_checksum
from sidecar.lab.topology import Node
from tests.netns.group import COMMAND, CONTROL, HTTP_PORT, KEYS, RACE, V4, VHID, VIPS, Group, until
from tests.netns.test_restore import host
from tests.sim.replay import read, replay

STATUS = {"version", "node", "vhosts", "ntp", "kubernetes"}
VHOST = {
    "vhid", "interface", "state", "since", "reason", "advbase", "advskew", "effective_advskew", "demotion",
    "addresses", "addresses_held", "master", "peers", "counters", "transitions",
}  # fmt: skip
NTP = {"state", "stratum", "leap", "reference_age_s", "root_distance_s", "vip_answers"}
PEER = {"source", "speaker", "advbase", "advskew", "demotion", "last_heard_s", "key"}


# ------------------------------------------------------------------------------------------------------------ status


def test_status_has_the_keys_of_the_contract(pair: Group) -> None:
    first, second = pair.members
    status = second.status()
    vhost = status["vhosts"][0]
    assert status.keys() == STATUS
    assert vhost.keys() >= VHOST
    assert status["ntp"].keys() == NTP
    assert (status["node"], status["ntp"]["state"]) == ("node2", "off")
    assert (vhost["vhid"], vhost["interface"], vhost["state"]) == (VHID, "eth0", "BACKUP")
    assert vhost["demotion"] == {"total": 0, "causes": {}}
    assert vhost["master"] == {"source": first.node.ipv4, "advbase": 1, "advskew": 0}
    assert vhost["peers"][0].keys() >= PEER
    assert vhost["counters"].keys() == {"sent", "received", "dropped"}
    assert vhost["transitions"][0].keys() == {"at", "from", "to", "reason"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", vhost["transitions"][0]["at"])


def test_status_says_on_a_backup_who_is_master_and_on_the_master_that_it_is_alone(pair: Group) -> None:
    first, second = pair.members
    assert "ok: this node is the only master heard" in first.control("status")
    assert f"ok: {first.node.ipv4} is master, heard" in second.control("status")
    assert "vhid 10 on eth0: BACKUP" in second.control("status")


@pytest.mark.parametrize("command", [("status",), ("resign",), ("maintenance", "on")])
def test_a_command_without_a_daemon_says_so_in_one_line(group: Group, command: tuple[str, ...]) -> None:
    done = group.add().command(*command)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"carp-sidecar: no daemon at {CONTROL}: is `carp-sidecar run` running, and with this --control?\n"
    )


@pytest.mark.parametrize("how", ["", "--json"])
def test_a_watch_ends_when_nobody_reads_it_any_more_though_nothing_changes(pair: Group, how: str) -> None:
    member = pair.members[0]
    piped = f'{{ "$@" status --watch {how} 2>/run/said; echo "left with $?" >&2; }} | head -1'
    done = member.node.run(["sh", "-c", piped, "sh", *COMMAND], env={"PYTHONPATH": str(Path.cwd())}, timeout=10)
    assert ("MASTER" in done.stdout, done.stderr) == (True, "left with 1\n")
    assert member.node.path("/run/said").read_text() == ""


# ------------------------------------------------------------------------------------------------------------ resign


def test_resign_moves_the_address_without_a_gap_and_comes_back(pair: Group) -> None:
    first, second = pair.members
    began = time.monotonic()
    said = first.control("resign", "--for", "5")
    assert f"vhid 10: {second.node.ipv4} took over after" in said
    assert "it takes no part for 5 s" in said
    pair.wait_for_owner(second, 2.0)
    assert "resigned and takes no part" in first.control("status")
    time.sleep(1.0)
    assert first.state() == "BACKUP", "it rests, though it is better than the master it hears"
    pair.wait_for_owner(first, 12)
    assert time.monotonic() - began > 5
    assert pair.longest_gap(since=began) < RACE


def test_resign_on_a_lone_node_lets_go_and_takes_the_address_again(group: Group) -> None:
    lone = group.add()
    lone.start()
    group.wait_for_owner(lone)
    began = time.monotonic()
    said = lone.control("resign", "--for", "1")
    assert "vhid 10: nobody took over within" in said
    assert "the addresses are released" in said
    until(lambda: not lone.owns(), 1.0, "it is released")
    group.wait_for_owner(lone)
    assert time.monotonic() - began > 2, "a second to hand over, a second of rest"


def test_resign_on_a_backup_keeps_it_from_taking_over(pair: Group) -> None:
    first, second = pair.members
    assert "this node was not master" in second.control("resign", "--for", "6")
    rested = time.monotonic()
    pair.power_off(first)
    pair.wait_for_owner(second, 15)
    assert time.monotonic() - rested > 6


@pytest.mark.parametrize("seconds", ["-1", "nan", "soon", "86401"])
def test_a_rest_that_is_no_time_is_wrong_usage_and_nothing_happens(pair: Group, seconds: str) -> None:
    first = pair.members[0]
    done = first.command("resign", "--for", seconds)
    assert done.returncode == 2
    assert "must be a number of seconds from 0 to 86400" in done.stderr
    assert first.state() == "MASTER"


# ------------------------------------------------------------------------------------------------------- maintenance


def test_maintenance_moves_the_address_to_a_healthy_peer_and_off_brings_it_back(pair: Group) -> None:
    first, second = pair.members
    began = time.monotonic()
    assert "gives its addresses to any other" in first.control("maintenance", "on")
    assert pair.wait_for_owner(second) < 2.0
    assert first.vhost()["demotion"] == {"total": 240, "causes": {"maintenance": 240}}
    time.sleep(2.0)
    assert pair.owners() == {second.node.name}
    assert "takes part as before" in first.control("maintenance", "off")
    pair.wait_for_owner(first)
    assert pair.longest_gap(since=began) < RACE


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_maintenance_holds_until_told_otherwise_also_over_a_restart(pair: Group, number: int) -> None:
    first, second = pair.members
    first.control("maintenance", "on")
    pair.wait_for_owner(second)
    assert first.daemon is not None
    first.kill(number)
    first.daemon.wait(10)
    first.start()
    first.until_said("maintenance is on since an earlier run")
    first.until_said(f"control socket {CONTROL}: listening", times=2)
    until(lambda: first.vhost()["demotion"]["causes"] == {"maintenance": 240}, 5, "it is demoted again")
    time.sleep(4.0)
    assert pair.owners() == {second.node.name}
    assert "takes part as before" in first.control("maintenance", "off")
    pair.wait_for_owner(first)
    assert first.stop() == 0
    assert list(first.node.path("/run/carp-sidecar").iterdir()) == []
    first.start()
    pair.wait_for_owner(first)
    assert first.vhost()["demotion"]["total"] == 0


def test_maintenance_that_cannot_be_kept_holds_all_the_same_and_is_told(pair: Group) -> None:
    first, second = pair.members
    first.node.path(f"{CONTROL}.maintenance").mkdir()
    first.control("maintenance", "on")
    pair.wait_for_owner(second)
    first.control("maintenance", "off")
    first.until_said("maintenance off holds until the next restart only")
    pair.wait_for_owner(first)


def test_a_lone_node_under_maintenance_keeps_serving(group: Group) -> None:
    lone = group.add()
    lone.start()
    group.wait_for_owner(lone)
    began = time.monotonic()
    lone.control("maintenance", "on")
    time.sleep(3.5)
    assert group.owners() == {lone.node.name}
    assert group.longest_gap(since=began) == 0


def test_maintenance_of_every_node_moves_nothing(pair: Group) -> None:
    first, second = pair.members
    second.control("maintenance", "on")
    began = time.monotonic()
    first.control("maintenance", "on")
    time.sleep(4.0)
    assert pair.owners() == {first.node.name}
    assert [one for one in pair.watch.changes if one.at > began and one.address == V4] == []


# ----------------------------------------------------------------------------------------------------------- signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("role", ["master", "backup"])
def test_a_signal_to_end_is_an_orderly_end(pair: Group, number: int, role: str) -> None:
    member = pair.members[role == "backup"]
    assert member.daemon is not None
    member.kill(number)
    assert member.daemon.wait(10) == 0
    assert "Traceback" not in member.said()
    assert not member.node.path(CONTROL).exists()


@pytest.mark.parametrize("output", ["<&- >&- 2>&-", ">/dev/full 2>&1"])
def test_a_daemon_that_can_say_nothing_serves_and_leaves_with_0(group: Group, output: str) -> None:
    member = group.add()
    member.prefix = ["sh", "-c", f'exec "$@" {output}', "sh"]
    member.start()
    group.wait_for_owner(member)
    assert member.state() == "MASTER"
    assert member.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_during_the_start_waits_until_somebody_listens(group: Group, number: int) -> None:
    """The default would leave what was made, or end a master by SIGHUP."""
    member = group.add()
    before = member.node.run(["ip", "link"]).stdout
    member.start()
    assert member.daemon is not None
    threads = Path(f"/proc/{member.daemon.pid}/task")
    while len(list(threads.iterdir())) < 2:
        pass
    member.kill(number)
    if number != signal.SIGTERM:
        group.wait_for_owner(member)
        told = "nothing changed" if number == signal.SIGHUP else "flight record written"
        member.until_said(told)
        member.kill(signal.SIGTERM)
    assert member.daemon.wait(10) == 0
    assert member.node.run(["ip", "link"]).stdout == before


def test_sigusr1_writes_what_happened_and_an_election_of_today_does_the_same_again(pair: Group) -> None:
    first, second = pair.members
    first.control("resign", "--for", "1")
    second.control("maintenance", "on")
    pair.wait_for_owner(first)
    for member in (first, second):
        member.kill(signal.SIGUSR1)
        member.until_said("flight record written")
        name = re.search(r"flight record written: (\S+)", member.said())
        assert name is not None
        text = member.node.path(name[1]).read_text()
        assert "only for tests" not in text
        dump = read(text.splitlines())
        assert dump.has_the_beginning
        assert len(dump.steps) > 10
        assert replay(dump) == []


# -------------------------------------------------------------------------------------------------------------- HTTP


def test_every_page_of_the_http_server_answers_on_both_nodes(pair: Group) -> None:
    for member, role in zip(pair.members, ("master", "backup"), strict=True):
        assert member.http("/livez")[::2] == (200, "ok: the election ticks on time\n")
        assert member.http("/readyz").code == (200 if role == "master" else 503)
        assert member.http("/role")[::2] == (200, role)
        status = json.loads(member.http("/status").body)
        assert status.keys() == STATUS
        assert status["vhosts"][0]["state"].lower() == role
        page = member.http("/")
        assert page.code == 200
        assert "text/html" in page.head
        assert role.upper() in page.body
        assert member.metric('carp_state{vhid="10"}') == (2 if role == "master" else 1)
        assert member.http("/nowhere").code == 404
        assert member.http("/status", "POST").code == 405


def test_readiness_by_health_is_everybody_who_takes_part_and_is_not_fully_demoted(group: Group) -> None:
    first, second = group.add(CARP_READINESS="health"), group.add(CARP_READINESS="health")
    for member in (first, second):
        member.start()
    group.wait_for_owner(first)
    assert [member.http("/readyz").code for member in (first, second)] == [200, 200]
    second.control("maintenance", "on")
    assert second.http("/readyz")[::2] == (503, "not ok: vhid 10 is demoted by 240\n")
    second.node.link(up=False)
    until(lambda: second.state() == "INIT", 3, "it takes no part")
    assert second.http("/readyz").code == 503
    assert second.http("/role").body == "fault"
    assert second.http("/livez").code == 200


def test_a_busy_port_and_a_live_control_socket_are_waited_for(group: Group) -> None:
    member = group.add()
    with member.node.socket(socket.AF_INET, socket.SOCK_STREAM) as port, socket.socket(socket.AF_UNIX) as control:
        port.bind(("127.0.0.1", HTTP_PORT))
        port.listen()
        path = member.node.path(CONTROL)
        path.parent.mkdir()
        control.bind(str(path))
        control.listen()
        member.start()
        group.wait_for_owner(member)
        time.sleep(2.0)
        assert member.said().count("cannot listen yet, trying each second") == 2
        assert f"another daemon answers at {CONTROL}" in member.said()
    until(lambda: member.state() == "MASTER", 5, "the control socket is its own now")
    until(lambda: member.said().count("listening") == 2, 5, "and the port")
    assert member.http("/role").body == "master"


# -------------------------------------------------------------------------------------------------------------- logs


def test_json_logs_are_an_object_a_line_and_one_line_a_transition(group: Group) -> None:
    first, second = group.add(CARP_LOG="json"), group.add(CARP_LOG="json")
    for member in (first, second):
        member.start()
    group.wait_for_owner(first)
    first.control("resign", "--for", "1")
    group.wait_for_owner(first)
    moved = first.vhost()["transitions"]
    assert first.stop() == 0
    lines = [json.loads(line) for line in first.said().splitlines()]
    assert all(line.keys() >= {"time", "level", "logger", "message"} for line in lines)
    told = [line for line in lines if re.match("(INIT|BACKUP|MASTER) -> ", line["message"])]
    assert {(line["level"], line["vhid"]) for line in told} == {("info", VHID)}
    assert [line["message"].partition(":")[0] for line in told] == [
        *(f"{one['from']} -> {one['to']}" for one in moved),
        "MASTER -> INIT",
    ]


def test_sniff_beside_the_daemon_hears_the_same_master(pair: Group) -> None:
    first, second = pair.members
    for member in (first, second):
        arguments = ["--interface", "eth0", "--passphrase-file", KEYS, "--addresses", V4, "--vhid", str(VHID)]
        said = member.control("sniff", *arguments, "--count", "2", "--seconds", "10", "--json")
        heard = [json.loads(line) for line in said.splitlines()]
        assert [one["frame"] for one in heard] == [1, 2]
        for one in heard:
            assert (one["source"], one["digest"], one["checksum"], one["drop"]) == (first.node.ipv4, "ok", "ok", None)
    assert pair.owners() == {first.node.name}


# ------------------------------------------------------------------------------------------------------ bad company


def test_a_peer_with_another_passphrase_is_counted_and_told_once(pair: Group) -> None:
    first, second = pair.members
    stranger = pair.add(advskew=0)
    stranger.node.write(KEYS, "another passphrase\n", 0o600)
    stranger.start()
    for member in (first, second):
        member.until_dropped("badauth", 3)
        assert member.said().count(f"dropped advertisement from {stranger.node.ipv4}: badauth") == 1
        assert "wrong digest: another passphrase" in member.said()
        assert (member.metric('carp_advertisements_dropped_total{reason="badauth",vhid="10"}') or 0) >= 3
    assert (first.state(), second.state()) == ("MASTER", "BACKUP")


def vrrp_group(node: Node, ttl: int, payload: bytes) -> None:
    """One IPv4 packet of protocol 112 to 224.0.0.18."""
    with node.socket(socket.AF_INET, socket.SOCK_RAW, 112) as wire:
        wire.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, ttl)
        wire.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(node.ipv4))
        wire.sendto(payload, ("224.0.0.18", 0))


def goodbye(vhid: int) -> bytes:
    """A bow-out as anybody could forge it, with a digest of nothing."""
    head = struct.pack("!BBBBBBHQ20s", 0x21, vhid, 255, 7, 0, 255, 0, 1, bytes(20))
    return head[:6] + struct.pack("!H", internet_checksum(head)) + head[8:]


def test_a_frame_that_crossed_a_router_is_counted_badttl_and_moves_nothing(pair: Group) -> None:
    first, second = pair.members
    stranger = pair.add()
    vrrp_group(stranger.node, 254, goodbye(VHID))
    for member in (first, second):
        member.until_said(f"from {stranger.node.ipv4}: badttl (TTL or hop limit is not 255")
        assert member.drops() == {"badttl": 1}
    assert (first.state(), second.state()) == ("MASTER", "BACKUP")


def vrrp(number: int) -> bytes:
    """VRRPv2 as keepalived says it: one address, no authentication."""
    head = struct.pack("!BBBBBBH4s8x", 0x21, number, 200, 1, 0, 1, 0, socket.inet_aton("10.77.0.200"))
    return head[:6] + struct.pack("!H", internet_checksum(head)) + head[8:]


def test_a_vrrp_speaker_with_the_same_id_is_named_and_with_another_one_is_not(pair: Group) -> None:
    first, second = pair.members
    noisy = pair.network.add_node("noisy", 9)
    vrrp_group(noisy, 255, vrrp(VHID + 1))
    vrrp_group(noisy, 255, vrrp(VHID))
    for member in (first, second):
        member.until_said("VRRP with this id")
        assert f"vhid=10 dropped advertisement from {noisy.ipv4}: badlen" in member.said()
        assert member.drops() == {"badlen": 1}
    assert (first.state(), second.state()) == ("MASTER", "BACKUP")


# -------------------------------------------------------------------------------------------------- two on one host


def test_a_second_daemon_for_the_same_virtual_host_waits_until_the_first_is_gone(pair: Group) -> None:
    """A pod that is recreated overlaps with its predecessor; each would clear what the other has made."""
    first, second = pair.members
    old = first.daemon
    assert old is not None
    began = time.monotonic()
    first.start()
    first.until_said(f"vhid 10 on eth0: process {old.inner_pid} of this host serves it; waiting")
    time.sleep(3.0)
    assert [one for one in pair.watch.changes if one.at > began and one.address == V4] == []
    old.send_signal(signal.SIGTERM)
    assert old.wait(10) == 0
    pair.wait_for_owner(first)
    assert pair.longest_gap(since=began) < RACE
    assert first.said().count("MASTER -> ") == 1
    assert "addresses_failed" not in first.said()
    assert second.state() == "BACKUP"
    first.kill(signal.SIGKILL)
    first.start()
    pair.wait_for_owner(first)


def test_a_daemon_that_waits_for_another_ends_when_told_and_touches_nothing(group: Group) -> None:
    member = group.add()
    member.start()
    group.wait_for_owner(member)
    serving = member.daemon
    member.start()
    member.until_said("waiting until that is gone")
    assert member.stop() == 0
    assert serving is not None
    assert serving.poll() is None
    assert (member.state(), group.owners()) == ("MASTER", {member.node.name})
    member.start(CARP_VHID="11", CARP_ADDRESSES=VIPS[1], CARP_CONTROL="/run/other.sock", CARP_HTTP="127.0.0.1:8113")
    group.wait_for_owner(member, address=VIPS[1])
    assert group.owners() == {member.node.name}, "another virtual host is nobody's concern"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["first first", "last first"])
def test_two_daemons_on_one_carpdev_leave_it_as_it_was_before_both(group: Group, order: tuple[int, int]) -> None:
    """Each finds what the other has changed; only the last may put it back."""
    member = group.add()
    before = host(member)
    member.start()
    group.wait_for_owner(member)
    daemons = [member.daemon]
    other = {"CARP_VHID": "11", "CARP_ADDRESSES": VIPS[1], "CARP_HTTP": "127.0.0.1:8113"}
    member.start(CARP_CONTROL="/run/other/control.sock", **other)
    group.wait_for_owner(member, address=VIPS[1])
    daemons.append(member.daemon)
    for number in order:
        daemon = daemons[number]
        assert daemon is not None
        assert daemon.stop(10) == 0
    assert host(member) == before
    left = [file for folder in ("/run/carp-sidecar", "/run/other") for file in member.node.path(folder).iterdir()]
    assert left == []


def test_a_start_after_kill_9_without_the_state_file_puts_the_host_back(group: Group) -> None:
    """A pod that is recreated has a new, empty folder for it."""
    member = group.add()
    before = host(member)
    member.start()
    group.wait_for_owner(member)
    member.kill(signal.SIGKILL)
    shutil.rmtree(member.node.path("/run/carp-sidecar"))
    member.start()
    member.until_said("INIT -> BACKUP", times=2)
    assert member.stop() == 0
    until(lambda: not member.owns(), 5, "nothing is left of it")
    assert host(member) == before
