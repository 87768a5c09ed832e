"""A daemon that is killed, stopped, or whose time does strange things: its lease ends; it hears before it speaks."""

import signal
import statistics
import time
from pathlib import Path

import pytest

from tests.netns.faults import blocked_loop, changes, stopped
from tests.netns.group import SLACK, V4, Group, Member, adverts, until
from tests.netns.time_server import TimeServer
from tests.unit.ntp_reply import NOW, timestamp

LEASE = 3.0
"""Seconds, at advbase 1."""
WALL = """
import os, time
_real = time.time
def _moved():
    try:
        return _real() + float(open("/run/wall").read())
    except (OSError, ValueError):
        return _real()
time.time = _moved
"""
"""A Python that reads its wall clock with an offset: the kernel's own would move for the whole machine."""


def owned(group: Group, since: float) -> list[tuple[str, ...]]:
    """Who owned the address, in order; moments of nobody or of both left out."""
    return [tuple(one) for one in changes(group, since, V4) if len(one) == 1]


def test_kill_9_of_the_master_leaves_two_owners_for_half_a_second_at_most(pair: Group) -> None:
    """And then the dead node's kernel has given it up by itself. Three times, at different phases of the interval."""
    first, second = pair.members
    overlaps, takeovers = [], []
    for phase in range(3):
        time.sleep(0.33 * phase)
        killed = time.monotonic()
        first.kill(signal.SIGKILL)
        takeovers.append(pair.wait_for_owner(second))
        assert not first.owns()
        overlaps.append(pair.longest_overlap(since=killed))
        first.start()
        pair.wait_for_owner(first)
    print(f"two owners for {[f'{1000 * one:.0f} ms' for one in overlaps]}, alone after {takeovers}")
    assert statistics.median(overlaps) <= 0.5
    assert max(overlaps) <= 1.0
    assert max(takeovers) <= LEASE + 1.0


@pytest.mark.parametrize("whole", [False, True], ids=["daemon", "everything"])
def test_stopped_for_seven_seconds_and_woken_it_moves_once_each_way(pair: Group, whole: bool) -> None:
    """SIGSTOP of the daemon, or of every process of the node, as a machine that is paused."""
    first, second = pair.members
    began = time.monotonic()
    first.node.freeze() if whole else stopped(first)
    pair.wait_for_owner(second)
    time.sleep(max(0.0, 7.0 - (time.monotonic() - began)))
    assert pair.longest_overlap(since=began) <= 1.0
    with pair.network.capture(expression="ip proto 112") as seen:
        woken = time.monotonic()
        first.node.thaw() if whole else first.kill(signal.SIGCONT)
        pair.wait_for_owner(first)
        until(lambda: bool(adverts(seen)), 2, "somebody speaks")
        time.sleep(3.0)
    stopped_two, woken_two = (1000 * pair.longest_overlap(since=one) for one in (began, woken))
    print(f"two owners for {stopped_two:.1f} ms, after waking {woken_two:.1f} ms")
    assert owned(pair, began) == [(second.node.name,), (first.node.name,)]
    assert pair.longest_overlap(since=woken) < SLACK
    assert {source for _, source in adverts(seen)[1:]} == {first.node.ipv4}


def test_a_loop_that_stands_for_a_second_moves_nothing(pair: Group) -> None:
    first = pair.members[0]
    began = time.monotonic()
    for _ in range(3):
        with blocked_loop(first):
            time.sleep(1.0)
        time.sleep(1.0)
    assert changes(pair, began, V4) == []


def test_a_loop_that_stands_loses_the_address_to_its_lease_though_the_process_lives(pair: Group) -> None:
    first, second = pair.members
    began = time.monotonic()
    with blocked_loop(first):
        took = pair.wait_for_owner(second)
        assert took <= LEASE + 1.0
        with pytest.raises(TimeoutError):
            first.http("/livez", seconds=1.0)
    pair.wait_for_owner(first)
    print(f"two owners for {1000 * pair.longest_overlap(since=began):.0f} ms, alone after {took:.3f} s")
    assert pair.longest_overlap(since=began) <= 1.0
    assert owned(pair, began) == [(second.node.name,), (first.node.name,)]
    assert first.http("/livez").code == 200


# ------------------------------------------------------------------------------------------------------------- clocks


def with_a_wall_clock(member: Member) -> None:
    """Start it under a Python whose ``time.time`` follows the file /run/wall."""
    member.node.write("/run/shim/sitecustomize.py", WALL)
    member.prefix = ["env", f"PYTHONPATH=/run/shim:{Path.cwd()}"]
    member.start()


def test_a_wall_clock_that_jumps_moves_nothing_on_either_node(group: Group) -> None:
    """An NTP client steps it; days forth and back, of both nodes, while either is master."""
    first, second = group.add(), group.add()
    for member in (first, second):
        with_a_wall_clock(member)
    group.wait_for_owner(first)
    until(lambda: second.state() == "BACKUP", 5, "the second takes part")
    began = time.monotonic()
    for step in (86400, -86400, 0):
        for member in (first, second):
            member.node.write("/run/wall", str(step))
            time.sleep(1.2)
    assert changes(group, began, V4) == []
    first.node.write("/run/wall", "-86400")
    first.control("resign", "--for", "2")
    group.wait_for_owner(second)
    group.wait_for_owner(first)
    second.node.write("/run/wall", "86400")
    first.kill(signal.SIGKILL)
    group.wait_for_owner(second)
    with_a_wall_clock(first)
    group.wait_for_owner(first)
    assert (first.drops(), second.drops()) == ({}, {}), "a day apart, and believed"
    assert "Traceback" not in first.said() + second.said()


def test_an_ntp_server_that_steps_its_own_clock_moves_nothing(group: Group) -> None:
    """Its time stamps jump together: nothing that it says of its quality has changed."""
    first, second = group.add(CARP_NTP="127.0.0.1:123"), group.add(CARP_NTP="127.0.0.1:123")
    with TimeServer(first.node, "127.0.0.1", V4) as one, TimeServer(second.node, "127.0.0.1", V4):
        for member in (first, second):
            member.start()
        group.wait_for_owner(first, 15)
        until(lambda: second.ask()["ntp"]["state"] == "ok", 10, "both serve")
        began = time.monotonic()
        for step in (3600, -3600, 86400 * 365):
            one.says = {"transmit": (NOW + timestamp(step)) % 2**64}
            time.sleep(2.0)
        assert first.vhost()["demotion"]["total"] == 0
        assert changes(group, began, V4) == []
