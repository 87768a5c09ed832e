"""The counter, the signature, and what is ours when it comes back."""

from sidecar.carp.auth import Authenticator, Key
from sidecar.carp.packet import decode
from sidecar.carp.transmit import Transmitter
from tests.unit.carp.told import OTHER, PEER, VIP

LAST = 2**64 - 1


def authenticator(key: bytes = b"secret") -> Authenticator:
    return Authenticator(1, VIP, [Key(key)], sign_link_local=True)


def test_every_advertisement_takes_the_next_counter() -> None:
    transmitter = Transmitter(1, authenticator(), 41)
    assert [decode(transmitter.payload(1, 0, 0)).counter for _ in range(3)] == [41, 42, 43]


def test_the_counter_wraps_after_64_bits() -> None:
    transmitter = Transmitter(1, authenticator(), LAST)
    assert [decode(transmitter.payload(1, 0, 0)).counter for _ in range(2)] == [LAST, 0]
    assert decode(Transmitter(1, authenticator(), LAST + 6).payload(1, 0, 0)).counter == 5


def test_an_advertisement_says_what_it_was_told_and_verifies() -> None:
    said = decode(Transmitter(7, authenticator(), 1).payload(2, 100, 3))
    assert said[:5] == (7, 2, 100, 3, 1)
    assert Authenticator(1, VIP, [Key(b"secret")], sign_link_local=True).verify(1, said.digest) == 1


def test_with_another_key_the_counter_goes_on() -> None:
    transmitter = Transmitter(1, authenticator(), 41)
    transmitter.payload(1, 0, 0)
    transmitter.authenticate_with(authenticator(b"other"))
    said = decode(transmitter.payload(1, 0, 0))
    assert said.counter == 42
    assert authenticator(b"other").verify(42, said.digest) == 1


def test_own_is_what_we_sent_from_where_we_sent_it() -> None:
    transmitter = Transmitter(1, authenticator(), LAST)
    transmitter.send_from(frozenset((PEER,)))
    assert not transmitter.is_own(PEER, LAST)
    transmitter.payload(1, 0, 0)
    transmitter.payload(1, 0, 0)
    assert [transmitter.is_own(PEER, counter) for counter in (LAST - 1, LAST, 0, 1)] == [False, True, True, False]
    assert not transmitter.is_own(OTHER, 0)


def test_without_known_sources_nothing_is_own() -> None:
    transmitter = Transmitter(1, authenticator(), 5)
    transmitter.payload(1, 0, 0)
    assert not transmitter.is_own(PEER, 5)
