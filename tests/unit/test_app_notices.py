"""What the notice board is told: stable while nothing changes, and each happening once."""

from dataclasses import replace

import pytest

from sidecar.app.notices import Chronicle, notice_of, vhost_notice
from sidecar.carp.conflicts import Conflict, ConflictKind, Says
from sidecar.carp.effects import State
from sidecar.report import Counters, VhostReport
from tests.unit.ops_reports import ADDRESSES, NOW, peer, report


def reasons(chronicle: Chronicle) -> list[str]:
    return [one.reason for one in chronicle.untold]


def test_a_virtual_host_is_told_with_all_that_labels_need() -> None:
    told = vhost_notice(report(State.MASTER, "master_down: silence"), "2026")
    assert (told.vhid, told.role, told.since, told.reason) == (10, "master", "2026", "master_down: silence")
    assert told.addresses == ("192.0.2.10", "2001:db8::10")
    assert (told.advskew, told.demotion, told.interval_s, told.alone) == (20, 0, round(1 + 20 / 256, 6), True)


def test_a_notice_does_not_change_because_time_passes() -> None:
    chronicle = Chronicle()
    first = notice_of([report(State.MASTER)], chronicle, 1)
    later = replace(report(State.MASTER), now=NOW + 60.0, wall=report(State.MASTER).wall + 60.004)
    assert notice_of([later], chronicle, 1) == first


@pytest.mark.parametrize(
    ("state", "heard", "left", "alone"),
    [
        (State.MASTER, 0.5, False, False),
        (State.MASTER, 0.5, True, True),
        (State.MASTER, 5.0, False, True),
        (State.BACKUP, 5.0, False, False),
    ],
)
def test_a_master_is_alone_when_nobody_advertised_for_three_intervals(
    state: State, heard: float, left: bool, alone: bool
) -> None:
    told = report(state, peers=(peer(heard=heard, left=left),))
    assert vhost_notice(told, "").alone is alone


def test_what_was_heard_before_the_mastership_does_not_count() -> None:
    told = report(State.MASTER, since=NOW - 0.2, peers=(peer(heard=0.5),))
    assert vhost_notice(told, "").alone


@pytest.mark.parametrize(
    ("state", "heard", "silence"),
    [
        (State.MASTER, (3.6, 9.0), 3.1),
        (State.MASTER, (0.2,), 0.0),
        (State.MASTER, (), 0.0),
        (State.BACKUP, (3.6,), 0.0),
    ],
)
def test_the_silence_that_elected_a_master_is_told(state: State, heard: tuple[float, ...], silence: float) -> None:
    told = report(state, since=NOW - 0.5, peers=tuple(peer(heard=seconds) for seconds in heard))
    assert vhost_notice(told, "").silence_s == silence


def follow(chronicle: Chronicle, *reports: VhostReport) -> list[str]:
    for one in reports:
        chronicle.follow([one])
    return reasons(chronicle)


def test_roles_are_told_when_they_change() -> None:
    backup, master = report(State.BACKUP), report(State.MASTER, "master_down: silence")
    chronicle = Chronicle()
    assert follow(chronicle, report(State.INIT), backup, backup, master, backup) == [
        "BecameBackup",
        "BecameMaster",
        "BecameBackup",
    ]
    assert chronicle.untold[1].note == "vhid 10: holds 192.0.2.10, 2001:db8::10: master_down: silence"


def test_demotion_and_recovery_are_told_once_each() -> None:
    well, ill = report(State.BACKUP), report(State.BACKUP, demotion=80, causes={"ntp": 80})
    worse = report(State.BACKUP, demotion=160, causes={"ntp": 160})
    chronicle = Chronicle()
    assert follow(chronicle, well, ill, worse, well) == ["BecameBackup", "Demoted", "Recovered"]
    assert chronicle.untold[1].note == "vhid 10: demoted by 80 (ntp 80)"
    assert chronicle.untold[1].warning


def test_forgeries_are_told_at_most_every_ten_minutes() -> None:
    def forged(count: int, now: float) -> VhostReport:
        return report(State.BACKUP, counters=Counters(dropped={"badauth": count}), now=now)

    chronicle = Chronicle()
    told = follow(chronicle, forged(3, NOW), forged(9, NOW + 1), forged(12, NOW + 700))
    assert told == ["BecameBackup", "AuthenticationFailures", "AuthenticationFailures"]
    assert chronicle.untold[2].note.startswith("vhid 10: 9 advertisements")


def test_what_was_told_is_forgotten_and_numbers_go_on() -> None:
    chronicle = Chronicle()
    follow(chronicle, report(State.BACKUP), report(State.MASTER))
    chronicle.told(1)
    assert [one.number for one in chronicle.untold] == [2]
    follow(chronicle, report(State.BACKUP))
    assert [one.number for one in chronicle.untold] == [2, 3]


def test_what_nobody_tells_is_bounded() -> None:
    chronicle = Chronicle()
    follow(chronicle, *([report(State.BACKUP), report(State.MASTER)] * 50))
    assert len(chronicle.untold) == 16


def test_a_conflict_is_told_once_and_again_only_after_a_while() -> None:
    """It comes and goes with every loss of a frame; each kind and each address is one of its own."""
    chronicle = Chronicle()
    stranger = Conflict(ConflictKind.VIP_CONFLICT, ADDRESSES[0].packed, b"\2\0\0\0\0\5", Says.REPLY, NOW, NOW)
    other = replace(stranger, kind=ConflictKind.SPLIT_BRAIN)
    for now, conflicts in ((0, (stranger,)), (10, ()), (20, (stranger,)), (30, (stranger, other)), (700, (stranger,))):
        chronicle.follow([report(State.MASTER, now=NOW + now, conflicts=conflicts)])
    told = [one for one in chronicle.untold if one.warning]
    assert [one.reason for one in told] == ["VipConflict", "SplitBrainSuspected", "VipConflict"]
    assert "02:00:00:00:00:05" in told[0].note
