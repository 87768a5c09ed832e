"""Every way to run it but the usual one: unicast, dialects, fractions of a second, many virtual hosts, families."""

import json
import signal
import time
from pathlib import Path

import pytest
from scapy.layers.inet import IP
from scapy.layers.l2 import Ether

from sidecar.lab.capture import Capture, Frame
from tests.netns.group import (
    RACE,
    SLACK,
    V4,
    V6,
    VHID,
    VIPS,
    VIRTUAL_MAC,
    Group,
    Member,
    adverts,
    group_on,
    longest,
    until,
)
from tests.netns.test_restore import host

CARP = "ip proto 112"


def payload(frame: Frame) -> bytes:
    """The 36 bytes of an IPv4 advertisement."""
    return bytes(Ether(frame.data)[IP].payload)


def sources(capture: Capture) -> set[str]:
    return {source for _, source in adverts(capture)}


# ----------------------------------------------------------------------------------------------------------- unicast


def unicast(group: Group, prefix: str = "10.77.0.") -> list[Member]:
    """Three that know each other by address, and hear no group."""
    nodes = [f"{prefix}{number}" for number in (1, 2, 3)]
    return [group.add(CARP_PEERS=",".join(one for one in nodes if one != mine)) for mine in nodes]


def test_unicast_peers_elect_and_hand_over_without_a_group(group: Group) -> None:
    first, second, third = unicast(group)
    with group.network.capture(expression=CARP) as seen:
        for member in (first, second, third):
            member.start()
        group.wait_for_owner(first)
        until(lambda: third.state() == "BACKUP", 5, "the third takes part")
        began = time.monotonic()
        assert first.stop() == 0
        group.wait_for_owner(second)
        assert group.longest_gap(since=began) < RACE
        first.start()
        group.wait_for_owner(first)
    destinations = {Ether(frame.data)[IP].dst for frame in seen.frames}
    assert destinations <= {"10.77.0.1", "10.77.0.2", "10.77.0.3"}
    assert {Ether(frame.data)[IP].ttl for frame in seen.frames} == {255}
    assert first.drops() == second.drops() == third.drops() == {}


def test_unicast_peers_of_ipv6(tmp_path: Path) -> None:
    with group_on(tmp_path, V6) as group:
        first, second, third = unicast(group, "fd77::")
        for member in (first, second, third):
            member.start()
        group.wait_for_owner(first, address=V6)
        until(lambda: third.state() == "BACKUP", 5, "the third takes part")
        group.power_off(first)
        group.wait_for_owner(second, address=V6)
        assert second.drops() == third.drops() == {}
        assert third.vhost()["master"]["source"] == second.node.ipv6


def test_a_dead_unicast_peer_does_not_cost_the_mastership(group: Group) -> None:
    """Neither one that was never there nor one that loses its power: no send error, no demotion."""
    first, second, third = unicast(group)
    first.start()
    second.start()
    group.wait_for_owner(first)
    until(lambda: second.state() == "BACKUP", 5, "the second takes part")
    group.power_off(second)
    time.sleep(8.0)  # the neighbour entry becomes stale, is probed and fails
    assert group.owners() == {first.node.name}
    assert first.vhost()["demotion"] == {"total": 0, "causes": {}}
    assert not third.said()


def test_a_multicast_speaker_is_badaddr_to_a_unicast_group_and_the_other_way_round(group: Group) -> None:
    ours = group.add(CARP_PEERS="10.77.0.2")
    theirs = group.add(advskew=10)
    for member in (ours, theirs):
        member.start()
    ours.until_dropped("badaddr", 2)
    theirs.until_dropped("badaddr", 2)
    ours.until_said("a family, a group or a multicast-ness that this vhid does not use")


# ---------------------------------------------------------------------------------------------------------- dialects


def test_openbsds_demotion_travels_in_its_own_byte(group: Group) -> None:
    first, second = (group.add(CARP_DIALECT="openbsd") for _ in range(2))
    for member in (first, second):
        member.start()
    group.wait_for_owner(first)
    until(lambda: second.state() == "BACKUP", 5, "the second takes part")
    with group.network.capture(expression=CARP) as seen:
        began = time.monotonic()
        second.control("maintenance", "on")
        first.control("maintenance", "on")
        time.sleep(2.5)
        assert group.owners() == {first.node.name}, "all are demoted alike"
        second.control("maintenance", "off")
        group.wait_for_owner(second, 4)
        first.control("maintenance", "off")
        group.wait_for_owner(first, 4)
    assert group.longest_gap(since=began) < RACE
    said = [payload(frame) for frame in seen.frames]
    assert {one[2] for one in said} <= {0, 20, 255}, "advskew stays"
    assert {one[4] for one in said} == {0, 240}


# --------------------------------------------------------------------------------------- below a second between two


@pytest.fixture
def fast(group: Group) -> Group:
    """Two nodes that advertise ten times a second."""
    for advskew in (25, 26):
        group.add(advskew=advskew, CARP_ADVBASE="0").start()
    group.wait_for_owner(group.members[0])
    until(lambda: group.members[1].state() == "BACKUP", 5, "the second takes part")
    return group


def test_advbase_0_takes_over_in_less_than_a_second(fast: Group) -> None:
    first, second = fast.members
    assert fast.power_off(first) > 0
    assert fast.wait_for_owner(second) < 1.0
    fast.power_on(first)
    fast.wait_for_owner(first)
    assert fast.longest_overlap() < SLACK


def longest_lease(member: Member) -> int:
    """Seconds that the kernel would keep the address: the most that it says within a while."""
    end, most = time.monotonic() + 1.5, 0
    while time.monotonic() < end:
        links = json.loads(member.node.run(["ip", "-j", "addr", "show", "to", V4]).stdout)
        most = max(most, *(one["valid_life_time"] for link in links for one in link.get("addr_info", ())))
    return most


def test_advbase_0_keeps_the_address_while_demoted(fast: Group) -> None:
    """Demoted it advertises each 0.94 s, which a lease of a second would not outlast."""
    first, second = fast.members
    second.control("maintenance", "on")
    first.control("maintenance", "on")
    demoted = time.monotonic()
    assert longest_lease(first) == 2
    time.sleep(3.0)
    assert fast.owners() == {first.node.name}
    assert fast.longest_gap(since=demoted) == 0
    assert first.vhost()["effective_advskew"] == 240
    first.kill(signal.SIGKILL)
    assert fast.wait_for_owner(second) < 5.0


def test_advbase_0_with_the_largest_advskew_keeps_the_address(group: Group) -> None:
    """Nobody is demoted, and yet an advertisement comes each 0.99 s only."""
    lone = group.add(advskew=254, CARP_ADVBASE="0")
    lone.start()
    group.wait_for_owner(lone)
    began = time.monotonic()
    assert longest_lease(lone) == 2
    time.sleep(3.0)
    assert group.longest_gap(since=began) == 0
    assert "addresses put back" not in lone.said()


# ---------------------------------------------------------------------------------------------- several virtual hosts


def vhosts_file(skews: list[int], more: str = "") -> str:
    entries = [
        f"  - {{vhid: {VHID + number}, addresses: {VIPS[number]}, advskew: {skew}, passphrase_file: @KEYS{more}}}\n"
        for number, skew in enumerate(skews)
    ]
    return "ntp: off\nvhosts:\n" + "".join(entries)


def test_two_virtual_hosts_crosswise_share_the_load_and_stand_in_for_each_other(group: Group) -> None:
    first, second = (group.add_configured(vhosts_file(skews)) for skews in ([0, 20], [20, 0]))
    for member in (first, second):
        member.start()
    group.wait_for_owner(first, address=VIPS[0])
    group.wait_for_owner(second, address=VIPS[1])
    assert [one["state"] for one in first.ask()["vhosts"]] == ["MASTER", "BACKUP"]
    assert first.http("/role").body == "master"
    assert second.http("/role").body == "backup"
    assert second.http("/readyz").code == 200, "it is master of one of them"
    group.power_off(first)
    group.wait_for_owner(second, address=VIPS[0])
    assert group.owners(VIPS[1]) == {second.node.name}
    group.power_on(first)
    group.wait_for_owner(first, address=VIPS[0])
    assert group.owners(VIPS[1]) == {second.node.name}
    began = time.monotonic()
    assert second.control("resign", "--for", "5").count("took over after") == 1
    group.wait_for_owner(first, address=VIPS[1])
    group.wait_for_owner(second, address=VIPS[1])
    assert group.longest_gap(VIPS[1], began) < RACE


def test_ten_virtual_hosts_in_one_process(group: Group) -> None:
    first, second = (group.add_configured(vhosts_file([skew] * 10)) for skew in (0, 20))
    before = host(first)
    for member in (first, second):
        member.start()
    for address in VIPS:
        group.wait_for_owner(first, 12, address)
    until(lambda: [one["state"] for one in second.ask()["vhosts"]] == ["BACKUP"] * 10, 5, "the second is all backup")
    macs = {line.split()[2] for line in first.node.run(["ip", "-br", "link"]).stdout.splitlines() if "carp" in line}
    assert macs == {f"00:00:5e:00:01:{VHID + number:02x}" for number in range(10)}
    began = time.monotonic()
    assert first.stop() == 0
    for address in VIPS:
        group.wait_for_owner(second, 5, address)
        assert group.longest_gap(address, began) < 10 * RACE
    assert host(first) == before
    group.power_off(first)
    assert second.drops_of_all() == {}


# ----------------------------------------------------------------------------------------------------- the interface


def test_with_the_interfaces_own_mac_the_address_moves_and_neighbours_learn_it(group: Group) -> None:
    first, second = (group.add(CARP_MAC="interface") for _ in range(2))
    asker = group.network.add_node("asker", 9)
    for member in (first, second):
        member.start()
    group.wait_for_owner(first)
    assert "carp" not in first.node.run(["ip", "link"]).stdout
    ping = ["ping", "-c", "1", "-W", "1", V4]
    assert asker.run(ping).returncode == 0
    assert first.node.mac in asker.run(["ip", "neigh", "show", V4]).stdout
    group.power_off(first)
    group.wait_for_owner(second)
    until(lambda: second.node.mac in asker.run(["ip", "neigh", "show", V4]).stdout, 2, "the neighbour was told")
    assert asker.run(ping).returncode == 0
    group.power_on(first)
    group.wait_for_owner(first)
    began = time.monotonic()
    assert first.stop() == 0
    group.wait_for_owner(second)
    assert group.longest_gap(since=began) < RACE
    assert "carp" not in second.node.run(["ip", "link"]).stdout


@pytest.mark.parametrize(
    "lines",
    [
        ("link add br7 type bridge", "link set eth0 master br7", "link set br7 up", "addr add {} dev br7"),
        ("link add mv7 link eth0 type macvlan mode bridge", "link set mv7 up", "addr add {} dev mv7"),
        (
            "link set eth0 down",
            "link set eth0 name fifteen-letters",
            "link set fifteen-letters up",
            "addr add {} dev fifteen-letters",
        ),
    ],
    ids=["bridge", "macvlan", "long name"],
)
def test_a_carpdev_of_another_kind_serves_and_is_left_as_it_was(group: Group, lines: tuple[str, ...]) -> None:
    first, second = (group.add(CARP_INTERFACE=lines[-1].split()[-1]) for _ in range(2))
    asker = group.network.add_node("asker", 9)
    for member in (first, second):
        member.node.ip("addr flush dev eth0", *(line.format(f"{member.node.ipv4}/24") for line in lines))
        # Below the carpdev, and elsewhere in a network of its own: here it would answer for the address as well.
        member.node.run(["sysctl", "-qw", "net.ipv4.conf.eth0.arp_ignore=1"])  # unless it has another name
    time.sleep(2.5)  # duplicate address detection of what the kernel adds by itself
    before = host(first)
    for member in (first, second):
        member.start()
    group.wait_for_owner(first)
    until(lambda: second.state() == "BACKUP", 5, "the second takes part")
    assert asker.run(["ping", "-c", "1", "-W", "2", V4]).returncode == 0
    assert VIRTUAL_MAC in asker.run(["ip", "neigh", "show", V4]).stdout
    assert first.stop() == 0
    group.wait_for_owner(second)
    assert asker.run(["ping", "-c", "1", "-W", "2", V4]).returncode == 0
    assert host(first) == before


def test_nodes_without_an_address_of_their_own_speak_from_the_virtual_one(group: Group) -> None:
    first, second = (group.add(CARP_INTERFACE="eth0") for _ in range(2))
    with group.network.capture(expression=CARP) as seen:
        for member in (first, second):
            member.node.ip("addr flush dev eth0")
            member.start()
        group.wait_for_owner(first)
        until(lambda: second.state() == "BACKUP", 5, "the second takes part")
        group.power_off(first)
        group.wait_for_owner(second)
    assert sources(seen) == {V4}
    assert second.drops() == {}


def test_without_a_lease_the_address_is_the_kernels_for_ever(group: Group) -> None:
    """A frozen daemon keeps it, and two answer: that is what is asked for. A thawed one yields."""
    first, second = (group.add(CARP_LEASE="0") for _ in range(2))
    for member in (first, second):
        member.start()
    group.wait_for_owner(first)
    assert "valid_lft forever" in first.node.run(["ip", "addr", "show", "to", V4]).stdout
    began = time.monotonic()
    first.control("resign", "--for", "5")
    group.wait_for_owner(second)
    group.wait_for_owner(first)
    assert group.longest_gap(since=began) < RACE
    group.power_off(first)
    group.wait_for_owner(second)


# ---------------------------------------------------------------------------------------------------------- families


def test_ipv6_alone(tmp_path: Path) -> None:
    with group_on(tmp_path, V6) as group:
        first, second = group.add(), group.add()
        asker = group.network.add_node("asker", 9)
        for member in (first, second):
            member.start()
        group.wait_for_owner(first, address=V6)
        assert asker.run(["ping", "-6", "-c", "1", "-W", "2", V6]).returncode == 0
        assert VIRTUAL_MAC in asker.run(["ip", "-6", "neigh", "show", V6]).stdout
        began = time.monotonic()
        assert first.stop() == 0
        group.wait_for_owner(second, address=V6)
        assert longest(group.watch, V6, began, lambda owners: not owners) < RACE
        first.start()
        group.wait_for_owner(first, address=V6)
        group.power_off(first)
        group.wait_for_owner(second, address=V6)
        assert asker.run(["ping", "-6", "-c", "1", "-W", "2", V6]).returncode == 0
        assert second.drops() == {}


@pytest.mark.parametrize("way", ["both", "to", "from"])
def test_a_dual_stack_backup_that_loses_ipv6_only_leaves_the_master_alone(dual: Group, way: str) -> None:
    """Its timer of IPv6 expires, the master insists by IPv4, and from then on that is what it goes by."""
    first, second = dual.add(), dual.add()
    for member in (first, second):
        member.start()
    dual.wait_for_owner(first)
    until(lambda: second.state() == "BACKUP", 5, "the second takes part")
    before = len(second.moves())
    lose_ipv6(dual, second, way)
    lost = time.monotonic()
    time.sleep(10.0)
    for address in (V4, V6):
        assert dual.owners(address) == {first.node.name}
        assert dual.longest_gap(address, lost) < RACE
        assert dual.longest_overlap(address, lost) < SLACK
    assert [one for one in dual.watch.changes if one.at > lost + 6] == []
    assert len(second.moves()) - before <= 2
    dual.power_off(first)
    dual.wait_for_owner(second)
    dual.wait_for_owner(second, address=V6)


def lose_ipv6(group: Group, member: Member, way: str) -> None:
    """The switch drops IPv6 to the node, from it, or both."""
    directions = {"to": ("egress",), "from": ("ingress",), "both": ("egress", "ingress")}[way]
    space = group.network.switch
    space.run(["tc", "qdisc", "add", "dev", member.node.port, "clsact"], check=True)
    for direction in directions:
        drop = ["protocol", "ipv6", "bpf", "direct-action", "bytecode", "1,6 0 0 2"]  # return TC_ACT_SHOT
        space.run(["tc", "filter", "add", "dev", member.node.port, direction, *drop], check=True)


# ------------------------------------------------------------------------------------------------------ who is master


def test_without_preempt_the_address_stays_where_it_is(group: Group) -> None:
    first, second = (group.add(CARP_PREEMPT="false") for _ in range(2))
    second.start()
    group.wait_for_owner(second)
    first.start()
    time.sleep(5.0)
    assert group.owners() == {second.node.name}
    assert first.state() == "BACKUP"
    began = time.monotonic()
    second.control("maintenance", "on")
    group.wait_for_owner(first, 4)
    second.control("maintenance", "off")
    time.sleep(4.0)
    assert group.owners() == {first.node.name}
    assert group.longest_gap(since=began) < RACE


def test_equal_nodes_settle_on_one_master_and_do_not_flap(group: Group) -> None:
    members = [group.add(advskew=0) for _ in range(2)]
    for member in members:
        member.start()
    until(lambda: sorted(member.state() for member in members) == ["BACKUP", "MASTER"], 8, "one is master")
    time.sleep(1.0)
    settled = time.monotonic()
    time.sleep(10.0)
    assert len(group.owners()) == 1
    assert [one for one in group.watch.changes if one.at > settled] == []
