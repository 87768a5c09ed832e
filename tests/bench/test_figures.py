"""The bench tells silence, loss, detection and double ownership from what was seen, and nothing else."""

import pytest

from tests.bench.contenders import CONTENDERS, carp_dead, vrrp_dead
from tests.bench.figures import Advert, Event, Ownership, Probe, Seen, figures, summary

OLD, NEW = 11, 12
CRASH = Event("crash", 10.0, 14.0, OLD, NEW)


def seen() -> Seen:
    """The old node answers until 10.0, advertised last at 9.5; the new one speaks at 12.5, answers from 12.502."""
    probes = [Probe(at / 1000, at / 1000 + 0.0002, OLD) for at in range(9000, 10000)]
    probes += [Probe(at / 1000, 0.0, 0) for at in range(10000, 12502)]
    probes += [Probe(at / 1000, at / 1000 + 0.0002, NEW) for at in range(12502, 14000)]
    adverts = [Advert(8.5, OLD), Advert(9.5, OLD), Advert(12.5, NEW), Advert(13.5, NEW)]
    owned = [Ownership(1.0, frozenset({OLD})), Ownership(10.0, frozenset()), Ownership(12.499, frozenset({NEW}))]
    return Seen(probes, adverts, owned)


def test_lost_are_the_questions_of_the_event_without_an_answer() -> None:
    assert figures(seen(), CRASH).lost == 2502


def test_detection_is_from_the_old_masters_last_word_to_the_new_ones_first() -> None:
    assert figures(seen(), CRASH).detect == pytest.approx(3000)


def test_takeover_is_from_the_first_word_to_the_first_answer() -> None:
    assert figures(seen(), CRASH).takeover == pytest.approx(2.2)


def test_what_is_asked_in_between_tells_the_first_answer_and_is_no_loss() -> None:
    fine = [Probe(12.5002, 0.0, 0), Probe(12.5005, 12.5007, NEW)]
    told = figures(seen()._replace(fine=fine), CRASH)
    assert told.takeover == pytest.approx(0.7)
    assert told.lost == 2502
    assert told.outage == pytest.approx(2503)


def test_silence_is_between_two_answers() -> None:
    assert figures(seen(), CRASH).outage == pytest.approx(2503)


def test_two_owners_are_counted_only_while_there_are_two() -> None:
    overlapping = seen()._replace(
        ownerships=[
            Ownership(1.0, frozenset({OLD})),
            Ownership(11.0, frozenset({OLD, NEW})),
            Ownership(11.25, frozenset({NEW})),
        ]
    )
    assert figures(overlapping, CRASH).both_own == pytest.approx(250)


def test_a_new_master_that_never_spoke_has_no_detection() -> None:
    silent = seen()._replace(adverts=[Advert(9.5, OLD)])
    assert (figures(silent, CRASH).detect, figures(silent, CRASH).takeover) == (None, None)


def test_what_could_not_be_told_is_left_out_of_a_summary() -> None:
    told = summary([3.0, None, 1.0, 2.0])
    assert told is not None
    assert (told.n, told.median, told.low, told.high) == (3, 2.0, 1.0, 3.0)
    assert summary([None]) is None


def test_dead_times_are_the_protocols_own() -> None:
    assert carp_dead(1, 100) == pytest.approx(3.390625)
    assert carp_dead(0, 3) == pytest.approx(9 / 256)
    assert vrrp_dead(1.0) == pytest.approx(3.609375)
    assert vrrp_dead(0.01) == pytest.approx(0.036, abs=0.001)


def test_every_contender_has_a_key_of_its_own() -> None:
    assert len({one.key for one in CONTENDERS}) == len(CONTENDERS)
