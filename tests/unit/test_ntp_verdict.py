"""What one answer says of a server, and what a run of answers is worth. All times are worked out by hand."""

from dataclasses import replace

import pytest

from sidecar.ntp.packet import Refusal, Reply, check
from sidecar.ntp.verdict import HealthLedger, Miss, Outcome, Thresholds, Verdict, assess
from tests.unit.ntp_reply import COOKIE, reply_bytes

OK, HOLDOVER, STALE, UNSYNCHRONISED, DEAD = Verdict


def reply(**changes: object) -> Reply:
    outcome = check(reply_bytes(**changes), COOKIE)  # type: ignore[arg-type]
    assert isinstance(outcome, Reply)
    return outcome


GOOD = reply()
EXAMPLES: dict[Verdict, Outcome] = {
    OK: GOOD,
    HOLDOVER: reply(stratum=6),
    STALE: reply(age_s=90000.0),
    UNSYNCHRONISED: reply(leap=3, stratum=0, refid=b"INIT"),
    DEAD: Miss.TIMEOUT,
}


def after(*outcomes: tuple[Outcome, int], ledger: HealthLedger | None = None, start: int = 0) -> HealthLedger:
    """A ledger after so many of each outcome, one a second."""
    ledger = ledger or HealthLedger()
    now = start
    for outcome, times in outcomes:
        for _ in range(times):
            ledger.feed(outcome, float(now))
            now += 1
    return ledger


def seconds_until(state: Verdict, outcome: Outcome, ledger: HealthLedger, start: int) -> int:
    """Feeds `outcome` once a second from `start` on; how many seconds after the first one the state is reached."""
    for second in range(300):
        ledger.feed(outcome, float(start + second))
        if ledger.verdict is state:
            return second
    raise AssertionError(f"{state} is never reached from {ledger.verdict}")


# ----------------------------------------------------------------------------------------------------- one answer


def test_each_state_has_its_demotion() -> None:
    assert {str(state): state.demotion for state in Verdict} == {
        "ok": 0,
        "holdover": 80,
        "stale": 160,
        "unsynchronised": 240,
        "dead": 240,
    }


@pytest.mark.parametrize(
    ("outcome", "verdict", "why"),
    [
        pytest.param(reply(age_s=4500.0), OK, "stratum 2", id="reference age at the limit"),
        pytest.param(reply(age_s=4501.0), HOLDOVER, "reference age 4501 s is above 4500 s", id="lost upstream"),
        pytest.param(reply(age_s=86401.0), STALE, "reference age 86401 s is above 86400 s", id="lost for a day"),
        pytest.param(reply(stratum=1, refid=b"GPS\0", age_s=120.0), OK, "stratum 1", id="GNSS at the limit"),
        pytest.param(reply(stratum=1, refid=b"GPS\0", age_s=121.0), HOLDOVER, "121 s is above 120 s", id="GNSS lost"),
        pytest.param(reply(delay_s=0.1, dispersion_s=0.04), OK, "stratum 2", id="root distance 0.09 s"),
        pytest.param(reply(delay_s=0.1, dispersion_s=0.0625), HOLDOVER, "root distance 0.112", id="distance 0.11 s"),
        pytest.param(reply(delay_s=1.5, dispersion_s=0.5), STALE, "root distance 1.25 s is above 1 s", id="1.25 s"),
        pytest.param(reply(stratum=5), OK, "stratum 5", id="stratum 5"),
        pytest.param(reply(stratum=6), HOLDOVER, "stratum 6 is above 5", id="an appliance on its RTC"),
        pytest.param(reply(stratum=1, refid=bytes([127, 127, 1, 1])), STALE, "local clock", id="chrony local"),
        pytest.param(reply(stratum=4, refid=bytes([127, 127, 1, 0])), STALE, "local clock", id="ntpd driver 1"),
        pytest.param(reply(stratum=1, refid=b"LOCL"), STALE, "local clock (reference LOCL)", id="LOCL"),
        pytest.param(reply(refid=bytes([127, 0, 0, 1])), OK, "stratum 2", id="following the host's own server"),
        pytest.param(reply(reference=0), STALE, "does not say when", id="no reference time"),
        pytest.param(reply(age_s=-0.5), OK, "stratum 2", id="reference time ahead by fuzz"),
        pytest.param(reply(age_s=-30.0), STALE, "reference time is 30 s ahead", id="reference time ahead"),
        pytest.param(reply(leap=1), OK, "stratum 2", id="a leap second is announced"),
        pytest.param(reply(leap=3), UNSYNCHRONISED, "leap 3, stratum 2", id="leap 3"),
        pytest.param(reply(stratum=0), UNSYNCHRONISED, "leap 0, stratum 0", id="stratum 0"),
        pytest.param(reply(stratum=16), UNSYNCHRONISED, "leap 0, stratum 16", id="stratum 16"),
        pytest.param(reply(leap=3, stratum=0, refid=b"INIT"), UNSYNCHRONISED, "stratum 0, INIT", id="INIT"),
        pytest.param(Miss.TIMEOUT, DEAD, "no answer", id="no answer"),
        pytest.param(Miss.REFUSED, DEAD, "connection refused", id="refused"),
        pytest.param(Refusal.KISS_DENY, DEAD, "refuses to answer us (kiss_deny)", id="DENY"),
        pytest.param(Refusal.KISS_RSTR, DEAD, "refuses to answer us (kiss_rstr)", id="RSTR"),
        pytest.param(Refusal.KISS_RATE, None, "fewer queries", id="RATE"),
    ],
)
def test_one_answer_says(outcome: Outcome, verdict: Verdict | None, why: str) -> None:
    said, reason = assess(outcome, Thresholds())
    assert said is verdict
    assert why in reason


def test_a_local_clock_that_is_allowed_keeps_the_other_limits() -> None:
    allowed = Thresholds(allow_local_clock=True)
    assert assess(reply(stratum=3, refid=b"LOCL"), allowed)[0] is OK
    assert assess(reply(stratum=10, refid=bytes([127, 127, 1, 1])), allowed)[0] is HOLDOVER


# ---------------------------------------------------------------------------------------------------- from the start


def test_nothing_is_known_and_the_demotion_is_highest_before_the_first_answer() -> None:
    ledger = HealthLedger()
    assert (ledger.verdict, ledger.demotion, ledger.known, ledger.reason) == (DEAD, 240, False, "no answer yet")


def test_first_good_answer_is_ok_at_once() -> None:
    assert after((GOOD, 1)).verdict is OK


@pytest.mark.parametrize("before", [HOLDOVER, STALE, UNSYNCHRONISED, DEAD], ids=str)
def test_first_good_answer_is_ok_at_once_however_long_it_was_bad_before(before: Verdict) -> None:
    assert after((EXAMPLES[before], 100), (GOOD, 1)).verdict is OK


@pytest.mark.parametrize(("state", "probes"), [(HOLDOVER, 3), (STALE, 3), (UNSYNCHRONISED, 2)], ids=str)
def test_first_state_is_the_honest_one_after_its_own_count(state: Verdict, probes: int) -> None:
    assert after((EXAMPLES[state], probes - 1)).demotion == 240
    assert not after((EXAMPLES[state], probes - 1)).known
    assert after((EXAMPLES[state], probes)).verdict is state


def test_a_server_that_never_answered_is_known_to_be_dead_after_thirty_seconds() -> None:
    new = after((Miss.REFUSED, 30))
    assert (new.known, new.demotion, new.reason) == (False, 240, "no answer yet")
    dead = after((Miss.REFUSED, 31))
    assert (dead.known, dead.verdict, dead.reason) == (True, DEAD, "connection refused")


@pytest.mark.parametrize(("state", "probes"), [(HOLDOVER, 3), (STALE, 3), (UNSYNCHRONISED, 2)], ids=str)
@pytest.mark.parametrize("silence", [Miss.REFUSED, Miss.TIMEOUT, Miss.UNRESOLVED], ids=str)
def test_a_server_that_starts_after_us_owes_no_dwell(silence: Miss, state: Verdict, probes: int) -> None:
    assert after((silence, 29), (EXAMPLES[state], probes)).verdict is state


def test_one_that_has_answered_once_is_dead_after_three() -> None:
    assert not after((EXAMPLES[HOLDOVER], 1), (Miss.REFUSED, 2)).known
    assert after((EXAMPLES[HOLDOVER], 1), (Miss.REFUSED, 3)).known
    assert after((Refusal.KISS_RATE, 1), (Miss.REFUSED, 3)).known


def test_one_that_denies_us_from_the_first_question_is_dead_after_three() -> None:
    assert after((Refusal.KISS_DENY, 3)).known


def test_a_server_that_comes_after_its_time_has_to_show_itself_like_any_that_was_dead() -> None:
    ledger = after((Miss.REFUSED, 31))
    assert seconds_until(HOLDOVER, EXAMPLES[HOLDOVER], ledger, start=31) == 29


# -------------------------------------------------------------------------------------------------------------- worse


@pytest.mark.parametrize(("state", "probes"), [(HOLDOVER, 3), (STALE, 3), (UNSYNCHRONISED, 2), (DEAD, 3)], ids=str)
def test_a_state_is_entered_after_its_count_and_not_before(state: Verdict, probes: int) -> None:
    assert after((GOOD, 1), (EXAMPLES[state], probes - 1)).verdict is OK
    assert after((GOOD, 1), (EXAMPLES[state], probes)).verdict is state


def test_a_good_answer_between_begins_the_count_anew() -> None:
    bad = EXAMPLES[HOLDOVER]
    assert after((GOOD, 1), (bad, 2), (GOOD, 1), (bad, 2)).verdict is OK


def test_worse_answers_count_for_the_milder_state_too() -> None:
    ledger = after((GOOD, 1), (EXAMPLES[HOLDOVER], 1), (EXAMPLES[STALE], 1), (EXAMPLES[HOLDOVER], 1))
    assert ledger.verdict is HOLDOVER


def test_missing_answers_do_not_hide_a_lost_upstream() -> None:
    bad = EXAMPLES[HOLDOVER]
    assert after((GOOD, 1), (bad, 1), (Miss.TIMEOUT, 2), (bad, 1), (Miss.TIMEOUT, 2), (bad, 1)).verdict is HOLDOVER


def test_missing_answers_are_no_evidence_of_being_unsynchronised() -> None:
    assert after((GOOD, 1), (EXAMPLES[UNSYNCHRONISED], 1), (Miss.TIMEOUT, 2)).verdict is OK


def test_getting_worse_waits_for_no_dwell() -> None:
    ledger = after((GOOD, 1), (EXAMPLES[HOLDOVER], 3), (EXAMPLES[STALE], 3))
    assert ledger.verdict is STALE
    assert after((Miss.REFUSED, 3), ledger=ledger, start=7).verdict is DEAD


# ------------------------------------------------------------------------------------------------------------- better


@pytest.mark.parametrize(
    ("state", "probes", "leave"),
    [(HOLDOVER, 3, 30), (STALE, 3, 60), (UNSYNCHRONISED, 2, 60), (DEAD, 3, 29)],
    ids=str,
)
def test_a_state_is_left_after_time_on_end_of_good_answers(state: Verdict, probes: int, leave: int) -> None:
    """Dead is entered at its third miss and needs ten good answers, but its dwell of 30 s runs from that miss."""
    ledger = after((GOOD, 1), (EXAMPLES[state], probes))
    assert seconds_until(OK, GOOD, ledger, start=1 + probes) == leave


def test_ten_good_answers_leave_dead_once_the_dwell_is_over() -> None:
    ledger = after((GOOD, 1), (Miss.REFUSED, 60))
    assert seconds_until(OK, GOOD, ledger, start=61) == 9


def test_one_bad_answer_begins_the_time_anew() -> None:
    ledger = after((GOOD, 1), (EXAMPLES[HOLDOVER], 3), (GOOD, 25), (EXAMPLES[HOLDOVER], 1))
    assert seconds_until(OK, GOOD, ledger, start=30) == 30


def test_a_missing_answer_begins_the_time_anew() -> None:
    ledger = after((GOOD, 1), (EXAMPLES[STALE], 3), (GOOD, 50), (Miss.TIMEOUT, 1))
    assert seconds_until(OK, GOOD, ledger, start=55) == 60


def test_time_alone_earns_nothing_while_the_probe_stalls() -> None:
    ledger = after((GOOD, 1), (EXAMPLES[HOLDOVER], 3), (GOOD, 2))
    ledger.feed(GOOD, 1000.0)
    assert ledger.verdict is HOLDOVER


def test_the_new_state_is_the_worst_of_the_better_answers() -> None:
    ledger = after((GOOD, 1), (EXAMPLES[UNSYNCHRONISED], 2), (EXAMPLES[HOLDOVER], 50))
    assert seconds_until(HOLDOVER, GOOD, ledger, start=53) == 10
    assert ledger.reason == "stratum 6 is above 5"
    assert seconds_until(OK, GOOD, ledger, start=64) == 30


def test_better_than_stale_is_holdover_first_when_the_answers_say_so() -> None:
    ledger = after((GOOD, 1), (EXAMPLES[STALE], 3))
    assert seconds_until(HOLDOVER, EXAMPLES[HOLDOVER], ledger, start=4) == 60


# ----------------------------------------------------------------------------------------------------- equal demotion


def test_dead_becomes_unsynchronised_without_dwell_because_nothing_moves() -> None:
    ledger = after((GOOD, 1), (Miss.REFUSED, 3), (EXAMPLES[UNSYNCHRONISED], 2))
    assert ledger.verdict is UNSYNCHRONISED


def test_unsynchronised_becomes_dead_and_back_with_the_same_demotion() -> None:
    ledger = after((EXAMPLES[UNSYNCHRONISED], 2), (Miss.REFUSED, 3))
    assert (ledger.verdict, ledger.demotion) == (DEAD, 240)
    ledger = after((EXAMPLES[UNSYNCHRONISED], 1), ledger=ledger, start=5)
    assert ledger.verdict is DEAD
    assert after((EXAMPLES[UNSYNCHRONISED], 1), ledger=ledger, start=6).verdict is UNSYNCHRONISED


# -------------------------------------------------------------------------------------------------------- what is told


def test_being_asked_for_fewer_queries_is_neither_good_nor_dead() -> None:
    ledger = after((GOOD, 1), (Refusal.KISS_RATE, 50))
    assert ledger.verdict is OK
    assert after((Miss.TIMEOUT, 2), (Refusal.KISS_RATE, 1), (Miss.TIMEOUT, 2), ledger=ledger, start=51).verdict is OK


def test_a_server_that_denies_us_is_as_good_as_dead() -> None:
    assert after((GOOD, 1), (Refusal.KISS_DENY, 3)).verdict is DEAD


def test_the_last_answer_is_kept_and_forgotten_with_the_dead() -> None:
    assert after((GOOD, 1), (Miss.TIMEOUT, 2)).reply == GOOD
    assert after((GOOD, 1), (Miss.TIMEOUT, 3)).reply is None


def test_the_reason_follows_the_figures_while_the_state_stays() -> None:
    ledger = after((GOOD, 1), (reply(age_s=5000.0), 3), (reply(age_s=5003.0), 1), (GOOD, 1))
    assert ledger.reason == "reference age 5003 s is above 4500 s"


def test_limits_are_the_ledgers_own() -> None:
    limits = replace(Thresholds(), max_reference_age_s=3.0)
    assert after((GOOD, 3), ledger=HealthLedger(limits)).verdict is HOLDOVER
