"""Restart storms where only the authenticated counter counts: nobody is locked out, and there is one master in time."""

import signal
import time

import pytest

from tests.netns.group import SLACK, V4, Group, master_down, until
from tests.netns.test_faults_wire import asked
from tests.netns.test_restore import host

ROUNDS = 10
LOST_MOST = 5
"""Of fifty a second: a lease may end before the other one's patience. Cleared at once: 40 and more."""


def one_master(group: Group) -> bool:
    """The better node has the address and says so, and the other one has heard it."""
    first, second = group.members
    return (first.state(), second.state(), group.owners()) == ("MASTER", "BACKUP", {first.node.name})


@pytest.mark.timeout(240)
@pytest.mark.parametrize("which", [(0,), (1,), (0, 1)], ids=["the better", "the worse", "both at once"])
def test_ten_restarts_in_strict_mode_lock_nobody_out(group: Group, which: tuple[int, ...]) -> None:
    """Killed and ended in turn. Whoever begins anew knows nothing of what it said before, and is believed."""
    for _ in range(2):
        group.add(CARP_REPLAY="strict").start()
    until(lambda: one_master(group), 15, "the pair settles")
    those, took = [group.members[number] for number in which], []
    for number in range(ROUNDS):
        for member in those:
            member.kill(signal.SIGKILL if number % 2 else signal.SIGTERM)
        for member in those:
            member.stop()
        for member in those:
            member.start()
        until(lambda: all(member.state() for member in those), 10, "they take part")
        began = time.monotonic()
        until(lambda: one_master(group), 20, f"one master after restart {number}")
        took.append(time.monotonic() - began)
        assert [member.drops() for member in group.members] == [{}, {}]
    print(f"one master again after {[round(one, 2) for one in took]} s")
    assert max(took) <= 2 * master_down(20) + SLACK


@pytest.mark.parametrize("mac", ["virtual", "interface"])
def test_a_killed_master_that_is_started_again_at_once_lets_its_kernel_answer_until_the_other_does(
    group: Group, mac: str
) -> None:
    """As kubelet and systemd do it: what it left is not cleared before its lease ends."""
    with asked(group, 16.0, CARP_MAC=mac) as asker:
        first, second = group.members
        time.sleep(6.5)  # kernels make sure of new neighbours, which is test_cost's
        began = time.monotonic()
        first.kill(signal.SIGKILL)
        first.stop()
        first.start()
        until(lambda: second.owns() and not first.owns(), 6, "the other one takes over")
        until(lambda: one_master(group), 8, "the better one is back")
        asker.ended()
        print(f"not answered: {len(asker.unanswered())}")
        assert len(asker.unanswered()) <= LOST_MOST
        assert group.longest_overlap(V4, began) <= 1.0


def test_a_killed_daemon_that_is_ended_while_it_waits_for_its_lease_leaves_nothing(group: Group) -> None:
    member = group.add()
    before = host(member)
    member.start()
    group.wait_for_owner(member)
    member.kill(signal.SIGKILL)
    member.stop()
    member.start()
    member.until_said("addresses of an earlier run answer until their lease ends")
    assert member.owns()
    assert member.stop() == 0
    assert host(member) == before
