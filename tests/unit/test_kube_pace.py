"""Back-off, and what is said of errors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.kube.errors import (
    BusyError,
    ChangedError,
    ExpiredError,
    ForbiddenError,
    KubeError,
    NotFoundError,
    RefusedError,
    ServerFailedError,
    TimedOutError,
    UnauthorizedError,
    UnreachableError,
    of_status,
)
from sidecar.kube.pace import LONGEST, LONGEST_ASKED, LONGEST_SILENT, LONGEST_USELESS, Backoff


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, UnauthorizedError),
        (403, ForbiddenError),
        (404, NotFoundError),
        (409, ChangedError),
        (410, ExpiredError),
        (422, RefusedError),
        (301, RefusedError),
        (429, BusyError),
        (500, ServerFailedError),
        (599, ServerFailedError),
    ],
)
def test_each_status_has_its_error(status: int, kind: type[KubeError]) -> None:
    error = of_status(status, "GET /x", "because", 3.0)
    assert type(error) is kind
    assert str(error) == f"GET /x: HTTP {status}: because"
    assert error.retry_after == 3.0


def test_an_error_is_one_short_line() -> None:
    text = str(KubeError("GET /x", "word\n" * 1000))
    assert len(text) == 300
    assert "\n" not in text


@given(st.floats(0, 0.999), st.integers(0, 100))
def test_a_server_that_is_away_is_asked_at_least_every_six_seconds(draw: float, failures: int) -> None:
    backoff = Backoff(lambda: draw)
    pauses = [backoff.failed(TimedOutError("GET")) for _ in range(failures + 1)]
    assert 0.125 <= pauses[0] <= 0.5
    assert pauses[-1] <= LONGEST_SILENT


def test_pauses_grow_to_a_limit_and_begin_anew() -> None:
    backoff = Backoff(lambda: 1.0)
    assert [backoff.failed(ServerFailedError("GET")) for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    backoff.reset()
    assert backoff.failed(ServerFailedError("GET")) == 0.5
    assert LONGEST == 30


def test_a_server_gets_the_pause_it_asks_for_within_reason() -> None:
    backoff = Backoff(lambda: 0.0)
    assert backoff.failed(BusyError("GET", retry_after=7.0)) >= 7.0
    assert backoff.failed(BusyError("GET", retry_after=1e9)) <= LONGEST_ASKED + LONGEST


def test_what_is_forbidden_is_asked_ever_more_rarely_but_soon_at_first() -> None:
    backoff = Backoff(lambda: 1.0)
    pauses = [backoff.failed(ForbiddenError("GET")) for _ in range(12)]
    assert pauses[:3] == [0.5, 1, 2]
    assert pauses[-1] == LONGEST_USELESS


def test_a_server_that_answers_otherwise_has_a_new_chance() -> None:
    backoff = Backoff(lambda: 1.0)
    for _ in range(20):
        backoff.failed(UnreachableError("GET"))
    assert backoff.failed(ForbiddenError("GET")) == 0.5


def test_a_server_that_is_silent_refuses_and_is_busy_in_turn_is_left_alone_ever_longer() -> None:
    backoff = Backoff(lambda: 1.0)
    kinds = (TimedOutError, UnreachableError, BusyError, ServerFailedError)
    pauses = [backoff.failed(kind("GET")) for _ in range(6) for kind in kinds]
    assert pauses[:4] == [0.5, 1.0, 0.5, 0.5]
    assert pauses[-4:] == [LONGEST_SILENT, LONGEST_SILENT, 16.0, 16.0]
