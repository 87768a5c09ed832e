"""What an election tells of itself."""

import pytest

from sidecar.carp import events as on
from sidecar.carp.effects import State
from tests.unit.carp.told import OTHER, PEER, backup, master


def test_a_backup_names_its_master() -> None:
    node = backup(20, hears=0)
    heard = node.status.master
    assert heard is not None
    assert (heard.source, heard.advskew, heard.heard_at) == (PEER, 0, 0.0)


def test_a_backup_whose_master_has_left_names_none() -> None:
    node = backup(20, hears=0)
    node.hear_goodbye(after=0.5)
    assert node.status.master is None


def test_a_master_names_no_other() -> None:
    node = backup(20, hears=0)
    node.wait()
    assert node.state is State.MASTER
    assert node.status.master is None


def test_one_that_gave_way_names_whom_it_gave_way_to() -> None:
    node = master(20)
    node.hear(0, source=OTHER)
    assert node.status.master is not None
    assert node.status.master.source == OTHER


def test_since_and_reason_are_those_of_the_last_change() -> None:
    node = backup(20, hears=0)
    node.wait()
    assert node.status.since == pytest.approx(3.078125, abs=1e-6)
    assert node.status.reason == "master_down: nothing heard for 3.078 s"


def test_handing_over_and_resting_are_shown() -> None:
    node = master(20)
    seen = [node.status.handing_over]
    node.tell(on.ResignRequested(30.0))
    seen.append(node.status.handing_over)
    node.hear(150)
    seen.append(node.status.handing_over)
    assert seen == [False, True, False]
    assert node.status.resting_until == pytest.approx(node.now + 30.0)


def test_everybody_who_was_heard_is_listed() -> None:
    node = backup(20, hears=0)
    node.hear(5, source=OTHER)
    assert [peer.source for peer in node.status.peers] == [PEER, OTHER]
