"""The 64 bits of our own counter: what they say, who can read them, and what adding one does to them."""

import pytest

from sidecar.carp.marker import EPOCH, MAX_TICKS, Marker, Sealed, fit, ticks_of

KEYED = Marker(b"secret")
HEADERS = [(1, 0, 0), (0, 1, 0), (14, 254, 0), (1, 100, 80), (1, 240, 255), (255, 255, 0), (255, 255, 240)]


@pytest.mark.parametrize(("advbase", "advskew", "demote"), HEADERS)
def test_a_counter_says_what_its_header_says(advbase: int, advskew: int, demote: int) -> None:
    sealed = KEYED.read(KEYED.seal(12_345, advbase, advskew, demote))
    assert sealed is not None
    assert sealed[:3] == (12_345, advbase, advskew)
    assert sealed.agrees_with(advbase, advskew, demote)


def test_it_fits_into_64_bits() -> None:
    assert KEYED.seal(MAX_TICKS, 255, 255, 255).bit_length() == 64
    assert KEYED.seal(0, 0, 1, 0) < 1 << 31


@pytest.mark.parametrize(
    "altered", [(1, 99, 80), (1, 0, 80), (0, 100, 80), (2, 100, 80), (255, 255, 80), (1, 100, 0), (1, 100, 64)]
)
def test_an_altered_header_disagrees(altered: tuple[int, int, int]) -> None:
    sealed = KEYED.read(KEYED.seal(7, 1, 100, 80))
    assert sealed is not None
    assert not sealed.agrees_with(*altered)


def test_demotion_is_bound_in_steps_of_sixteen() -> None:
    sealed = KEYED.read(KEYED.seal(7, 1, 0, 80))
    assert sealed is not None
    assert [demote for demote in range(256) if sealed.agrees_with(1, 0, demote)] == list(range(65, 81))
    highest = KEYED.read(KEYED.seal(7, 1, 0, 240))
    assert highest is not None
    assert [demote for demote in range(256) if highest.agrees_with(1, 0, demote)] == list(range(225, 256))
    none = KEYED.read(KEYED.seal(7, 1, 0, 0))
    assert none is not None
    assert [demote for demote in range(256) if none.agrees_with(1, 0, demote)] == [0]


def test_the_demotion_of_a_bow_out_means_nothing() -> None:
    sealed = KEYED.read(KEYED.seal(7, 255, 255, 80))
    assert sealed is not None
    assert sealed.agrees_with(255, 255, 0)
    assert not sealed.agrees_with(1, 0, 80)


def test_another_key_does_not_read_it() -> None:
    unread = [KEYED.seal(ticks, 1, 0, 0) for ticks in range(1000) if Marker(b"other").read(KEYED.seal(ticks, 1, 0, 0))]
    assert len(unread) <= 2


def test_zeros_at_the_end_of_a_key_make_no_difference() -> None:
    assert Marker(b"secret\0\0").seal(5, 1, 0, 0) == KEYED.seal(5, 1, 0, 0)


def test_adding_one_breaks_the_mark_for_sixteen_thousand_steps() -> None:
    """ucarp, FreeBSD and NetBSD send what they heard plus one; what was marked for them was two masters."""
    counter = KEYED.seal(54_321, 1, 0, 0)
    assert [step for step in range(1 << 14) if KEYED.read(counter + step)] == [0]


@pytest.mark.parametrize(
    ("ticks", "advbase", "advskew", "fitting"),
    [
        (1000, 1, 0, 1000),
        (1000, 14, 0, 1000),
        (1000, 255, 255, 1000),
        (1000, 15, 0, 1039),
        (1039, 15, 0, 1039),
        (1040, 15, 0, 1295),
        (1000, 254, 254, 1022),
        (MAX_TICKS + 9, 1, 0, MAX_TICKS),
        (MAX_TICKS + 9, 15, 0, MAX_TICKS - 240),
    ],
)
def test_a_long_interval_stands_in_the_low_byte_of_the_ticks(
    ticks: int, advbase: int, advskew: int, fitting: int
) -> None:
    assert fit(ticks, advbase, advskew) == fitting


def test_a_long_interval_is_read_back() -> None:
    ticks = fit(1000, 200, 7)
    assert KEYED.read(KEYED.seal(ticks, 200, 7, 16)) == Sealed(ticks, 200, 7, 1)


@pytest.mark.parametrize(
    ("unix_time", "ticks"),
    [
        (EPOCH + 1, 16),
        (EPOCH + 1.5, 24),
        (EPOCH, 0),
        (EPOCH - 1, 0),
        (0.0, 0),
        (EPOCH + 29 * 365 * 86_400, 29 * 365 * 86_400 * 16),
        (EPOCH + 31 * 365 * 86_400, 0),
        (4e12, 0),
    ],
)
def test_a_clock_that_cannot_be_right_counts_as_none(unix_time: float, ticks: int) -> None:
    assert ticks_of(unix_time) == ticks
