"""Whatever bytes come, and whatever the year: the judgement of replies."""

from fractions import Fraction
from struct import pack_into

from hypothesis import assume, example, given
from hypothesis import strategies as st

from sidecar.ntp.packet import Refusal, Reply, check, request
from sidecar.ntp.verdict import HealthLedger, Thresholds, assess
from tests.unit.ntp_reply import reply_bytes

cookies = st.binary(min_size=8, max_size=8)
timestamps = st.integers(0, 2**64 - 1)
THRESHOLDS = Thresholds()


def with_origin(data: bytes, cookie: bytes) -> bytes:
    """The same bytes from a server that heard the question: everything but the origin is still anything."""
    changed = bytearray(data)
    pack_into("8s", changed, 24, cookie)
    return bytes(changed)


@given(st.binary(max_size=200), cookies)
def test_arbitrary_bytes_never_raise_and_never_pass_without_the_cookie(data: bytes, cookie: bytes) -> None:
    assume(data[24:32] != cookie)
    assert isinstance(check(data, cookie), Refusal)


@given(st.binary(min_size=48, max_size=200), cookies)
def test_whatever_an_honest_origin_carries_is_judged_without_raising(data: bytes, cookie: bytes) -> None:
    outcome = check(with_origin(data, cookie), cookie)
    ledger = HealthLedger()
    ledger.feed(outcome, 0.0)
    verdict, reason = assess(outcome, THRESHOLDS)
    assert reason
    if isinstance(outcome, Reply):
        assert verdict is not None
        assert outcome.root_distance_s >= 0
        assert outcome.refid_text.isascii()


@given(cookies, cookies)
def test_a_reply_to_one_question_never_answers_another(asked: bytes, heard: bytes) -> None:
    assert isinstance(check(reply_bytes(heard), asked), Reply) == (asked == heard)


@given(cookies)
def test_our_own_question_is_no_reply(cookie: bytes) -> None:
    assert isinstance(check(request(cookie), cookie), Refusal)


@given(reference=timestamps, age=st.integers(0, 2**63 - 1), cookie=cookies)
@example(reference=2**64 - 1, age=1, cookie=bytes(8))
def test_age_is_right_in_every_era(reference: int, age: int, cookie: bytes) -> None:
    transmit = (reference + age) % 2**64
    assume(reference and transmit)
    outcome = check(reply_bytes(cookie, reference=reference, transmit=transmit), cookie)
    assert isinstance(outcome, Reply)
    assert outcome.reference_age_s == float(Fraction(age, 2**32))
