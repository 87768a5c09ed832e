"""The marked counter, the signature, and what is ours when it comes back."""

from sidecar.carp.auth import Authenticator, Key
from sidecar.carp.config import Family
from sidecar.carp.freshness import Freshness
from sidecar.carp.marker import TICKS_PER_SECOND, Sealed
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


# ------------------------------------------------------------------------------------------------------ signed ahead


class Master(Sender):
    """Says the same once a second, and its wall clock goes along."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = float(CLOCK)
        self.drawn = 0
        self.freshness = Freshness(lambda: int(self.clock), self.draw)
        self.transmitter = Transmitter(1, authenticator(), self.freshness, lambda: self.now)

    def draw(self) -> float:
        """How often it was asked for ticks is how many were signed."""
        self.drawn += 1
        return 0.0

    def wait(self, seconds: float = 1.0) -> None:
        self.now += seconds
        self.clock += seconds * TICKS_PER_SECOND

    def next(self) -> Advertisement:
        self.wait()
        return self.say()

    def has_gone_on(self) -> "Master":
        """For so long that some are signed ahead."""
        for _ in range(5):
            self.next()
        assert self.drawn > 5
        return self

    def behind(self, said: Advertisement, key: bytes = b"secret") -> float:
        """Ticks of the clock since those of an advertisement."""
        return self.clock - sealed(said, key).ticks


def test_a_master_that_goes_on_signs_eight_at_once_and_not_its_first() -> None:
    master = Master()
    signed = []
    for _ in range(20):
        master.next()
        signed.append(master.drawn)
    assert signed[0] == 1
    assert signed[1:17] == [9] * 8 + [17] * 8


def test_what_was_signed_ahead_follows_the_clock_and_verifies() -> None:
    master = Master()
    ticks = []
    for _ in range(30):
        master.wait(1.002)  # its timer is late
        said = master.say()
        assert authenticator().verify(said.counter, said.digest) == 1
        assert abs(master.behind(said)) < TICKS_PER_SECOND / 4
        ticks.append(sealed(said).ticks)
    assert ticks == sorted(set(ticks))


def test_without_a_clock_ticks_go_on_by_those_of_the_group() -> None:
    master = Master()
    master.clock = 0.0
    master.wait = lambda seconds=1.0: setattr(master, "now", master.now + seconds)  # type: ignore[method-assign]
    ticks = [sealed(master.next()).ticks for _ in range(20)]
    assert ticks == sorted(set(ticks))
    assert ticks[-1] - ticks[0] == 19 * TICKS_PER_SECOND * 7 // 8


def test_what_was_signed_ahead_is_our_own_only_when_it_was_sent() -> None:
    one, other = Master().has_gone_on(), Master().has_gone_on()
    coming = one.next()
    assert not other.freshness.has_sent(sealed(coming).ticks, coming.counter)
    assert other.next() == coming
    assert other.freshness.has_sent(sealed(coming).ticks, coming.counter)


def test_other_terms_are_said_at_once() -> None:
    master = Master().has_gone_on()
    master.wait()
    assert master.say(1, 240)[1:3] == (1, 240)
    assert sealed(master.say(1, 240, 33)).agrees_with(1, 240, 33)
    assert sealed(master.say(255, 255)).agrees_with(255, 255, 0)


def test_another_key_signs_the_very_next() -> None:
    master = Master().has_gone_on()
    master.transmitter.authenticate_with(authenticator(b"other"))
    said = master.next()
    assert authenticator(b"other").verify(said.counter, said.digest) == 1


def test_something_later_that_was_heard_is_exceeded_by_the_very_next() -> None:
    master = Master().has_gone_on()
    heard = int(master.clock) + 50 * TICKS_PER_SECOND
    assert master.freshness.accept(heard, heard << 30, Family.V4, master.now)
    assert sealed(master.next()).ticks > heard


def test_after_a_pause_or_too_early_nothing_that_was_signed_before_is_sent() -> None:
    for pause in (4.0, 0.5):
        master = Master().has_gone_on()
        master.wait(pause)
        assert abs(master.behind(master.say())) < 1


def test_a_clock_that_is_set_is_followed_within_ten_seconds() -> None:
    master = Master().has_gone_on()
    master.clock += 3600 * TICKS_PER_SECOND
    assert [abs(master.behind(master.next())) < 1 for _ in range(9)][-1]


def test_who_speaks_seldom_signs_no_more_than_ten_seconds_ahead() -> None:
    master = Master()
    for _ in range(8):
        master.wait(12.0)
        assert abs(master.behind(master.say(12, 0))) < 1
    assert master.drawn == 8
