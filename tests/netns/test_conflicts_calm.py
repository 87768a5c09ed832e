"""Nothing is noticed where nothing is wrong: every ordinary change of masters, other implementations, and a network
that sends our own frames back."""

import signal
import time

import pytest

from tests.netns.group import V4, V6, Group, Member, until
from tests.netns.segment import reflect
from tests.netns.test_interop_ucarp import Ucarp, sole_speaker

PATIENCE = 20.0
"""Seconds: daemons that start on a busy machine, ucarp that reacts late, and three intervals."""
JUDGED = 6.0
"""Seconds after a takeover within which the judge has begun and asked its first question."""


def alarms(group: Group) -> list[str]:
    """What any member ever said, and shows now."""
    said = [
        line for member in group.members for line in member.said().splitlines() if "VipC" in line or "Split" in line
    ]
    for member in group.members:
        if member.node.on and member.state():
            said += [f"{member.node.name}: {one}" for one in member.vhost()["conflicts"]]
    return said


def claims(member: Member, verdict: str) -> float:
    counted = member.metric(f'carp_address_claims_total{{verdict="{verdict}",vhid="10"}}')
    assert counted is not None
    return counted


@pytest.mark.parametrize("mac", ["virtual", "interface"])
def test_a_cold_start_of_three_and_every_way_to_leave_raise_no_alarm(dual: Group, mac: str) -> None:
    first, second, third = (dual.add(CARP_MAC=mac) for _ in range(3))
    for member in dual.members:
        member.start()
    dual.wait_for_owner(first, PATIENCE)
    time.sleep(JUDGED)
    assert first.stop() == 0
    dual.wait_for_owner(second, PATIENCE)
    time.sleep(JUDGED)
    second.kill(signal.SIGKILL)  # its kernel answers until the lease ends
    dual.wait_for_owner(third, PATIENCE)
    time.sleep(JUDGED)
    second.start()
    dual.wait_for_owner(second, PATIENCE)
    first.start()
    dual.wait_for_owner(first, PATIENCE)
    time.sleep(JUDGED)
    dual.power_off(first)
    dual.wait_for_owner(second, PATIENCE)
    time.sleep(JUDGED)
    dual.power_on(first)
    dual.wait_for_owner(first, PATIENCE)
    first.control("resign", "--for", "1")
    time.sleep(JUDGED)
    dual.wait_for_owner(first, PATIENCE)
    assert alarms(dual) == []


def test_a_frozen_master_that_wakes_raises_no_alarm(trio: Group) -> None:
    first, second, _ = trio.members
    first.node.freeze()
    trio.wait_for_owner(second, PATIENCE)
    time.sleep(JUDGED)
    first.node.thaw()
    trio.wait_for_owner(first, PATIENCE)
    time.sleep(JUDGED)
    assert alarms(trio) == []


@pytest.mark.parametrize("better", ["ours", "ucarp"])
def test_ucarp_in_the_group_raises_no_alarm(group: Group, better: str) -> None:
    """It announces the address with the MAC of its card, before it advertises."""
    ours, ucarp = group.add(advskew=0 if better == "ours" else 100), Ucarp(group, 100 if better == "ours" else 0)
    ours.start()
    group.wait_for_owner(ours, PATIENCE)
    time.sleep(JUDGED)
    ucarp.start()
    sole_speaker(group, ours.node.ipv4 if better == "ours" else ucarp.node.ipv4)
    if better == "ours":
        assert ours.stop() == 0
        sole_speaker(group, ucarp.node.ipv4)
        ours.start()
    else:
        ucarp.leave("term")
    group.wait_for_owner(ours, PATIENCE)
    time.sleep(JUDGED)
    assert alarms(group) == []


def test_a_killed_ucarp_that_leaves_its_address_behind_is_an_alarm(group: Group) -> None:
    """It has no lease: the address stays on a machine that nobody steers, and answers."""
    ours, ucarp = group.add(advskew=100), Ucarp(group, 0)
    ours.start()
    ucarp.start()
    sole_speaker(group, ucarp.node.ipv4)
    ucarp.kill()
    until(lambda: ours.state() == "MASTER", PATIENCE, "we take over")
    until(lambda: bool(ours.vhost()["conflicts"]), PATIENCE, "what it left behind is noticed")
    assert ours.vhost()["conflicts"][0]["mac"] == ucarp.node.mac


@pytest.mark.parametrize("mac", ["virtual", "interface"])
def test_a_switch_that_reflects_our_frames_is_no_other_master(dual: Group, mac: str) -> None:
    """Ours come back: counted as own, no yield, no alarm."""
    first, second = (dual.add(CARP_MAC=mac) for _ in range(2))
    for member in dual.members:
        reflect(dual, member)
        member.start()
    dual.wait_for_owner(first, PATIENCE)
    time.sleep(JUDGED + 3.0)
    assert first.drops()["own"] >= 3
    assert claims(first, "own") >= 2, "announcements and the question"
    assert first.stop() == 0
    dual.wait_for_owner(second, PATIENCE)
    first.start()
    dual.wait_for_owner(first, PATIENCE)
    time.sleep(JUDGED)
    assert dual.owners(V4) == dual.owners(V6) == {first.node.name}
    assert not [move for move in first.moves() if "MASTER -> BACKUP" in move], "the best one yields to nobody"
    assert alarms(dual) == []
