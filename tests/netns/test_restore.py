"""The host is afterwards as it was before, byte for byte, however the daemon ended."""

import re
import signal
import time

import pytest

from tests.netns.group import V4, V6, VIRTUAL_MAC, Group, Member, until

COMMANDS = (
    ("ip", "link"),
    ("ip", "addr"),
    ("ip", "rule"),
    ("ip", "route", "show", "table", "all"),
    ("ip", "-6", "addr"),
    ("ip", "-6", "rule"),
    ("ip", "-6", "route", "show", "table", "all"),
    ("tc", "qdisc"),
    ("sysctl", "-a", "--pattern", r"^net\.ipv[46]\.(conf|neigh)"),
)
ROUTES = (
    "route add default via 10.77.0.254",
    "route add 192.0.2.0/24 nexthop via 10.77.0.5 dev eth0 nexthop via 10.77.0.6 dev eth0",
    "route add default via fd77::fe dev eth0",
    "route add fd88::9 dev eth0",
    "route add fd88:1::/64 via fd88::9 dev eth0",
    "route add fd99::/64 via fe80::9 dev eth0",
)
"""Every kind of way by a carpdev; each must be mirrored for replies, and gone afterwards."""
MODES = pytest.mark.parametrize("mac", ["virtual", "interface"])


def host(member: Member) -> str:
    """Everything the kernel says of its network, without clocks that tick by themselves.

    The carrier of a cable that was just plugged in shows up a moment later, and not at once to everybody.
    """
    until(lambda: "NO-CARRIER" not in member.node.run(["ip", "link"]).stdout, 5, "its cable has a carrier")
    parts = []
    for command in COMMANDS:
        done = member.node.run(command)
        parts.append(f"## {' '.join(command)}\n{done.stdout}")
    return re.sub(r"(valid_lft|preferred_lft|expires) \d+sec", r"\1 N", "\n".join(parts))


@MODES
def test_a_clean_stop_leaves_the_host_as_it_was(dual: Group, mac: str) -> None:
    member = dual.add(CARP_MAC=mac)
    member.node.ip(*ROUTES)
    before = host(member)
    member.start()
    dual.wait_for_owner(member, address=V6)
    assert host(member) != before
    assert "takes no route" not in member.said()
    assert member.stop() == 0
    assert host(member) == before
    assert sorted(path.name for path in member.node.path("/run/carp-sidecar").iterdir()) == []


@MODES
def test_a_start_after_kill_9_and_a_stop_leave_the_host_as_it_was(dual: Group, mac: str) -> None:
    member = dual.add(CARP_MAC=mac)
    before = host(member)
    member.start()
    dual.wait_for_owner(member, address=V6)
    member.kill(signal.SIGKILL)
    member.start()
    until(lambda: member.said().count("INIT -> BACKUP") == 2, 5, "the second start takes part")
    dual.wait_for_owner(member, address=V6)
    assert member.stop() == 0
    assert host(member) == before


def test_a_permanent_address_left_by_kill_9_is_cleared_at_the_next_start(group: Group) -> None:
    member = group.add(CARP_LEASE="0")
    member.start()
    group.wait_for_owner(member)
    member.kill(signal.SIGKILL)
    time.sleep(0.5)
    assert member.owns()
    member.start()
    until(lambda: not member.owns(), 10, "the leftover is cleared before it takes part")


@pytest.mark.parametrize("where", ["no such interface", "port"])
def test_a_start_that_fails_leaves_nothing(dual: Group, where: str) -> None:
    """A foreign interface with our name stands where the virtual-MAC interface should be."""
    member = dual.add()
    if where == "port":
        index = member.node.run(["cat", "/sys/class/net/eth0/ifindex"]).stdout.strip()
        member.node.ip(f"link add carp10-{index} type bridge")
    before = host(member)
    member.start(CARP_INTERFACE="eth0" if where == "port" else "eth9")
    if where == "port":
        assert member.daemon is not None
        assert member.daemon.wait(10) == 1
        assert "carp10-" in member.said()
        assert "Traceback" not in member.said()
    else:
        until(lambda: "INIT" in member.said() or "no interface" in member.said(), 10, "it waits for the interface")
        assert member.stop() == 0
    assert host(member) == before


def test_it_works_under_strict_rp_filter_and_a_read_only_proc_sys(dual: Group) -> None:
    first, second = dual.add(), dual.add()
    for member in (first, second):
        member.node.run(
            ["sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1", "net.ipv4.conf.eth0.rp_filter=1"], check=True
        )
        member.node.run(["mount", "--bind", "-o", "ro", "/proc/sys", "/proc/sys"], check=True)
        member.node.run(["mount", "-o", "remount,bind,ro", "/proc/sys"], check=True)
    first.start()
    dual.wait_for_owner(first, address=V6)
    neighbour = second.node
    for family, address in (("-4", V4), ("-6", V6)):
        done = neighbour.run(["ping", family, "-c", "3", "-i", "0.2", "-W", "1", address])
        assert " 0% packet loss" in done.stdout, done.stdout
        known = neighbour.run(["ip", family, "neigh", "show", address]).stdout
        assert VIRTUAL_MAC in known


def test_replies_carry_the_virtual_mac_also_after_the_second_takeover(group: Group) -> None:
    """The kernel forgets an interface's IPv4 routes with its last address: they have to come back with it."""
    first, second = group.add(), group.add()
    asker = group.add()
    first.start()
    group.wait_for_owner(first)
    second.start()
    until(lambda: "INIT -> BACKUP" in second.said(), 5, "the second takes part")
    for _ in range(2):
        first.control("resign", "--for", "4")
        group.wait_for_owner(second)
        group.wait_for_owner(first)
    with group.network.capture(node=first.node, expression="icmp") as seen:
        asker.node.run(["ping", "-c", "3", "-i", "0.2", "-W", "1", V4], check=True)
    assert {frame.source_mac for frame in seen.frames} == {VIRTUAL_MAC}


@pytest.mark.parametrize("mac", ["virtual", "interface"])
def test_the_nodes_own_address_is_refused_and_stays(group: Group, mac: str) -> None:
    """A typing error must not take a node off the network."""
    member = group.add(CARP_ADDRESSES="10.77.0.1", CARP_INTERFACE="eth0", CARP_MAC=mac)
    before = host(member)
    member.start()
    assert member.daemon is not None
    assert member.daemon.wait(10) == 78
    assert "addresses=10.77.0.1: is an address of this node itself, on eth0 as 10.77.0.1/24; choose" in member.said()
    assert host(member) == before
