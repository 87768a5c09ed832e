"""The question asked of an NTP server, and the judgement of what comes back."""

import pytest

from sidecar.ntp.packet import Refusal, Reply, check, request
from tests.unit.ntp_reply import COOKIE, NOW, reply_bytes, timestamp


def reply(data: bytes) -> Reply:
    outcome = check(data, COOKIE)
    assert isinstance(outcome, Reply)
    return outcome


def test_request_is_client_version_four_with_the_cookie_as_transmit_time() -> None:
    assert request(COOKIE).hex() == "23" + "00" * 39 + "0102030405060708"


@pytest.mark.parametrize("cookie", [b"", b"1234567", b"123456789"])
def test_request_refuses_a_cookie_that_is_not_eight_bytes(cookie: bytes) -> None:
    with pytest.raises(ValueError, match="8"):
        request(cookie)


def test_reply_says_what_the_server_said() -> None:
    said = reply(reply_bytes(leap=1, stratum=3, delay_s=0.5, dispersion_s=0.25, age_s=1.5))
    assert (said.leap, said.version, said.mode, said.stratum, said.poll, said.precision) == (1, 4, 4, 3, 6, -24)
    assert (said.root_delay_s, said.root_dispersion_s, said.reference_age_s) == (0.5, 0.25, 1.5)
    assert said.refid_text == "198.51.100.1"


def test_root_distance_is_half_the_delay_and_the_whole_dispersion() -> None:
    assert reply(reply_bytes(delay_s=0.5, dispersion_s=0.25)).root_distance_s == 0.5


@pytest.mark.parametrize(
    ("data", "refusal"),
    [
        pytest.param(b"", Refusal.SHORT, id="nothing"),
        pytest.param(reply_bytes()[:47], Refusal.SHORT, id="one byte short"),
        pytest.param(reply_bytes(version=0), Refusal.VERSION, id="version 0"),
        pytest.param(reply_bytes(version=5), Refusal.VERSION, id="version 5"),
        pytest.param(request(COOKIE), Refusal.MODE, id="our own question"),
        pytest.param(reply_bytes(mode=5), Refusal.MODE, id="broadcast"),
        pytest.param(reply_bytes(mode=6), Refusal.MODE, id="control message"),
        pytest.param(reply_bytes(bytes(8)), Refusal.ORIGIN, id="origin zero"),
        pytest.param(reply_bytes(b"\1\2\3\4\5\6\7\0"), Refusal.ORIGIN, id="origin of another question"),
        pytest.param(reply_bytes(transmit=0), Refusal.ZERO_TRANSMIT, id="no transmit time"),
        pytest.param(reply_bytes(stratum=0, leap=3, refid=b"RATE"), Refusal.KISS_RATE, id="RATE"),
        pytest.param(reply_bytes(stratum=0, leap=3, refid=b"DENY"), Refusal.KISS_DENY, id="DENY"),
        pytest.param(reply_bytes(stratum=0, leap=3, refid=b"RSTR"), Refusal.KISS_RSTR, id="RSTR"),
        pytest.param(reply_bytes(stratum=0, leap=3, refid=b"RATE", transmit=0), Refusal.KISS_RATE, id="RATE, no time"),
        pytest.param(reply_bytes(bytes(8), stratum=0, refid=b"DENY"), Refusal.ORIGIN, id="forged DENY"),
    ],
)
def test_what_is_no_reply_to_our_question_is_refused_for_one_reason(data: bytes, refusal: Refusal) -> None:
    assert check(data, COOKIE) is refusal


def test_only_the_server_itself_can_send_a_kiss() -> None:
    assert {refusal for refusal in Refusal if refusal.kiss} == {
        Refusal.KISS_RATE,
        Refusal.KISS_DENY,
        Refusal.KISS_RSTR,
    }


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_an_older_version_is_a_reply(version: int) -> None:
    assert reply(reply_bytes(version=version)).version == version


def test_what_follows_the_header_is_not_read() -> None:
    assert check(reply_bytes() + bytes(20), COOKIE) == check(reply_bytes(), COOKIE)


@pytest.mark.parametrize("changes", [{"leap": 3}, {"stratum": 0}, {"stratum": 16}, {"stratum": 255}])
def test_an_unsynchronised_server_is_a_reply(changes: dict[str, int]) -> None:
    assert isinstance(check(reply_bytes(**changes), COOKIE), Reply)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stratum", "refid", "kiss", "text"),
    [
        (0, b"INIT", "INIT", "INIT"),
        (0, bytes(4), None, "0.0.0.0"),
        (1, b"GPS\0", None, "GPS"),
        (1, bytes([127, 127, 1, 1]), None, "127.127.1.1"),
        (2, b"RATE", None, "82.65.84.69"),
    ],
)
def test_refid_is_a_code_or_an_address_by_stratum(stratum: int, refid: bytes, kiss: str | None, text: str) -> None:
    said = reply(reply_bytes(stratum=stratum, refid=refid))
    assert (said.kiss, said.refid_text) == (kiss, text)


@pytest.mark.parametrize(
    ("reference", "transmit", "age"),
    [
        pytest.param(NOW, NOW, 0.0, id="just set"),
        pytest.param(NOW - timestamp(4500.5), NOW, 4500.5, id="lost upstream"),
        pytest.param(2**64 - timestamp(10), timestamp(5), 15.0, id="set in era 0, answered in era 1"),
        pytest.param(timestamp(5), 2**64 - timestamp(10), -15.0, id="set ahead, across the era"),
        pytest.param(NOW + timestamp(2), NOW, -2.0, id="set ahead"),
        pytest.param(0, NOW, None, id="never set"),
    ],
)
def test_reference_age_is_the_difference_of_the_servers_own_times(
    reference: int, transmit: int, age: float | None
) -> None:
    assert reply(reply_bytes(reference=reference, transmit=transmit)).reference_age_s == age
