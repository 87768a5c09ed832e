"""What holds of every run of answers, however it goes."""

from hypothesis import given
from hypothesis import strategies as st

from sidecar.ntp.packet import Refusal, Reply, check
from sidecar.ntp.verdict import HealthLedger, Miss, Outcome, Thresholds, Verdict, VipLedger, assess
from tests.unit.ntp_reply import COOKIE, reply_bytes

LIMITS = Thresholds()


def _reply(**changes: object) -> Reply:
    outcome = check(reply_bytes(**changes), COOKIE)  # type: ignore[arg-type]
    assert isinstance(outcome, Reply)
    return outcome


GOOD = _reply()
OUTCOMES: list[Outcome] = [
    GOOD,
    _reply(stratum=6),
    _reply(age_s=1e5),
    _reply(leap=3),
    Miss.TIMEOUT,
    Refusal.KISS_RATE,
]
# Runs, not single answers, or no state but the first would ever be reached; the pause is that between two questions.
runs = st.lists(
    st.tuples(st.sampled_from(OUTCOMES), st.integers(1, 40), st.sampled_from([1.0, 1.25, 5.0])), max_size=20
)


def steps(history: list[tuple[Outcome, int, float]]) -> list[tuple[Outcome, float]]:
    now, flat = 0.0, []
    for outcome, times, pause in history:
        for _ in range(times):
            flat.append((outcome, now))
            now += pause
    return flat


@given(runs)
def test_getting_better_waits_for_the_dwell_and_getting_worse_for_two_bad_answers(
    history: list[tuple[Outcome, int, float]],
) -> None:
    ledger = HealthLedger()
    entered, bad, was_ok = 0.0, 0, False
    for outcome, now in steps(history):
        before, known = ledger.demotion, ledger.known
        verdict = assess(outcome, LIMITS)[0]
        bad = 0 if verdict is Verdict.OK else bad + (verdict is not None)
        ledger.feed(outcome, now)
        if ledger.demotion > before:
            assert bad >= 2
        if ledger.demotion < before and known and was_ok:
            assert now - entered >= LIMITS.min_dwell_s
        if ledger.demotion != before:
            entered = now
        was_ok = was_ok or ledger.verdict is Verdict.OK


@given(runs, st.sampled_from(OUTCOMES[:5]))
def test_a_server_that_keeps_saying_the_same_is_believed_within_two_minutes(
    history: list[tuple[Outcome, int, float]], last: Outcome
) -> None:
    ledger = HealthLedger()
    past = steps(history)
    start = past[-1][1] + 1.0 if past else 0.0
    for outcome, now in [*past, *((last, start + second) for second in range(120))]:
        ledger.feed(outcome, now)
    assert ledger.verdict is assess(last, LIMITS)[0]


@given(runs)
def test_no_state_is_better_than_everything_heard_since_it_was_worse(history: list[tuple[Outcome, int, float]]) -> None:
    """Until a good answer has come the state is never ok, and the demotion never 0."""
    ledger = HealthLedger()
    good = False
    for outcome, now in steps(history):
        ledger.feed(outcome, now)
        good = good or outcome is GOOD
        assert good or ledger.demotion > 0


@given(st.lists(st.tuples(st.sampled_from(["hold", "release", "answer", "miss", "excused"]), st.integers(0, 100))))
def test_a_silent_address_demotes_only_after_its_grace_and_never_while_it_answers(
    events: list[tuple[str, int]],
) -> None:
    ledger, now, calm_since = VipLedger(), 0.0, 0.0
    for event, pause in events:
        now += pause
        before = ledger.demotion
        if event == "hold" and not ledger.held:
            ledger.hold(now)
            calm_since = now
        elif event == "release" and ledger.held:
            ledger.release(now)
        elif event == "answer" and ledger.held:
            ledger.answered(now)
            calm_since = now
            assert (ledger.answers, ledger.demotion) == (True, 0)
        elif event in {"miss", "excused"} and ledger.held:
            ledger.missed(now, server_answers=event == "miss")
        ledger.tick(now)
        if ledger.demotion > before:
            assert event == "miss"
            assert now - calm_since >= 2.9
