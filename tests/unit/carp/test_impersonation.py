"""A source that is carp-sidecar stays it; one that became something else is believed after ten minutes of it."""

from sidecar.carp.impersonation import PAUSE, PERIOD, MarkedSources
from tests.unit.carp.told import OTHER, PEER


def refused(sources: MarkedSources, start: float, seconds: float, every: float = 1.0) -> list[bool]:
    beats = range(int(seconds / every) + 1)
    return [sources.refuses(PEER, PAUSE, start + beat * every) for beat in beats]


def test_a_source_that_never_was_marked_is_not_refused() -> None:
    sources = MarkedSources()
    sources.hear(OTHER)
    assert not sources.refuses(PEER, PAUSE, 0.0)


def test_a_marked_source_without_a_mark_is_refused() -> None:
    sources = MarkedSources()
    sources.hear(PEER)
    assert sources.refuses(PEER, PAUSE, 1.0)
    assert [one in sources for one in (PEER, OTHER)] == [True, False]


def test_ten_minutes_of_nothing_else_make_it_another_implementation() -> None:
    sources = MarkedSources()
    sources.hear(PEER)
    beats = refused(sources, 5.0, PERIOD + 5)
    assert beats[:600] == [True] * 600
    assert beats[600:] == [False] * 6


def test_waiting_does_not_help() -> None:
    sources = MarkedSources()
    sources.hear(PEER)
    assert sources.refuses(PEER, PAUSE, 0.0)
    assert sources.refuses(PEER, PAUSE, 86_400.0)
    assert sources.refuses(PEER, PAUSE, 86_400.0 + PAUSE + 1)
    assert all(refused(sources, 90_000.0, PERIOD - 1))


def test_one_marked_advertisement_begins_the_period_anew() -> None:
    sources = MarkedSources()
    sources.hear(PEER)
    assert all(refused(sources, 0.0, 590.0))
    sources.hear(PEER)
    assert all(refused(sources, 591.0, 590.0))


def test_intervals_longer_than_a_minute_are_no_pause_where_ours_are_as_long() -> None:
    sources = MarkedSources()
    sources.hear(PEER)
    assert [sources.refuses(PEER, 600.0, at * 200.0) for at in range(5)] == [True, True, True, False, False]


def test_only_so_many_are_remembered_and_the_one_silent_for_longest_makes_room() -> None:
    sources = MarkedSources()
    for number in range(64):
        sources.hear(number.to_bytes(4, "big"))
    sources.hear(bytes(4))
    sources.hear(PEER)
    assert sources.refuses(bytes(4), PAUSE, 0.0)
    assert sources.refuses(PEER, PAUSE, 0.0)
    assert not sources.refuses((1).to_bytes(4, "big"), PAUSE, 0.0)
