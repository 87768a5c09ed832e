"""The ledger of causes, and the hysteresis of send errors."""

import pytest

from sidecar.carp.demotion import DemotionLedger, SendErrors


def test_causes_add_up_and_each_has_one_amount() -> None:
    ledger = DemotionLedger()
    assert [ledger.set("ntp", 80), ledger.set("maintenance", 240), ledger.set("ntp", 160)] == [80, 240, 80]
    assert ledger.total == 400
    assert ledger.causes == {"ntp": 160, "maintenance": 240}


def test_a_cause_that_is_gone_counts_no_more() -> None:
    ledger = DemotionLedger()
    ledger.set("ntp", 80)
    assert ledger.set("ntp", 0) == -80
    assert (ledger.total, ledger.causes) == (0, {})


def test_a_cause_that_was_never_set_may_be_cleared() -> None:
    assert DemotionLedger().set("ntp", 0) == 0


@pytest.mark.parametrize("amount", [-1, -240])
def test_no_cause_improves_a_node(amount: int) -> None:
    ledger = DemotionLedger()
    ledger.set("ntp", 80)
    assert ledger.set("other", amount) == 0
    assert ledger.total == 80


def test_what_is_shown_of_the_ledger_is_a_copy() -> None:
    ledger = DemotionLedger()
    ledger.causes["ntp"] = 240
    assert ledger.total == 0
    assert ledger.causes == {}


def after(story: str) -> SendErrors:
    """Failures and successes, one a letter."""
    errors = SendErrors()
    for letter in story:
        if letter == "x":
            errors.failed()
        else:
            errors.succeeded()
    return errors


@pytest.mark.parametrize(
    ("story", "demotion"),
    [
        ("", 0),
        ("xx", 0),
        ("xx.xx.xx", 0),
        ("xxx", 240),
        ("xxxxx", 240),
        ("xxx..", 240),
        ("xxx..x..", 240),
        ("xxx...", 0),
        ("xxx...xx", 0),
        ("xxx...xxx", 240),
        ("xxx..x...", 0),
    ],
)
def test_three_failures_in_a_row_demote_and_three_successes_in_a_row_forgive(story: str, demotion: int) -> None:
    assert after(story).demotion == demotion


def test_the_success_that_forgives_says_so() -> None:
    errors = after("xxx")
    assert [errors.succeeded() for _ in range(4)] == [False, False, True, False]
