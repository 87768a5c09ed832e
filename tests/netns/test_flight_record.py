"""What real daemons did, as their flight recorders tell it, an election of today does again; no record holds a key."""

import json
import signal
from pathlib import Path

from tests.netns.group import PASSPHRASE, Group, Member, until
from tests.sim.replay import read, replay


def record(member: Member) -> list[str]:
    """The lines that SIGUSR1 leaves beside the control socket."""
    member.kill(signal.SIGUSR1)
    folder = member.node.path("/run/carp-sidecar")
    files: list[Path] = []

    def complete() -> bool:
        files[:] = sorted(folder.glob("flight-*"))
        return bool(files) and files[-1].read_text().endswith("}\n") and _is_whole(files[-1])

    until(complete, 5.0, "the flight record is written")
    return files[-1].read_text().splitlines()


def _is_whole(file: Path) -> bool:
    head, *steps = file.read_text().splitlines()
    return bool(json.loads(head)["steps"] == len(steps))


def test_a_failover_and_a_hand_over_replay_to_the_same_effects(pair: Group) -> None:
    first, second = pair.members
    first.node.link(up=False)
    pair.wait_for_owner(second)
    first.node.link(up=True)
    pair.wait_for_owner(first)
    first.control("resign", "--for", "2")
    pair.wait_for_owner(second)
    pair.wait_for_owner(first, 10.0)
    for member in (first, second):
        lines = record(member)
        dump = read(lines)
        assert dump.has_the_beginning
        assert len(dump.steps) > 20
        assert replay(dump) == []
        assert PASSPHRASE not in "".join(lines)
        assert PASSPHRASE.encode().hex() not in "".join(lines)
