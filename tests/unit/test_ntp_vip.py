"""Whether a virtual address answers NTP while it is held, and what its silence costs. Times by hand."""

import pytest

from sidecar.ntp.verdict import Thresholds, VipLedger


def silent_until(end: int, ledger: VipLedger, start: int = 0, server_answers: bool = True) -> VipLedger:
    """Unanswered questions once a second, the last one at `end`."""
    for second in range(start, end + 1):
        ledger.missed(float(second), server_answers)
    return ledger


@pytest.fixture
def held() -> VipLedger:
    ledger = VipLedger()
    ledger.hold(0.0)
    return ledger


@pytest.fixture
def blamed(held: VipLedger) -> VipLedger:
    return silent_until(3, held)


def test_nothing_is_known_of_an_address_that_is_not_held() -> None:
    assert (VipLedger().answers, VipLedger().demotion) == (None, 0)


def test_silence_is_forgiven_for_three_seconds_after_promotion(held: VipLedger) -> None:
    silent_until(2, held)
    assert (held.answers, held.demotion) == (None, 0)


def test_an_address_silent_for_three_seconds_demotes(blamed: VipLedger) -> None:
    assert (blamed.answers, blamed.demotion) == (False, 240)


def test_the_question_at_three_seconds_counts_though_the_timer_was_early(held: VipLedger) -> None:
    held.missed(2.999, server_answers=True)
    assert held.demotion == 240


def test_the_next_answer_recovers_at_once(blamed: VipLedger) -> None:
    blamed.answered(4.0)
    assert (blamed.answers, blamed.demotion) == (True, 0)


def test_three_seconds_of_silence_count_from_the_last_answer(held: VipLedger) -> None:
    held.answered(10.0)
    assert silent_until(12, held, start=11).demotion == 0
    assert held.answers is True
    assert silent_until(13, held, start=13).demotion == 240


def test_silence_of_the_server_itself_is_reported_and_costs_nothing_more(held: VipLedger) -> None:
    silent_until(60, held, server_answers=False)
    assert (held.answers, held.demotion) == (False, 0)


def test_an_address_has_three_seconds_from_when_the_server_answers_again(held: VipLedger) -> None:
    silent_until(60, held, server_answers=False)
    assert silent_until(62, held, start=61).demotion == 0
    assert silent_until(63, held, start=63).demotion == 240


def test_an_address_that_answered_is_forgotten_when_released(held: VipLedger) -> None:
    held.answered(1.0)
    held.release(2.0)
    assert (held.answers, held.held) == (None, False)


def test_a_silent_address_counts_for_a_minute_after_it_was_given_up(blamed: VipLedger) -> None:
    blamed.release(10.0)
    blamed.tick(69.9)
    assert (blamed.answers, blamed.demotion) == (False, 240)
    blamed.tick(70.0)
    assert (blamed.answers, blamed.demotion) == (None, 0)


def test_the_hold_doubles_each_time_up_to_an_hour(blamed: VipLedger) -> None:
    holds = []
    now = 10.0
    for _ in range(8):
        blamed.release(now)
        end = next(second for second in range(1, 10000) if not _demoted_at(blamed, now + second))
        holds.append(end)
        now += end
        blamed.hold(now)
        now += 3
        blamed.missed(now, server_answers=True)
    assert holds == [60, 120, 240, 480, 960, 1920, 3600, 3600]


def _demoted_at(ledger: VipLedger, now: float) -> bool:
    ledger.tick(now)
    return ledger.demotion > 0


def test_an_answer_ends_the_doubling(blamed: VipLedger) -> None:
    blamed.release(10.0)
    blamed.hold(20.0)
    blamed.answered(21.0)
    silent_until(24, blamed, start=22)
    blamed.release(24.0)
    blamed.tick(84.0)
    assert blamed.demotion == 0


def test_an_address_held_again_by_the_least_bad_keeps_its_demotion_until_it_answers(blamed: VipLedger) -> None:
    blamed.release(10.0)
    blamed.hold(20.0)
    blamed.tick(500.0)
    assert blamed.demotion == 240
    blamed.answered(501.0)
    assert blamed.demotion == 0


def test_limits_are_the_ledgers_own() -> None:
    ledger = VipLedger(Thresholds(vip_grace_s=1.0))
    ledger.hold(0.0)
    ledger.missed(1.0, server_answers=True)
    assert ledger.demotion == 240


def test_a_daemon_that_was_frozen_does_not_blame_its_address_for_the_time_it_slept() -> None:
    """Its lease ran out meanwhile; the next advertisement brings the address back."""
    ledger = VipLedger()
    ledger.hold(0.0)
    ledger.answered(1.0)
    ledger.missed(8.0, server_answers=True)
    assert (ledger.answers, ledger.demotion) == (True, 0)
    for second in (9.0, 10.0, 11.0):
        ledger.missed(second, server_answers=True)
    assert (ledger.answers, ledger.demotion) == (False, 240)
