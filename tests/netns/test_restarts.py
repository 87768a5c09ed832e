"""Restart storms where only the authenticated counter counts: nobody is locked out, and there is one master in time."""

import signal
import time

import pytest

from tests.netns.group import SLACK, Group, master_down, until

ROUNDS = 10


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
