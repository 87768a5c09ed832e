"""Whom a new master relieves, when, and whom it lets be."""

from sidecar.kube.claims import LOOKS, SELDOM, Claim, Claims, Findings

DEAD = Claim("pod", "dead", "uid-1")
OTHER = Claim("node", "node2", "uid-2")


def master(now: float = 0.0, *, alone: bool = True) -> Claims:
    claims = Claims()
    claims.follow(master=True, alone=alone, interval=1.0, now=now)
    return claims


def test_a_backup_never_looks() -> None:
    claims = Claims()
    claims.follow(master=False, alone=False, interval=1.0, now=0.0)
    assert claims.due() is None
    assert claims.looked([DEAD], 1.0) == Findings((), ())


def test_a_new_master_looks_after_three_intervals_alone() -> None:
    assert master(10.0).due() == 13.0


def test_while_another_is_heard_the_look_is_put_off() -> None:
    claims = master(0.0)
    claims.follow(master=True, alone=False, interval=1.0, now=2.5)
    assert claims.due() == 5.5
    claims.follow(master=True, alone=True, interval=1.0, now=4.0)
    assert claims.due() == 5.5


def test_it_looks_again_soon_and_then_seldom() -> None:
    claims, looks = master(0.0), []
    for _ in range(7):
        now = claims.due()
        assert now is not None
        looks.append(now)
        claims.looked([], now)
    assert looks == [*(3.0 + after for after in LOOKS), 33.0 + SELDOM, 33.0 + 2 * SELDOM]


def test_a_stale_claim_is_taken_once_and_a_counter_claim_is_let_be() -> None:
    claims = master()
    assert claims.looked([DEAD, OTHER], 3.0) == Findings((DEAD, OTHER), ())
    claims.relieved(DEAD)
    assert claims.looked([DEAD], 4.5) == Findings((), (DEAD,))
    assert claims.rivals == (DEAD,)
    assert claims.looked([DEAD], 7.0) == Findings((), ())
    assert claims.rivals == (DEAD,)


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
    assert claims.due() == 12.0
    assert claims.looked([DEAD], 12.0) == Findings((DEAD,), ())
