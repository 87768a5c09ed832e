"""What `run` says of the timers of its host."""

import time

from tests.netns.group import Group


def test_a_dead_time_that_no_host_holds_is_told_at_the_start(group: Group) -> None:
    """Below 35 ms none does; that it runs all the same is its owner's wish."""
    short, plain = group.add(advskew=1, CARP_ADVBASE="0"), group.add()
    short.start()
    short.until_said("timers here are up to", 30)
    short.until_said("vhid=10 a dead time of 12 ms is short for this host")
    short.stop()
    plain.start()
    plain.until_said("timers here are up to", 30)
    time.sleep(0.5)
    assert "is short for this host" not in plain.said()
