"""What others do to interfaces, addresses, notices and cables: one owner, and clients that are answered by it."""

import contextlib
import signal
import time
from collections.abc import Iterator

import pytest

from tests.netns.asker import Asker
from tests.netns.faults import changes, deaf, mute, overflow, speechless, stopped, storm_of_routes
from tests.netns.group import SLACK, V4, Group, Member, until
from tests.netns.time_server import TimeServer

LEASE = 3.0
"""Seconds, at advbase 1."""
LOST_MOST = 50 * (20 / 256 + SLACK)
"""Of fifty a second: a lease may end before the other one's patience."""


def own_interface(member: Member) -> str:
    """The name of its virtual-MAC interface."""
    index = member.node.run(["cat", "/sys/class/net/eth0/ifindex"]).stdout.strip()
    return f"carp10-{index}"


# ------------------------------------------------------------------------------------------------ notices that are lost


@pytest.mark.parametrize("role", ["master", "backup"])
def test_a_cable_that_went_while_notices_overflowed_is_noticed_all_the_same(pair: Group, role: str) -> None:
    """A backup does not speak, so nothing else would tell it; it would take the address that it cannot serve."""
    first, second = pair.members
    victim = first if role == "master" else second
    stopped(victim)
    overflow(victim)
    victim.node.ip("link set eth0 down")
    victim.kill(signal.SIGCONT)
    victim.until_said("carpdev eth0: eth0 has no carrier", 2.0)
    pair.wait_for_owner(second if role == "master" else first)
    stopped(victim)
    overflow(victim)
    victim.node.ip("link set eth0 up")
    victim.kill(signal.SIGCONT)
    victim.until_said("carpdev eth0: up", 2.0, times=2)
    pair.wait_for_owner(first)
    assert pair.longest_overlap() < SLACK
    assert "Traceback" not in victim.said()


def test_an_address_that_went_while_notices_overflowed_is_back_with_the_next_advertisement(pair: Group) -> None:
    first = pair.members[0]
    began = time.monotonic()
    stopped(first)
    overflow(first)
    first.node.ip(f"addr del {V4}/32 dev {own_interface(first)}")
    first.kill(signal.SIGCONT)
    pair.wait_for_owner(first)
    gap = pair.longest_gap(since=began)
    print(f"nobody for {gap:.3f} s")
    assert gap < 1.0 + SLACK + 0.5, "an interval, and how long it stood"
    assert pair.longest_overlap() < SLACK


def test_a_storm_of_notices_costs_neither_the_address_nor_an_advertisement(pair: Group) -> None:
    first = pair.members[0]
    began = time.monotonic()
    for _ in range(5):
        storm_of_routes(first)
    time.sleep(3.5)
    assert changes(pair, began, V4) == []


# ---------------------------------------------------------------------------------------------- what others add or take


def test_an_address_that_somebody_gives_to_a_backup_is_taken_away_at_once(pair: Group) -> None:
    """On the interface that is ours alone: a second owner that nobody elected."""
    first, second = pair.members
    began = time.monotonic()
    for _ in range(3):
        second.node.ip(f"addr add {V4}/32 dev {own_interface(second)}")
        until(lambda: not second.owns(), 1.0, "it is taken away")
    pair.wait_for_owner(first)
    assert pair.longest_overlap(since=began) < SLACK
    second.until_said("somebody gave this node 10.77.0.100, which another holds: taken away")
    assert first.stop() == 0
    pair.wait_for_owner(second)


def test_an_address_that_somebody_gives_to_a_backups_own_interface_is_named(pair: Group) -> None:
    """Not ours to take: the node may need it. Two owners, and the log says where, once."""
    first, second = pair.members
    second.node.ip(f"addr add {V4}/24 dev eth0")
    second.until_said("10.77.0.100 is an address of this node itself, on eth0 as 10.77.0.100/24")
    second.node.ip("addr add 10.77.0.61/32 dev eth0")
    time.sleep(1.0)
    assert second.said().count("is an address of this node itself") == 1
    assert (first.state(), second.state()) == ("MASTER", "BACKUP")
    second.node.ip(f"addr del {V4}/24 dev eth0")
    pair.wait_for_owner(first)


def test_a_carpdev_that_flaps_ten_times_is_never_owned_twice(pair: Group) -> None:
    first = pair.members[0]
    began = time.monotonic()
    for _ in range(10):
        first.node.link(up=False)
        time.sleep(0.15)
        first.node.link(up=True)
        time.sleep(0.15)
    pair.wait_for_owner(first)
    assert pair.longest_overlap(since=began) < SLACK


# ------------------------------------------------------------------------------------------------------- one-way cables


@contextlib.contextmanager
def asked(group: Group, seconds: float, **env: str) -> Iterator[Asker]:
    """Two nodes that serve time, the first is master, and a client that asks 50 times a second."""
    first, second = (group.add(None, CARP_NTP="127.0.0.1:123", **env) for _ in range(2))
    with TimeServer(first.node, "127.0.0.1", V4), TimeServer(second.node, "127.0.0.1", V4):
        for member in (first, second):
            member.start()
        group.wait_for_owner(first, 15)
        until(lambda: second.state() == "BACKUP", 5, "the second takes part")
        yield Asker(group, seconds, rate=50.0)


def test_a_master_that_says_nothing_costs_clients_no_more_than_a_cut_cable(group: Group) -> None:
    """Its kernel goes on owning the address where nobody can tell; who is answered is answered by the other."""
    with asked(group, 11.0) as asker:
        first = group.members[0]
        began = time.monotonic()
        mute(first)
        time.sleep(7.0)
        healed = time.monotonic()
        mute(first, heal=True)
        asker.ended()
        silence = asker.longest_silence(began)
        print(f"answers missing for {silence:.3f} s")
        assert silence < LEASE + 1.0
        assert [at for at in asker.unanswered() if began + LEASE + 1.0 < at < healed - 0.1] == []
        group.wait_for_owner(first)


def test_a_master_whose_advertisements_its_kernel_refuses_loses_the_address_to_its_lease(group: Group) -> None:
    """Only one that left renews it. It serves again when nobody better is left, and three that leave forgive it."""
    with asked(group, 24.0) as asker:
        first, second = group.members
        time.sleep(6.5)  # kernels make sure of new neighbours, which is test_cost's
        began = time.monotonic()
        speechless(first)
        took = group.wait_for_owner(second)
        two = group.longest_overlap(since=began)
        until(lambda: first.vhost()["demotion"]["causes"] == {"senderr": 240}, 2, "it is demoted")
        speechless(first, heal=True)
        time.sleep(2.0)
        assert group.owners() == {second.node.name}, "a backup says nothing, so it cannot show that it is well"
        second.control("resign")
        until(lambda: first.vhost()["demotion"]["total"] == 0, 9, "three advertisements forgive it")
        asker.ended()
        print(f"alone after {took:.2f} s, two owners for {1000 * two:.0f} ms, {len(asker.unanswered())} lost")
        assert [one for one in changes(group, began, V4) if len(one) == 1] == [{second.node.name}, {first.node.name}]
        assert took <= LEASE + 1.0
        assert two <= 1.0
        assert len(asker.unanswered()) <= LOST_MOST


def test_a_master_that_hears_nothing_stays_the_only_owner_and_answers_again_when_it_hears(group: Group) -> None:
    """What nobody can notice on this wire: its peers hear it each second, and silence is what it expects of them."""
    with asked(group, 9.0) as asker:
        first = group.members[0]
        began = time.monotonic()
        deaf(first)
        time.sleep(5.0)
        healed = time.monotonic()
        deaf(first, heal=True)
        asker.ended()
        assert changes(group, began, V4) == []
        assert [at for at in asker.unanswered() if at > healed + SLACK] == []
