"""The authenticated counter for any header, any ticks, any key: read back, bound to its header, deaf to plus one."""

from ipaddress import IPv4Address
from itertools import pairwise

from hypothesis import assume, given
from hypothesis import strategies as st

from sidecar.carp.auth import Authenticator, Key
from sidecar.carp.config import Config, Family
from sidecar.carp.constants import GROUP_V4, TTL
from sidecar.carp.freshness import Freshness
from sidecar.carp.marker import MAX_TICKS, Marker, Sealed, fit
from sidecar.carp.packet import Advertisement, decode, encode
from sidecar.carp.receive import Accepted, Datagram, DropReason, Receiver
from sidecar.carp.transmit import Transmitter

BYTE = st.integers(0, 255)
HEADERS = st.one_of(
    st.tuples(st.integers(0, 254), st.integers(0, 254), BYTE), st.tuples(st.just(255), st.just(255), BYTE)
)
"""What our nodes say: advbase, advskew, demotion; a bow-out is 255/255."""
KEYS = st.binary(min_size=1, max_size=19)
TICKS = st.integers(0, MAX_TICKS - 300)
VIP = (IPv4Address("10.9.0.100"),)
PEER, STRANGER = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 66))


def sealed(key: bytes, ticks: int, header: tuple[int, int, int]) -> Sealed:
    found = Marker(key).read(Marker(key).seal(fit(ticks, *header[:2]), *header))
    assert found is not None
    return found


@given(KEYS, TICKS, HEADERS)
def test_what_is_sealed_is_read_back(key: bytes, ticks: int, header: tuple[int, int, int]) -> None:
    found = sealed(key, ticks, header)
    assert found[:3] == (fit(ticks, *header[:2]), *header[:2])
    assert found.ticks in range(ticks, ticks + 256)
    assert found.agrees_with(*header)


@given(KEYS, TICKS, HEADERS, BYTE, BYTE, BYTE)
def test_no_other_advbase_or_advskew_agrees(
    key: bytes, ticks: int, header: tuple[int, int, int], advbase: int, advskew: int, demote: int
) -> None:
    assume((advbase, advskew) != header[:2])
    assert not sealed(key, ticks, header).agrees_with(advbase, advskew, demote)


@given(KEYS, TICKS, HEADERS, BYTE)
def test_no_demotion_of_another_step_agrees(key: bytes, ticks: int, header: tuple[int, int, int], demote: int) -> None:
    assume(header[0] != 255)
    agrees = sealed(key, ticks, header).agrees_with(header[0], header[1], demote)
    assert agrees is (min(-(-demote // 16), 15) == min(-(-header[2] // 16), 15))


@given(KEYS, TICKS, HEADERS, st.integers(1, (1 << 14) - 1))
def test_plus_anything_up_to_sixteen_thousand_is_not_ours(
    key: bytes, ticks: int, header: tuple[int, int, int], steps: int
) -> None:
    """Stronger than what ucarp needs: whoever goes on counting from a counter of ours is never taken for us."""
    marker = Marker(key)
    counter = marker.seal(fit(ticks, *header[:2]), *header)
    assume(counter + steps < 1 << 64)
    assert marker.read(counter + steps) is None or (counter + steps) >> 30 != counter >> 30


class Peer:
    """A sender of ours whose time the test moves, and a listener."""

    def __init__(self, *, strict: bool = True) -> None:
        self.now = 0.0
        self.ring = Authenticator(1, VIP, [Key(b"secret")], sign_link_local=True)
        self._transmitter = Transmitter(1, self.ring, Freshness(), lambda: self.now)
        self.receiver = Receiver(Config(1, VIP), self.ring, Freshness(), strict=strict)

    def say(self, header: tuple[int, int, int] = (1, 0, 0)) -> bytes:
        return self._transmitter.payload(*header)

    def hear(self, payload: bytes, source: bytes = PEER) -> Accepted | DropReason:
        return self.receiver.check(Datagram(Family.V4, source, GROUP_V4, TTL, payload), self.now)


@given(st.lists(st.tuples(HEADERS, st.floats(0, 100)), min_size=1, max_size=20))
def test_ticks_rise_whatever_is_said_and_whenever_and_all_of_it_is_believed_once(
    said: list[tuple[tuple[int, int, int], float]],
) -> None:
    peer = Peer()
    ticks = []
    for header, pause in said:
        payload = peer.say(header)
        assert isinstance(peer.hear(payload), Accepted)
        assert peer.hear(payload, STRANGER) is DropReason.REPLAY
        found = peer.ring.read(decode(payload).counter, 1)
        assert found is not None
        ticks.append(found.ticks)
        peer.now += pause
    assert all(earlier < later for earlier, later in pairwise(ticks))


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans(), BYTE, BYTE), max_size=30), st.booleans())
def test_without_the_key_nothing_but_the_first_hearing_of_a_genuine_one_is_believed(
    attack: list[tuple[int, bool, int, int]], strict: bool
) -> None:
    """Ten genuine ones in their order, and between them whatever can be made of those before: old, altered, or both."""
    peer = Peer(strict=strict)
    tape: list[bytes] = []
    for number in range(10):
        tape.append(peer.say((1, number, 0)))
        assert isinstance(peer.hear(tape[-1]), Accepted)
        for which, alter, advbase, advskew in attack:
            original = decode(tape[which % len(tape)])
            forged = original._replace(advbase=advbase, advskew=advskew) if alter else original
            assert peer.hear(encode(forged), STRANGER) in {DropReason.REPLAY, DropReason.TAMPERED}
        peer.now += 1.0


@given(st.integers(1, 200_000))
def test_ucarp_counting_on_from_ours_is_never_tampered(steps: int) -> None:
    peer = Peer(strict=False)
    counter = decode(peer.say()).counter
    peer.hear(encode(Advertisement(1, 1, 0, 0, counter, peer.ring.sign(counter))))
    theirs = Advertisement(1, 1, 100, 0, counter + steps, peer.ring.sign(counter + steps))
    assert isinstance(peer.hear(encode(theirs), STRANGER), Accepted)
