"""A hand-over without a virtual MAC: neighbours learn another MAC, and what they sent before they did is answered."""

import array
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.app.linger import LINGER
from sidecar.lab.space import Process
from sidecar.lab.topology import Node
from sidecar.net.announcer import REPEATS
from tests.bench import prober, responder
from tests.netns import distance
from tests.netns.group import RACE, V4, Group, Member, longest, until

FAR = 0.002
"""Seconds to the client, one way."""

PROBES = "/run/probes"
ISOLATED = (sys.executable, "-I", "-S")


def far_client(group: Group) -> tuple[Node, Process]:
    """A client behind a long cable: without a moment's patience four of its questions in a hand-over are lost."""
    client, switch = group.network.add_node("client", 200), group.network.switch
    group.network.batch(
        f"link set {client.port} nomaster",
        "link add near type veth peer name far",
        "link set near up master br0",
        "link set far up",
    )
    switch.spawn([*ISOLATED, str(distance.__file__), "far", client.port, str(FAR)])
    until(lambda: client.run(["ping", "-c", "1", "-W", "1", V4]).returncode == 0, 10, "the client reaches the address")
    return client, client.spawn([*ISOLATED, str(prober.__file__), V4, PROBES])


def pair(group: Group, **settings: str) -> tuple[Member, Member]:
    """Two nodes that serve time at the address, each with its own MAC."""
    first, second = (group.add(skew, CARP_MAC="interface", **settings) for skew in (25, 26))
    for member in (first, second):
        member.node.spawn([*ISOLATED, str(responder.__file__), str(member.node.number)])
        member.start()
    group.wait_for_owner(first)
    until(lambda: second.state() == "BACKUP", 8, "the second takes part")
    return first, second


def lost(client: Node, since: float, until_: float) -> int:
    """How many questions of that time were not answered, once the prober has ended."""
    numbers = array.array("d", client.path(PROBES).read_bytes())
    return sum(since <= numbers[at] < until_ and not numbers[at + 1] for at in range(0, len(numbers), 3))


@pytest.mark.parametrize("advbase", ["0", "1"])
def test_a_client_two_milliseconds_away_loses_nothing(group: Group, advbase: str) -> None:
    """The median of six hand-overs: a machine that stalls may cost one of them a question."""
    first, second = pair(group, CARP_ADVBASE=advbase)
    client, asking = far_client(group)
    moved: list[tuple[float, float]] = []

    def move(act: Callable[[], object], to: Member) -> None:
        began = time.monotonic()
        act()
        group.wait_for_owner(to)
        time.sleep(0.3)
        moved.append((began, time.monotonic()))

    for _ in range(2):
        move(lambda: first.ask("resign", seconds=1.5), second)
        move(lambda: None, first)  # it comes back by itself
    move(lambda: first.kill(15), second)
    assert first.daemon is not None
    first.daemon.wait(10)
    move(first.start, first)
    asking.stop(10.0)
    counted = [lost(client, *times) for times in moved]
    assert statistics.median(counted) == 0, counted


def test_the_predecessor_answers_a_moment_longer_and_the_successor_has_the_last_word(
    group: Group, tmp_path: Path
) -> None:
    """What both told a neighbour meanwhile is put right by an announcement that comes after the release."""
    first, second = pair(group, CARP_ADVBASE="0")
    overlaps = []
    for _ in range(4):
        began = time.monotonic()
        with group.network.capture(expression="arp[6:2] <= 2 and arp[14:4] == arp[24:4]", node=second.node) as seen:
            first.ask("resign", seconds=1.5)
            group.wait_for_owner(second)
            released = time.time()
            time.sleep(0.3)
        assert [one for one in seen.frames if one.time_ns / 1e9 > released], "the successor speaks last"
        overlaps.append(longest(group.watch, V4, began, lambda owners: len(owners) > 1))
        assert group.longest_gap(since=began) < RACE
        group.wait_for_owner(first)
    assert max(overlaps) > LINGER / 2
    assert min(overlaps) < 1.0
    assert REPEATS[0] > LINGER, "what both told is put right at once"
