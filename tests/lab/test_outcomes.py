"""What the client's queries came to, on made-up lines of the client: no namespaces, no clock."""

import pytest

from sidecar.lab.outcomes import Outcomes

ADDRESS, OTHER = "10.77.0.100", "10.77.0.101"
ONE, TWO = "10.77.1.1", "10.77.1.2"


def outcomes() -> Outcomes:
    return Outcomes([ADDRESS, OTHER], {ONE: "node1", TWO: "node2"})


def line(queries: list[list[float]], replies: list[list[object]], strangers: int = 0) -> dict[str, object]:
    return {"q": queries, "r": replies, "strangers": strangers}


def reply(
    number: int, at: float, by: str = ONE, *, stratum: int = 2, leap: int = 0, right: bool = True
) -> list[object]:
    return [number, at, by, stratum, leap, right]


def test_a_reply_in_time_is_answered_and_names_its_node() -> None:
    seen = outcomes()
    seen.feed(line([[1, 10.0, 0], [2, 10.1, 1]], [reply(1, 10.01), reply(2, 10.11, TWO)]))
    assert (seen.sent, seen.answered, seen.unanswered) == (2, 2, 0)
    assert seen.by_node == {(ADDRESS, "node1"): 1, (OTHER, "node2"): 1}
    assert (seen.hears(ADDRESS), seen.hears(OTHER)) == ("node1", "node2")


def test_a_query_nobody_answers_is_lost_with_the_moment_it_was_asked() -> None:
    seen = outcomes()
    seen.feed(line([[1, 10.0, 0]], []))
    seen.feed(line([[2, 11.5, 0]], []))
    assert (seen.lost, seen.unanswered) == (0, 1)
    seen.feed(line([[3, 15.1, 0]], []))
    assert seen.lost == 1
    assert list(seen.unanswered_at) == [(10.0, ADDRESS)]


def test_a_reply_after_more_than_a_second_is_late_and_not_lost() -> None:
    seen = outcomes()
    seen.feed(line([[1, 10.0, 0]], []))
    seen.feed(line([[2, 12.0, 0]], [reply(1, 12.0), reply(2, 12.01)]))
    seen.feed(line([[3, 30.0, 0]], [reply(3, 30.01)]))
    assert (seen.late, seen.lost, seen.answered, seen.unanswered) == (1, 0, 2, 1)
    assert list(seen.unanswered_at) == [(10.0, ADDRESS)]


def test_a_second_reply_to_one_query_is_a_duplicate() -> None:
    seen = outcomes()
    seen.feed(line([[1, 10.0, 0]], [reply(1, 10.01), reply(1, 10.02, TWO)]))
    assert (seen.answered, seen.duplicates) == (1, 1)
    assert seen.hears(ADDRESS) == "node1"


@pytest.mark.parametrize(("stratum", "leap"), [(0, 0), (16, 0), (2, 3)])
def test_time_that_is_not_synchronised_is_bad_and_ends_no_silence(stratum: int, leap: int) -> None:
    seen = outcomes()
    seen.feed(
        line([[1, 10.0, 0], [2, 11.0, 0], [3, 12.0, 0]], [reply(1, 10.0), reply(2, 11.0, stratum=stratum, leap=leap)])
    )
    seen.feed(line([], [reply(3, 12.0)]))
    assert seen.bad == 1
    assert seen.longest[ADDRESS].seconds == 2.0


def test_a_reply_from_another_address_answers_nothing() -> None:
    seen = outcomes()
    seen.feed(line([[1, 10.0, 0]], [reply(1, 10.01, right=False)]))
    assert (seen.wrong_source, seen.answered) == (1, 0)


def test_the_longest_silence_and_the_handover_are_known_per_address() -> None:
    seen = outcomes()
    at = [10.0, 10.1, 13.0, 13.1]
    by = [ONE, ONE, TWO, TWO]
    seen.feed(line([[n, t, 0] for n, t in enumerate(at)], [reply(n, t, by[n]) for n, t in enumerate(at)]))
    gap = seen.longest[ADDRESS]
    assert (gap.start, gap.end) == (10.1, 13.0)
    assert [(handover.at, handover.before, handover.to) for handover in seen.handovers] == [
        (10.0, "", "node1"),
        (13.0, "node1", "node2"),
    ]
    assert OTHER not in seen.longest


def test_after_a_second_of_silence_nobody_is_heard() -> None:
    seen = outcomes()
    seen.feed(line([[1, 10.0, 0]], [reply(1, 10.0)]))
    seen.feed(line([[2, 11.5, 0]], []))
    assert seen.hears(ADDRESS) is None


def test_a_node_that_cannot_be_told_is_not_guessed() -> None:
    seen = outcomes()
    seen.feed(line([[1, 10.0, 0]], [reply(1, 10.0, "127.127.1.1")]))
    assert seen.hears(ADDRESS) == "?"


def test_a_reset_forgets_the_past_but_not_who_answers() -> None:
    seen = outcomes()
    seen.feed(line([[1, 10.0, 0], [2, 10.1, 0], [3, 10.2, 0]], [reply(1, 10.0)]))
    seen.reset()
    seen.feed(line([[4, 10.3, 0]], [reply(2, 10.4), reply(4, 10.4)]))
    seen.feed(line([[5, 30.0, 0]], [reply(5, 30.0)]))
    assert (seen.sent, seen.answered, seen.lost, seen.late, seen.duplicates) == (2, 2, 0, 0, 0)
    assert [handover.to for handover in seen.handovers] == []


def test_the_end_counts_what_is_still_open_as_lost() -> None:
    seen = outcomes()
    seen.feed(line([[1, 10.0, 0], [2, 11.0, 0]], [reply(2, 11.0)]))
    seen.finish()
    assert (seen.lost, seen.answered) == (1, 1)


def test_memory_stays_bounded_however_long_it_runs() -> None:
    seen = outcomes()
    for second in range(2000):
        numbers = [second * 10 + n for n in range(10)]
        seen.feed(line([[n, float(second), 0] for n in numbers], [reply(n, float(second)) for n in numbers[1:]]))
    assert seen.lost > 1900
    assert len(seen._open) + len(seen._done) < 300
