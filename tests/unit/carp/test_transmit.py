"""The marked counter, the signature, and what is ours when it comes back."""

from sidecar.carp.auth import Authenticator, Key
from sidecar.carp.config import Family
from sidecar.carp.freshness import Freshness
from sidecar.carp.marker import Sealed
from sidecar.carp.packet import Advertisement, decode
from sidecar.carp.transmit import Transmitter
from tests.unit.carp.told import PEER, VIP

CLOCK = 16_000


def authenticator(key: bytes = b"secret") -> Authenticator:
    return Authenticator(1, VIP, [Key(key)], sign_link_local=True)


class Sender:
    """A transmitter on a clock that the test moves."""

    def __init__(self, vhid: int = 1) -> None:
        self.now = 0.0
        self.freshness = Freshness(lambda: CLOCK)
        self.transmitter = Transmitter(vhid, authenticator(), self.freshness, lambda: self.now)

    def say(self, advbase: int = 1, advskew: int = 0, demote: int = 0) -> Advertisement:
        return decode(self.transmitter.payload(advbase, advskew, demote))


def sealed(said: Advertisement, key: bytes = b"secret") -> Sealed:
    found = authenticator(key).read(said.counter, 1)
    assert found is not None
    return found


def test_every_advertisement_has_later_ticks() -> None:
    sender = Sender()
    assert [sealed(sender.say()).ticks for _ in range(3)] == [CLOCK, CLOCK + 1, CLOCK + 2]


def test_an_advertisement_says_what_it_was_told_and_verifies() -> None:
    said = Sender(vhid=7).say(2, 100, 3)
    assert said[:4] == (7, 2, 100, 3)
    assert authenticator().verify(said.counter, said.digest) == 1


def test_the_counter_says_what_the_header_says() -> None:
    for said in (Sender().say(2, 100, 33), Sender().say(255, 255, 33), Sender().say(200, 7)):
        assert sealed(said).agrees_with(said.advbase, said.advskew, said.demote)


def test_with_another_key_the_ticks_go_on() -> None:
    sender = Sender()
    sender.say()
    sender.transmitter.authenticate_with(authenticator(b"other"))
    said = sender.say()
    assert sealed(said, b"other").ticks == CLOCK + 1
    assert authenticator(b"other").verify(said.counter, said.digest) == 1
    assert authenticator().verify(said.counter, said.digest) is None


def test_what_was_sent_is_known_as_our_own() -> None:
    sender = Sender()
    sender.transmitter.send_from(frozenset((PEER,)))
    counter = sender.say().counter
    assert sender.freshness.sources == {PEER}
    assert sender.freshness.has_sent(CLOCK, counter)
    assert not sender.freshness.has_sent(CLOCK, counter + 1)
    assert not sender.freshness.accept(CLOCK, counter, Family.V4, 0.0)
