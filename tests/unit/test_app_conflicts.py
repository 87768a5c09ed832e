"""How long a master waits before it judges, and what it asks: arithmetic and frames, no network."""

from ipaddress import ip_address

import pytest

from sidecar.app.conflicts import pace_of, question
from sidecar.carp.config import Family

MAC = bytes((2, 0, 0, 0, 0, 9))


@pytest.mark.parametrize(
    ("interval", "lease", "grace", "patience", "insistence"),
    [
        (1.0, 3, 4.0, 2.0, 5.0),  # as it comes
        (1.0, 30, 31.0, 2.0, 5.0),  # a dead master's kernel answers until its lease ends
        (1.0, 0, 4.0, 2.0, 5.0),  # no lease: what a dead one left is a conflict after three intervals
        (0.1, 1, 2.0, 1.1, 5.0),  # fast: a peer may still be slower than we
        (1.9375, 3, 6.8125, 2.9375, 6.8125),  # demoted
        (60.0, 180, 181.0, 10.0, 181.0),  # slow: who answers twice is known sooner than who advertises
    ],
)
def test_patience_follows_the_interval_and_the_lease(
    interval: float, lease: float, grace: float, patience: float, insistence: float
) -> None:
    assert pace_of(interval, lease) == pytest.approx((grace, patience, insistence))


def test_a_question_for_ipv6_needs_an_address_to_ask_from() -> None:
    v6 = ip_address("2001:db8::10")
    assert question(MAC, {Family.V4: ip_address("192.0.2.1")}, v6) is None
    asked = question(MAC, {Family.V6: ip_address("fe80::1")}, v6)
    assert asked is not None
    assert (asked[6:12], asked[62:78]) == (MAC, v6.packed)


def test_a_question_for_ipv4_needs_none() -> None:
    asked = question(MAC, {}, ip_address("192.0.2.10"))
    assert asked is not None
    assert (asked[6:12], asked[28:32]) == (MAC, bytes(4))
