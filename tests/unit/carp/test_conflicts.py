"""Who else answers for our address: only a master judges, only when its takeover is over, only what it hears twice."""

import itertools
from ipaddress import ip_address

import pytest

from sidecar.carp.conflicts import (
    DEFEND,
    FORGET,
    FORGET_OPEN,
    PROBE_EVERY,
    PROBE_OPEN,
    Conflict,
    ConflictJudge,
    ConflictKind,
    Orders,
    Pace,
    Says,
    Sighting,
    Verdict,
    describe,
)

ADDRESS = ip_address("192.0.2.10").packed
PEER = ip_address("192.0.2.2").packed
VIRTUAL, OWN, MEMBER, STRANGER = (bytes((0, 0, 0, 0, 0, number)) for number in (1, 2, 3, 4))
PACE = Pace(grace=4.0, patience=2.0, insistence=5.0)
JUDGING = 100.0 + PACE.grace


def sighting(mac: bytes = STRANGER, says: Says = Says.REPLY, **changes: object) -> Sighting:
    return Sighting(ADDRESS, mac, says, mac + says.encode())._replace(**changes)  # type: ignore[arg-type]


@pytest.fixture
def judge() -> ConflictJudge:
    """Of a node that became master at 100 s."""
    made = ConflictJudge(lambda: 0.5)
    made.live_at(VIRTUAL, {OWN})
    made.reign(100.0, PACE)
    return made


def kinds(judge: ConflictJudge) -> list[ConflictKind]:
    return [one.kind for one in judge.conflicts]


# Verdicts


@pytest.mark.parametrize("mac", [VIRTUAL, MEMBER, STRANGER])
def test_a_backup_expects_whatever_the_master_says(mac: bytes) -> None:
    judge = ConflictJudge(lambda: 0.5)
    judge.live_at(VIRTUAL, {OWN})
    assert judge.see(sighting(mac), 500.0) is Verdict.EXPECTED
    assert judge.deadline == float("inf")


def test_until_a_takeover_is_over_the_old_master_may_answer(judge: ConflictJudge) -> None:
    assert judge.see(sighting(VIRTUAL), JUDGING - 0.1) is Verdict.EXPECTED
    assert judge.see(sighting(VIRTUAL), JUDGING) is Verdict.MEMBER


def test_a_mac_that_advertises_is_a_member_and_any_other_a_stranger(judge: ConflictJudge) -> None:
    assert judge.see(sighting(MEMBER), JUDGING) is Verdict.STRANGER
    judge.meet(PEER, MEMBER, 101.0)
    assert judge.see(sighting(MEMBER), JUDGING) is Verdict.MEMBER
    assert judge.counts[Verdict.STRANGER] == judge.counts[Verdict.MEMBER] == 1


def test_only_so_many_members_are_remembered(judge: ConflictJudge) -> None:
    judge.meet(PEER, MEMBER, 101.0)
    for number in range(64):
        judge.meet(PEER, bytes((9, 9, 9, 9, 9, number)), 101.0)
    assert judge.see(sighting(MEMBER), JUDGING) is Verdict.STRANGER


def test_what_comes_back_from_the_network_is_our_own(judge: ConflictJudge) -> None:
    """From our own MAC always, from the virtual one when we sent the same a moment ago."""
    assert judge.see(sighting(OWN, Says.PROBE), JUDGING) is Verdict.OWN
    assert judge.see(sighting(VIRTUAL, outgoing=True), JUDGING) is None
    assert judge.see(sighting(VIRTUAL), JUDGING + 1.9) is Verdict.OWN
    assert judge.see(sighting(VIRTUAL), JUDGING + 2.1) is Verdict.MEMBER
    assert judge.counts[Verdict.OWN] == 2


def test_only_so_many_of_our_own_frames_are_remembered(judge: ConflictJudge) -> None:
    for number in range(65):
        judge.see(Sighting(ADDRESS, VIRTUAL, Says.REQUEST, bytes((number,)), outgoing=True), JUDGING)
    assert judge.see(Sighting(ADDRESS, VIRTUAL, Says.REQUEST, bytes((0,))), JUDGING) is Verdict.MEMBER
    assert judge.see(Sighting(ADDRESS, VIRTUAL, Says.REQUEST, bytes((1,))), JUDGING) is Verdict.OWN


def test_who_asks_whether_the_address_is_free_is_no_conflict(judge: ConflictJudge) -> None:
    for at in (JUDGING, JUDGING + 10):
        assert judge.see(sighting(says=Says.PROBE), at) is Verdict.WANTED
    assert judge.conflicts == ()


# Conflicts


@pytest.mark.parametrize(("mac", "kind"), [(STRANGER, ConflictKind.VIP_CONFLICT), (VIRTUAL, ConflictKind.SPLIT_BRAIN)])
def test_a_second_claim_after_a_patience_confirms_the_first(
    judge: ConflictJudge, mac: bytes, kind: ConflictKind
) -> None:
    judge.see(sighting(mac), JUDGING)
    judge.see(sighting(mac), JUDGING + PACE.patience - 0.1)
    assert kinds(judge) == []
    judge.see(sighting(mac, Says.ANNOUNCEMENT), JUDGING + PACE.patience)
    assert judge.conflicts == (
        Conflict(kind, ADDRESS, mac, Says.ANNOUNCEMENT, JUDGING, JUDGING + PACE.patience, 3, confirmed=True),
    )


def test_a_first_claim_makes_us_ask_after_a_patience(judge: ConflictJudge) -> None:
    judge.tick(JUDGING + 1)
    judge.see(sighting(), JUDGING + 10)
    assert judge.deadline == JUDGING + 10 + PACE.patience
    assert judge.tick(JUDGING + 10 + PACE.patience).probe


def test_one_claim_alone_is_forgotten(judge: ConflictJudge) -> None:
    judge.see(sighting(), JUDGING)
    judge.see(sighting(), JUDGING + FORGET)
    assert judge.conflicts == ()


def test_a_conflict_is_over_some_time_after_the_last_claim(judge: ConflictJudge) -> None:
    judge.see(sighting(), JUDGING)
    judge.see(sighting(), JUDGING + 5)
    judge.tick(JUDGING + 5 + FORGET_OPEN - 0.1)
    assert kinds(judge) == [ConflictKind.VIP_CONFLICT]
    judge.tick(JUDGING + 5 + FORGET_OPEN)
    assert kinds(judge) == []


def test_a_conflict_ends_with_the_mastership(judge: ConflictJudge) -> None:
    judge.see(sighting(), JUDGING)
    judge.see(sighting(), JUDGING + 5)
    judge.abdicate()
    assert (judge.conflicts, judge.deadline) == ((), float("inf"))


def test_claims_of_two_masterships_do_not_add_up(judge: ConflictJudge) -> None:
    judge.see(sighting(), JUDGING)
    judge.reign(110.0, PACE)
    judge.see(sighting(), 120.0)
    assert judge.conflicts == ()


def test_a_flood_of_names_leaves_the_latest_few(judge: ConflictJudge) -> None:
    for at in (JUDGING, JUDGING + 3):
        for number in range(40):
            judge.see(sighting(address=bytes((10, 0, 0, number))), at)
    assert len(judge.conflicts) <= 32


# Advertisements of a worse master


def test_a_worse_master_that_goes_on_advertising_does_not_hear_us(judge: ConflictJudge) -> None:
    for second in range(6):
        assert judge.conflicts == ()
        judge.meet(PEER, MEMBER, JUDGING + second)
    (found,) = judge.conflicts
    assert (found.kind, found.source, found.says) == (ConflictKind.SPLIT_BRAIN, PEER, Says.ADVERTISEMENT)


def test_two_short_collisions_a_minute_apart_are_no_split_brain(judge: ConflictJudge) -> None:
    for second in (0, 1, 60, 61):
        judge.meet(PEER, MEMBER, JUDGING + second)
    assert judge.conflicts == ()


def test_advertisements_during_a_takeover_count_for_nothing(judge: ConflictJudge) -> None:
    for second in range(100, int(JUDGING + PACE.insistence)):
        judge.meet(PEER, MEMBER, float(second))
    assert judge.conflicts == ()


# What is done


def test_a_new_master_asks_when_its_takeover_is_over_and_then_once_a_minute(judge: ConflictJudge) -> None:
    assert judge.deadline == JUDGING + 0.5
    assert judge.tick(JUDGING) == Orders()
    assert judge.tick(JUDGING + 0.5) == Orders(probe=True)
    assert judge.deadline == JUDGING + 0.5 + PROBE_EVERY * 1.1


def test_it_asks_more_often_while_there_is_a_conflict(judge: ConflictJudge) -> None:
    judge.see(sighting(VIRTUAL), JUDGING)
    judge.tick(JUDGING + 2)
    judge.see(sighting(VIRTUAL), JUDGING + 2)
    assert judge.tick(JUDGING + 2) == Orders()
    assert judge.deadline == JUDGING + 2 + PROBE_OPEN * 1.1
    assert judge.tick(judge.deadline).probe
    assert judge.deadline == JUDGING + 2 + 2 * PROBE_OPEN * 1.1


def test_a_stranger_is_answered_by_one_announcement_in_ten_seconds(judge: ConflictJudge) -> None:
    announced = []
    for tenth in range(600):
        now = JUDGING + tenth / 10
        judge.see(sighting(says=Says.ANNOUNCEMENT), now)
        if judge.tick(now).announce:
            announced.append(now)
    assert announced[0] == pytest.approx(JUDGING + PACE.patience, abs=0.11)
    assert 5 <= len(announced) <= 6
    assert min(later - earlier for earlier, later in itertools.pairwise(announced)) >= DEFEND


def test_another_member_is_not_answered_at_all(judge: ConflictJudge) -> None:
    """Announcing against the same MAC would only make the switch change its mind twice as often."""
    for tenth in range(600):
        judge.see(sighting(VIRTUAL), JUDGING + tenth / 10)
        assert not judge.tick(JUDGING + tenth / 10).announce


# Words


def test_a_person_is_told_who_and_what_to_do() -> None:
    stranger = Conflict(ConflictKind.VIP_CONFLICT, ADDRESS, STRANGER, Says.REPLY, 0.0, 0.0)
    assert "a stranger answers for 192.0.2.10" in describe(stranger)
    assert "00:00:00:00:00:04" in describe(stranger)
    split = Conflict(ConflictKind.SPLIT_BRAIN, ADDRESS, VIRTUAL, Says.REPLY, 0.0, 0.0)
    assert "two masters" in describe(split)
    heard = Conflict(ConflictKind.SPLIT_BRAIN, b"", MEMBER, Says.ADVERTISEMENT, 0.0, 0.0, source=PEER)
    assert "192.0.2.2 (00:00:00:00:00:03) advertises as master too" in describe(heard)
