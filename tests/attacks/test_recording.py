"""Half a minute of a master's advertisements, played in their own time after its power was cut: none is believed."""

import itertools
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sidecar.lab.capture import Frame
from sidecar.lab.topology import Node
from tests.netns.faults import changes
from tests.netns.group import SLACK, V4, Group, group_on, is_advert, master_down, source_of, until

SECONDS = 30.0


def play(node: Node, frames: Sequence[Frame]) -> None:
    """Every frame as it was, with the pauses that were between them."""
    pauses = [(later.time_ns - earlier.time_ns) / 1e9 for earlier, later in itertools.pairwise(frames)]
    with node.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind(("eth0", 0))
        for frame, pause in zip(frames, [*pauses, 0.0], strict=True):
            wire.send(frame.data)
            time.sleep(pause)


def recorded(group: Group) -> list[Frame]:
    """What the master says in half a minute."""
    with group.network.capture(expression="ip proto 112") as seen:
        time.sleep(SECONDS)
    return [frame for frame in list(seen.frames) if is_advert(frame) and source_of(frame) == "10.77.0.1"]


def told(folder: Path, replay: str) -> str:
    """Do it to a pair; its last transition as the successor has it."""
    with group_on(folder) as group:
        first, second = (group.add(CARP_REPLAY=replay) for _ in range(2))
        for member in (first, second):
            member.start()
        group.wait_for_owner(first)
        until(lambda: second.state() == "BACKUP", 5, "the second takes part")
        frames = recorded(group)
        attacker = group.network.add_node("attacker", 66)
        cut = group.power_off(first)
        play(attacker, frames)
        owners = [sorted(one) for one in changes(group, cut - SLACK, V4)]
        taken = next(one.at for one in group.watch.changes if one.address == V4 and second.node.name in one.owners)
        print(
            f"{replay}: {len(frames)} played, taken over {taken - cut:.2f} s after the cut, {owners} {second.drops()}"
        )
        assert len(frames) >= SECONDS
        assert owners == [[], [second.node.name]]
        assert taken - cut <= master_down(20) + SLACK
        assert second.drops() == {"replay": len(frames)}
        return second.moves()[-1]


@pytest.mark.timeout(180)
@pytest.mark.usefixtures("namespaces")
def test_a_recording_of_half_a_minute_played_after_its_master_was_cut_changes_nothing(tmp_path: Path) -> None:
    modes = ("strict", "compat")
    for mode in modes:
        (tmp_path / mode).mkdir()
    with ThreadPoolExecutor(len(modes)) as pool:
        last = list(pool.map(lambda mode: told(tmp_path / mode, mode), modes))
    assert [one.partition(":")[0] for one in last] == ["BACKUP -> MASTER"] * 2
