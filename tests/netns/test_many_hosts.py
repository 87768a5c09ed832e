"""Many virtual hosts in one process: up and gone in seconds, on time in between, and nothing left behind."""

import signal
import time

from tests.netns.group import Group, Member, until
from tests.netns.test_restore import host

COUNT = 40
SECONDS = 8.0
"""Generous: quiet they are up in 0.7 s and gone in 0.9 s. When each was removed by itself a stop took some 25 s."""


def many(group: Group) -> Member:
    """A member with so many virtual hosts, at 98 ms."""
    common = "advbase: 0, advskew: 25, interface: eth0, passphrase_file: '@KEYS'"
    rows = (f"  - {{vhid: {vhid}, addresses: 10.77.1.{vhid}, {common}}}\n" for vhid in range(1, COUNT + 1))
    return group.add_configured("ntp: off\nvhosts:\n" + "".join(rows))


def until_all_are_master(member: Member, times: int = 1) -> None:
    until(lambda: member.said().count("BACKUP -> MASTER") == COUNT * times, 3 * SECONDS, "all are master")


def test_many_hosts_start_and_stop_in_seconds_and_leave_the_host_as_it_was(group: Group) -> None:
    member = many(group)
    before = host(member)
    member.start()
    until_all_are_master(member)
    began = time.monotonic()
    assert member.stop() == 0
    print(f"stopped after {time.monotonic() - began:.2f} s")
    assert time.monotonic() - began < SECONDS
    assert host(member) == before


def test_leftovers_of_many_hosts_are_cleared_by_the_next_start_and_the_host_is_as_it_was(group: Group) -> None:
    """Also what their carpdev was before, which only the interfaces still know: the file beside the socket is lost."""
    member = many(group)
    before = host(member)
    member.start()
    until_all_are_master(member)
    member.kill(signal.SIGKILL)
    member.node.run(["sh", "-c", "rm /run/carp-sidecar/*.state"], check=True)
    member.start()
    until_all_are_master(member, 2)
    assert member.stop() == 0
    assert host(member) == before
