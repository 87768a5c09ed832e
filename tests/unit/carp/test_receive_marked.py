"""What our own counter makes of an advertisement: tampered, replay, own, unmarked, or a peer of ours."""

from dataclasses import dataclass

import pytest

from sidecar.carp.auth import Authenticator, Key
from sidecar.carp.config import Config, Family
from sidecar.carp.constants import GROUP_V4
from sidecar.carp.freshness import Freshness
from sidecar.carp.impersonation import PAUSE, PERIOD
from sidecar.carp.packet import Advertisement, decode, encode
from sidecar.carp.receive import Accepted, Datagram, DropReason, Receiver, Speaker
from sidecar.carp.transmit import Transmitter
from tests.unit.carp.told import OTHER, PEER, VIP

US = bytes((192, 0, 2, 9))
NOON = 1_000_000
RING = Authenticator(1, VIP, [Key(b"secret")], sign_link_local=True)


@dataclass
class Clock:
    """Seconds since both began, at noon."""

    now: float = 0.0

    def ticks(self) -> int:
        return NOON + int(self.now * 16)


class Member:
    """A node of ours: what it says and what it makes of what it hears."""

    def __init__(self, clock: Clock, source: bytes, *, strict: bool = False) -> None:
        self._clock = clock
        self._source = source
        freshness = Freshness(clock.ticks)
        self._transmitter = Transmitter(1, RING, freshness, lambda: clock.now)
        self._transmitter.send_from(frozenset((source,)))
        self._receiver = Receiver(Config(1, VIP), RING, freshness, strict=strict)

    def say(self, advbase: int = 1, advskew: int = 100, demote: int = 0) -> Datagram:
        payload = self._transmitter.payload(advbase, advskew, demote)
        return Datagram(Family.V4, self._source, GROUP_V4, 255, payload)

    def hear(self, datagram: Datagram, source: bytes | None = None) -> Accepted | DropReason:
        moved = datagram if source is None else datagram._replace(source=source)
        return self._receiver.check(moved, self._clock.now)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def peer(clock: Clock) -> Member:
    return Member(clock, PEER)


@pytest.fixture
def us(clock: Clock) -> Member:
    return Member(clock, US)


def altered(
    datagram: Datagram, *, advbase: int | None = None, advskew: int | None = None, demote: int | None = None
) -> Datagram:
    """Another header around the same counter and digest, with the checksum put right."""
    ad = decode(datagram.payload)
    ad = ad._replace(
        advbase=ad.advbase if advbase is None else advbase,
        advskew=ad.advskew if advskew is None else advskew,
        demote=ad.demote if demote is None else demote,
    )
    return datagram._replace(payload=encode(ad))


def unmarked(counter: int = 78, source: bytes = OTHER, advskew: int = 0) -> Datagram:
    """What a BSD says."""
    payload = encode(Advertisement(1, 1, advskew, 0, counter, RING.sign(counter)))
    return Datagram(Family.V4, source, GROUP_V4, 255, payload, bytes((0, 0, 0x5E, 0, 1, 1)))


def speaker(checked: Accepted | DropReason) -> Speaker:
    assert isinstance(checked, Accepted)
    return checked.speaker


def test_a_marked_advertisement_is_a_peer_of_ours(us: Member, peer: Member) -> None:
    assert speaker(us.hear(peer.say())) is Speaker.CARP_SIDECAR
    assert speaker(us.hear(unmarked())) is Speaker.BSD


@pytest.mark.parametrize(
    "said", [{"advskew": 0}, {"advskew": 101}, {"advbase": 0}, {"advbase": 255, "advskew": 255}, {"demote": 1}]
)
def test_an_altered_header_is_tampered_new_or_old_whatever_the_source(
    us: Member, peer: Member, said: dict[str, int]
) -> None:
    recorded = peer.say()
    assert us.hear(altered(recorded, **said)) is DropReason.TAMPERED
    assert us.hear(altered(recorded, **said), OTHER) is DropReason.TAMPERED
    assert speaker(us.hear(recorded)) is Speaker.CARP_SIDECAR
    assert us.hear(altered(recorded, **said)) is DropReason.TAMPERED


def test_a_replay_is_one_whatever_the_source(us: Member, peer: Member) -> None:
    recorded = peer.say()
    us.hear(recorded)
    assert [us.hear(recorded, source) for source in (None, OTHER, US)] == [DropReason.REPLAY] * 3


def test_our_own_comes_back_as_own_and_from_elsewhere_as_a_replay(us: Member, clock: Clock) -> None:
    recorded = us.say()
    assert us.hear(recorded) is DropReason.OWN
    assert us.hear(recorded, OTHER) is DropReason.REPLAY
    clock.now += 432_000
    us.say()
    assert [us.hear(recorded, source) for source in (US, OTHER)] == [DropReason.REPLAY] * 2


def test_no_mark_from_a_source_that_is_ours_or_a_peer_of_ours(us: Member, peer: Member) -> None:
    assert us.hear(unmarked(source=US)) is DropReason.UNMARKED
    assert speaker(us.hear(unmarked(source=PEER))) is Speaker.BSD
    us.hear(peer.say())
    assert us.hear(unmarked(source=PEER)) is DropReason.UNMARKED
    assert speaker(us.hear(unmarked(source=OTHER))) is Speaker.BSD


def test_a_replay_does_not_make_its_source_a_peer_of_ours(us: Member, peer: Member) -> None:
    recorded = peer.say()
    us.hear(recorded)
    us.hear(recorded, OTHER)
    us.hear(altered(recorded, advskew=0), OTHER)
    assert speaker(us.hear(unmarked(source=OTHER))) is Speaker.BSD


def test_a_peer_that_became_a_bsd_is_believed_in_time(us: Member, peer: Member, clock: Clock) -> None:
    us.hear(peer.say())
    outcomes = []
    while clock.now <= PERIOD + PAUSE:
        clock.now += 30.0
        outcomes.append(us.hear(unmarked(source=PEER)))
    assert outcomes[:20] == [DropReason.UNMARKED] * 20
    assert all(isinstance(one, Accepted) for one in outcomes[20:])


def test_strict_believes_the_marked_only(clock: Clock, peer: Member) -> None:
    strict = Member(clock, US, strict=True)
    assert strict.hear(unmarked()) is DropReason.UNMARKED
    assert speaker(strict.hear(peer.say())) is Speaker.CARP_SIDECAR
    assert strict.hear(altered(peer.say(), advskew=0)) is DropReason.TAMPERED


def test_a_bsd_that_counts_on_from_ours_is_never_tampered(us: Member) -> None:
    """Over more than a day of it, and a right mark by chance on the way."""
    ours = decode(us.say().payload).counter
    for step in (*range(1, 40), *range((1 << 14) - 40, (1 << 14) + 40), 2 << 14, 3 << 14):
        assert speaker(us.hear(unmarked(ours + step))) is Speaker.BSD


def test_who_is_lower_stays_when_equal(us: Member, peer: Member) -> None:
    heard, heard_by_peer = us.hear(peer.say()), peer.hear(us.say())
    assert isinstance(heard, Accepted)
    assert isinstance(heard_by_peer, Accepted)
    assert heard.outranks
    assert not heard_by_peer.outranks
    bsd = us.hear(unmarked(source=bytes((192, 0, 2, 77))))
    assert isinstance(bsd, Accepted)
    assert bsd.outranks


def test_the_demotion_byte_of_a_bow_out_means_nothing(us: Member, peer: Member) -> None:
    assert speaker(us.hear(altered(peer.say(255, 255, 80), demote=0))) is Speaker.CARP_SIDECAR
