"""The address follows good time: real daemons beside real NTP servers, with the product's own thresholds."""

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from sidecar.lab.services import CHRONY_COMMON, CHRONY_CONF
from sidecar.lab.space import Process
from tests.netns.group import RACE, V4, Group, Member, until
from tests.netns.time_server import TimeServer

LOST_UPSTREAMS = 2 * 3600.0
"""Seconds of reference age, beyond the daemon's 4500."""


def timed(group: Group, count: int) -> list[Member]:
    """So many nodes that watch their NTP server; neither is started."""
    return [group.add(CARP_NTP="127.0.0.1:123") for _ in range(count)]


def ntp_of(member: Member) -> tuple[str, int]:
    """The state of the watched server, and what it costs."""
    status = member.ask()
    return status["ntp"]["state"], status["vhosts"][0]["demotion"]["causes"].get("ntp", 0)


def until_ntp(member: Member, state: str, demotion: int, seconds: float) -> float:
    return until(lambda: ntp_of(member) == (state, demotion), seconds, f"{member.node.name} is {state}")


@contextmanager
def servers(members: list[Member], **says: float) -> Iterator[list[TimeServer]]:
    """One on each node, on every address; good unless told otherwise."""
    with ExitStack() as stack:
        yield [stack.enter_context(TimeServer(member.node, "127.0.0.1", V4, **says)) for member in members]


def chrony_that_finds_nobody(group: Group, member: Member) -> Process:
    """It runs, answers, and has never heard a source."""
    member.node.path("/run/chrony").mkdir(mode=0o750)
    member.node.write(CHRONY_CONF, "server 10.77.0.99 iburst\n" + CHRONY_COMMON)
    return member.node.spawn(["chronyd", "-x", "-d", "-f", CHRONY_CONF], log=group.folder / "deaf-chrony.log")


# ------------------------------------------------------------------------------------------------------ real chrony


def test_chrony_killed_on_the_master_moves_the_address_and_its_return_brings_it_back(group: Group) -> None:
    upstream = group.upstream()
    members = timed(group, 3)
    chronies = [group.serve_time(member, upstream.ipv4) for member in members]
    for member in members:
        member.start()
    first, second, third = members
    group.wait_for_owner(first, 20)
    for member in members:
        until_ntp(member, "ok", 0, 20)
    killed = time.monotonic()
    chronies[0].send_signal(signal.SIGKILL)
    group.wait_for_owner(second, 15)
    moved = time.monotonic() - killed
    assert ntp_of(first) == ("dead", 240)
    group.serve_time(first, upstream.ipv4)
    until_ntp(first, "ok", 0, 60)
    back = group.wait_for_owner(first, 10)
    print(f"moved after {moved:.1f} s, back {time.monotonic() - killed:.1f} s after the kill")
    assert group.longest_gap(since=killed) < RACE
    assert third.state() == "BACKUP"
    assert back < 5


def test_chrony_that_never_synchronised_is_no_master_while_another_is_good_but_better_than_none(group: Group) -> None:
    upstream = group.upstream()
    bad, good = timed(group, 2)
    chrony_that_finds_nobody(group, bad)
    bad.start()
    group.wait_for_owner(bad, 10)
    until_ntp(bad, "unsynchronised", 240, 10)
    assert bad.vhost()["effective_advskew"] == 240
    group.serve_time(good, upstream.ipv4)
    until(lambda: "Selected source" in (group.folder / "node2-chrony.log").read_text(), 20, "chrony is good")
    began = time.monotonic()
    good.start()
    group.wait_for_owner(good, 15)
    assert group.longest_gap(since=began) < RACE
    time.sleep(3.5)
    assert group.owners() == {good.node.name}
    group.power_off(good)
    group.wait_for_owner(bad, 10)
    assert bad.state() == "MASTER"


def test_a_chrony_that_starts_late_makes_its_node_master_only_then(group: Group) -> None:
    """A node whose server is not up yet takes part, demoted from its first advertisement on."""
    upstream = group.upstream()
    first, second = timed(group, 2)
    group.serve_time(second, upstream.ipv4)
    second.start()
    until_ntp(second, "ok", 0, 20)
    group.wait_for_owner(second, 10)
    with group.network.capture(expression="ip proto 112", node=first.node) as seen:
        first.start()
        until_ntp(first, "dead", 240, 10)
        time.sleep(3.0)
        assert seen.frames == []
        group.serve_time(first, upstream.ipv4)
        group.wait_for_owner(first, 25)


# ---------------------------------------------------------------------------------------------- what a server can say


def test_lost_upstreams_show_by_reference_age_alone_and_move_the_address(group: Group) -> None:
    """Leap 0, the same stratum, a small root distance: only the age of the reference tells."""
    members = timed(group, 2)
    first, second = members
    with servers(members) as (lost, _):
        for member in members:
            member.start()
        group.wait_for_owner(first)
        for member in members:
            until_ntp(member, "ok", 0, 10)
        began = time.monotonic()
        lost.says["age_s"] = LOST_UPSTREAMS
        moved = group.wait_for_owner(second, 15)
        assert ntp_of(first) == ("holdover", 80)
        status = first.ask()["ntp"]
        assert (status["leap"], status["stratum"]) == (0, 2)
        assert status["reference_age_s"] == pytest.approx(LOST_UPSTREAMS)
        first.until_said("reference age 7200 s is above 4500 s")
        assert group.longest_gap(since=began) < RACE
        assert moved < 8
        lost.says["age_s"] = 16.0
        group.wait_for_owner(first, 50)
        assert time.monotonic() - began > 30, "quick to demote, slow to forgive"


BAD = pytest.mark.parametrize(
    ("says", "state", "demotion"),
    [({"age_s": LOST_UPSTREAMS}, "holdover", 80), ({"leap": 3, "stratum": 0}, "unsynchronised", 240)],
    ids=["holdover", "unsynchronised"],
)


@BAD
def test_when_all_are_equally_bad_whoever_came_first_serves_and_nothing_moves(
    group: Group, says: dict[str, float], state: str, demotion: int
) -> None:
    members = timed(group, 3)
    first, *others = members
    with servers(members, **says):
        first.start()
        group.wait_for_owner(first, 10)
        for member in others:
            member.start()
        for member in members:
            until_ntp(member, state, demotion, 10)
        began = time.monotonic()
        time.sleep(5.0)
        assert group.owners() == {first.node.name}
        assert [one for one in group.watch.changes if one.at > began] == []


@BAD
def test_when_all_become_bad_there_is_one_owner_all_the_time(
    group: Group, says: dict[str, float], state: str, demotion: int
) -> None:
    """Some notice before others: while one is known to be better the address may go there, and then it stays."""
    members = timed(group, 3)
    with servers(members) as all_of_them:
        for member in members:
            member.start()
        group.wait_for_owner(members[0])
        for member in members:
            until_ntp(member, "ok", 0, 10)
        began = time.monotonic()
        for server in all_of_them:
            server.says |= says
        for member in members:
            until_ntp(member, state, demotion, 10)
        time.sleep(3.0)  # a node that is better again takes over at the next advertisement it hears, up to 2 s later
        settled = time.monotonic()
        time.sleep(4.0)
        assert len(group.owners()) == 1
        assert group.longest_gap(since=began) < RACE
        assert [one for one in group.watch.changes if one.at > settled] == []


def test_a_server_that_does_not_answer_on_the_address_costs_it(group: Group) -> None:
    """Bound to the loopback: healthy to whoever asks there, and clients of the address get nothing."""
    first, second = timed(group, 2)
    with TimeServer(first.node, "127.0.0.1"), TimeServer(second.node, "127.0.0.1", V4):
        first.start()
        group.wait_for_owner(first)
        until(lambda: first.vhost()["demotion"]["causes"] == {"vip": 240}, 10, "its silence counts")
        assert group.owners() == {first.node.name}, "nobody else is there: the least bad serves"
        assert first.ask()["ntp"] | {"state": "ok", "vip_answers": False} == first.ask()["ntp"]
        began = time.monotonic()
        second.start()
        group.wait_for_owner(second, 10)
        assert second.metric("carp_vip_answering") == 1
        time.sleep(3.0)
        assert group.owners() == {second.node.name}
        assert first.vhost()["demotion"]["causes"] == {"vip": 240}
        assert group.longest_gap(since=began) < RACE
