"""Whom a new master relieves, when, and whom it lets be."""

import pytest

from sidecar.kube.claims import CHALLENGED, LOOKS, RIVALRY, SELDOM, Claim, Claims, Findings

DEAD = Claim("pod", "dead", "uid-1")
OTHER = Claim("node", "node2", "uid-2")


def master(now: float = 0.0, *, alone: bool = True, silence: float = 0.0) -> Claims:
    claims = Claims()
    claims.follow(master=True, alone=alone, interval=1.0, now=now, silence=silence)
    return claims


def test_a_backup_never_looks() -> None:
    claims = Claims()
    claims.follow(master=False, alone=False, interval=1.0, now=0.0)
    assert claims.due() is None
    assert claims.looked([DEAD], 1.0) == Findings((), ())


@pytest.mark.parametrize(("silence", "after"), [(0.0, 2.0), (0.4, 1.6), (1.0, 1.0), (3.1, 1.0)])
def test_a_new_master_looks_after_two_intervals_of_silence_one_of_them_its_own(silence: float, after: float) -> None:
    assert master(10.0, silence=silence).due() == 10.0 + after


def test_while_another_is_heard_the_look_is_put_off() -> None:
    claims = master(0.0, silence=3.0)
    claims.follow(master=True, alone=False, interval=1.0, now=0.5, silence=3.0)
    assert claims.due() == 2.5
    claims.follow(master=True, alone=True, interval=1.0, now=2.0, silence=3.0)
    assert claims.due() == 2.5


def test_it_looks_again_soon_and_then_seldom() -> None:
    claims, looks = master(0.0), []
    for _ in range(7):
        now = claims.due()
        assert now is not None
        looks.append(now)
        claims.looked([], now)
    assert looks == [*(2.0 + after for after in LOOKS), 32.0 + SELDOM, 32.0 + 2 * SELDOM]


def test_a_stale_claim_is_taken_once_and_a_counter_claim_is_let_be() -> None:
    claims = master()
    assert claims.looked([DEAD, OTHER], 3.0) == Findings((DEAD, OTHER), ())
    claims.relieved(DEAD)
    assert claims.looked([DEAD], 4.5) == Findings((), (DEAD,))
    assert claims.rivals == (DEAD,)
    assert claims.looked([DEAD], 7.0) == Findings((), ())
    assert claims.rivals == (DEAD,)


def test_while_there_are_rivals_it_looks_more_often() -> None:
    claims = master()
    claims.looked([DEAD], 3.0)
    claims.relieved(DEAD)
    for now in (4.0, 6.0, 12.0, 32.0):
        claims.looked([DEAD], now)
    assert claims.due() == 32.0 + RIVALRY
    claims.looked([], 62.0)
    assert claims.due() == 62.0 + SELDOM


def test_what_could_not_be_taken_is_tried_again() -> None:
    claims = master()
    claims.looked([DEAD], 3.0)
    claims.failed(3.5)
    assert claims.due() == 3.5
    assert claims.looked([DEAD], 3.5).stale == (DEAD,)


def test_a_rival_that_gave_up_is_forgotten_and_would_be_news_again() -> None:
    claims = master()
    claims.looked([DEAD], 3.0)
    claims.relieved(DEAD)
    claims.looked([DEAD], 4.0)
    assert claims.looked([], 5.0) == Findings((), ())
    assert claims.rivals == ()
    assert claims.looked([DEAD], 6.0).rivals == (DEAD,)


def test_another_mastership_begins_anew() -> None:
    claims = master()
    claims.looked([DEAD], 3.0)
    claims.relieved(DEAD)
    claims.follow(master=False, alone=False, interval=1.0, now=5.0)
    claims.follow(master=True, alone=True, interval=1.0, now=9.0)
    assert claims.due() == 11.0
    assert claims.looked([DEAD], 11.0) == Findings((DEAD,), ())


def test_a_master_whose_own_label_was_taken_looks_soon_and_reports_who_else_is_without_relieving_him() -> None:
    claims = master()
    claims.looked([], 2.0)
    claims.challenged(100.0)
    assert claims.due() == 100.0 + CHALLENGED
    assert claims.looked([OTHER], 100.5) == Findings((), (OTHER,))
    assert claims.due() == 100.5 + LOOKS[1]
    assert claims.looked([OTHER], 102.0) == Findings((), ())
    assert claims.rivals == (OTHER,)


def test_who_took_a_label_by_mistake_is_no_rival_and_the_dead_are_relieved_again() -> None:
    claims = master()
    claims.challenged(5.0)
    assert claims.looked([], 5.5) == Findings((), ())
    assert claims.looked([DEAD], 7.0) == Findings((DEAD,), ())


def test_a_backup_cannot_be_challenged() -> None:
    claims = Claims()
    claims.challenged(1.0)
    assert claims.due() is None
