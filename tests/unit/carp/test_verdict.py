"""Who is better: less demotion, then the shorter interval; and who is so slow that it would time out anyway."""

import pytest

from sidecar.carp.config import Config, Dialect
from sidecar.carp.packet import Advertisement
from sidecar.carp.terms import Terms
from sidecar.carp.verdict import Standing, Verdict, compare, judge, our_standing, patience_us
from tests.unit.carp.told import VIP

FREEBSD, OPENBSD = Dialect.FREEBSD, Dialect.OPENBSD
BETTER, EQUAL, SLOWER = Verdict.BETTER, Verdict.EQUAL, Verdict.SLOWER
DEMOTED, HOPELESS = Verdict.DEMOTED, Verdict.HOPELESS


@pytest.mark.parametrize(
    ("theirs", "verdict"),
    [
        ((5, 99), BETTER),
        ((5, 100), EQUAL),
        ((5, 101), SLOWER),
        ((6, 1), DEMOTED),
        ((4, 999), BETTER),
    ],
)
def test_demotion_decides_before_the_interval(theirs: tuple[int, int], verdict: Verdict) -> None:
    assert compare(Standing(5, 100), Standing(*theirs)) is verdict


def verdict_on(config: Config, demotion: int, advbase: int, advskew: int, demote: int = 0) -> Verdict:
    ours, patience = our_standing(config, demotion), patience_us(config, demotion)
    return judge(config, ours, patience, Advertisement(1, advbase, advskew, demote, 0, b""))


@pytest.mark.parametrize(
    ("dialect", "demotion", "advbase", "advskew", "demote", "verdict"),
    [
        (FREEBSD, 0, 1, 99, 0, BETTER),
        (FREEBSD, 0, 1, 100, 0, EQUAL),
        (FREEBSD, 0, 1, 101, 0, SLOWER),
        (FREEBSD, 0, 0, 254, 0, BETTER),
        (FREEBSD, 0, 2, 0, 0, SLOWER),
        (FREEBSD, 0, 1, 99, 200, BETTER),  # the byte is OpenBSD's; nobody else looks at it
        (FREEBSD, 80, 1, 100, 0, BETTER),
        (FREEBSD, 240, 1, 240, 0, EQUAL),
        (OPENBSD, 0, 1, 99, 1, DEMOTED),
        (OPENBSD, 1, 1, 99, 1, BETTER),
        (OPENBSD, 1, 1, 254, 0, BETTER),
        (OPENBSD, 300, 1, 100, 255, EQUAL),
        (FREEBSD, 0, 255, 255, 0, HOPELESS),
        (FREEBSD, 0, 3, 99, 0, SLOWER),  # patience is 3.39 s
        (FREEBSD, 0, 3, 100, 0, SLOWER),
        (FREEBSD, 0, 3, 101, 0, HOPELESS),
        (FREEBSD, 0, 4, 0, 0, HOPELESS),
        (OPENBSD, 0, 4, 0, 0, SLOWER),  # patience is 4.17 s
        (OPENBSD, 0, 5, 0, 0, HOPELESS),
        (OPENBSD, 1, 5, 0, 0, BETTER),  # slow, but less demoted than we are
        (OPENBSD, 1, 255, 255, 0, HOPELESS),
    ],
)
def test_a_node_of_advbase_1_and_advskew_100_judges(
    dialect: Dialect, demotion: int, advbase: int, advskew: int, demote: int, verdict: Verdict
) -> None:
    config = Config(1, VIP, advbase=1, advskew=100, dialect=dialect)
    assert verdict_on(config, demotion, advbase, advskew, demote) is verdict


def test_at_advbase_0_nobody_is_too_slow_but_a_goodbye_counts() -> None:
    config = Config(1, VIP, advbase=0, advskew=25)
    assert verdict_on(config, 0, 1, 0) is SLOWER
    assert verdict_on(config, 0, 255, 254) is SLOWER
    assert verdict_on(config, 0, 255, 255) is HOPELESS


@pytest.mark.parametrize(
    ("dialect", "advskew", "demotion", "seconds"),
    [
        (FREEBSD, 0, 0, 3.0),
        (FREEBSD, 0, 240, 3.9375),
        (FREEBSD, 20, 240, 4.015625),
        (FREEBSD, 20, 80, 3.390625),
        (OPENBSD, 20, 0, 3.234375),
        (OPENBSD, 20, 128, 3.734375),
    ],
)
def test_the_less_fit_bears_silence_longer(dialect: Dialect, advskew: int, demotion: int, seconds: float) -> None:
    config = Config(1, VIP, advskew=advskew, dialect=dialect)
    assert patience_us(config, demotion) == pytest.approx(seconds * 1_000_000, abs=2)


@pytest.mark.parametrize("dialect", Dialect)
def test_what_was_judged_before_is_remembered_and_no_more_than_fits(dialect: Dialect) -> None:
    terms = Terms.of(Config(1, VIP, advskew=100, dialect=dialect), 0)
    for advskew in [*range(255), *range(255)]:
        advertisement = Advertisement(1, 1, advskew, 0, 0, b"")
        assert terms.judge(advertisement) is verdict_on(terms.config, 0, 1, advskew)
        assert len(terms.verdicts) <= 64
