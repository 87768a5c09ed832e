"""Whatever an advertisement says, it survives the wire; whatever changes on the wire, it is noticed."""

from ipaddress import IPv4Address, IPv6Address

from hypothesis import assume, given
from hypothesis import strategies as st

from sidecar.carp.auth import Authenticator, Key, hashed_message
from sidecar.carp.config import Address, Config, Dialect, Family
from sidecar.carp.constants import GROUP_V4, GROUP_V6, TTL
from sidecar.carp.freshness import Freshness
from sidecar.carp.packet import Advertisement, checksum_is_good, decode, encode, internet_checksum
from sidecar.carp.receive import Accepted, Datagram, DropReason, Receiver

BYTE = st.integers(0, 255)
COUNTER = st.integers(0, 2**64 - 1)
ADVERTISEMENTS = st.builds(Advertisement, BYTE, BYTE, BYTE, BYTE, COUNTER, st.binary(min_size=20, max_size=20))
V4 = st.integers(1, 2**32 - 2).map(IPv4Address)
V6 = st.integers(0, 2**128 - 1).map(IPv6Address)
ADDRESSES = st.lists(st.one_of(V4, V6), min_size=1, max_size=6).map(tuple)
KEYS = st.lists(st.binary(max_size=19).filter(lambda key: not key.endswith(b"\0")), min_size=1, max_size=3, unique=True)


def datagrams(family: Family, group: bytes) -> st.SearchStrategy[Datagram]:
    """Anything that a wire of one family may bring."""
    address = st.binary(min_size=len(group), max_size=len(group))
    destination, ttl = st.one_of(st.just(group), address), st.one_of(st.just(TTL), BYTE)
    return st.builds(
        Datagram, st.just(family), address, destination, ttl, st.binary(max_size=80), st.binary(max_size=6)
    )


DATAGRAMS = st.one_of(datagrams(Family.V4, GROUP_V4), datagrams(Family.V6, GROUP_V6))


def ring(keys: list[bytes]) -> list[Key]:
    return [Key(key, number) for number, key in enumerate(keys, start=1)]


def listener(config: Config, keys: list[bytes]) -> Receiver:
    authenticator = Authenticator(config.vhid, config.addresses, ring(keys), sign_link_local=config.sign_link_local)
    return Receiver(config, authenticator, Freshness())


def signed(config: Config, keys: list[bytes], counter: int, said: tuple[int, int, int] = (1, 0, 0)) -> bytes:
    authenticator = Authenticator(config.vhid, config.addresses, ring(keys), sign_link_local=config.sign_link_local)
    return encode(Advertisement(config.vhid, *said, counter, authenticator.sign(counter)))


def resummed(payload: bytes) -> bytes:
    unsummed = payload[:6] + bytes(2) + payload[8:]
    return payload[:6] + internet_checksum(unsummed).to_bytes(2, "big") + payload[8:]


def arriving(config: Config, payload: bytes) -> Datagram:
    family = config.families[0]
    size, group = (4, GROUP_V4) if family is Family.V4 else (16, GROUP_V6)
    return Datagram(family, bytes(size), group, TTL, payload)


CONFIGS = st.builds(Config, st.integers(1, 255), ADDRESSES, dialect=st.sampled_from(Dialect))


@given(ADVERTISEMENTS)
def test_decoding_undoes_encoding(advertisement: Advertisement) -> None:
    wire = encode(advertisement)
    assert checksum_is_good(wire)
    assert decode(wire)[:6] == advertisement[:6]
    assert encode(decode(wire)) == wire


@given(ADVERTISEMENTS, st.binary())
def test_what_follows_36_bytes_does_not_matter(advertisement: Advertisement, more: bytes) -> None:
    assert decode(encode(advertisement) + more) == decode(encode(advertisement))


@given(ADVERTISEMENTS, st.integers(0, 36 * 8 - 1))
def test_any_bit_that_flips_breaks_the_checksum(advertisement: Advertisement, bit: int) -> None:
    wire = bytearray(encode(advertisement))
    wire[bit // 8] ^= 1 << bit % 8
    assert not checksum_is_good(bytes(wire))


@given(CONFIGS, KEYS, COUNTER, BYTE, BYTE, BYTE)
def test_what_one_member_sends_the_other_believes(
    config: Config, keys: list[bytes], counter: int, advbase: int, advskew: int, demote: int
) -> None:
    payload = signed(config, keys, counter, (advbase, advskew, demote))
    for family in config.families:
        size, group = (4, GROUP_V4) if family is Family.V4 else (16, GROUP_V6)
        checked = listener(config, keys).check(Datagram(family, bytes(size), group, TTL, payload), 0.0)
        assert isinstance(checked, Accepted)
        assert checked.advertisement[:5] == (config.vhid, advbase, advskew, demote, counter)


COVERED = [bit for bit in range(36 * 8) if bit // 8 == 1 or bit // 8 >= 8]
"""vhid, counter, digest: what the digest covers, or is."""


@given(CONFIGS, KEYS, COUNTER, st.sampled_from(COVERED))
def test_any_covered_bit_that_flips_is_noticed(config: Config, keys: list[bytes], counter: int, bit: int) -> None:
    payload = bytearray(signed(config, keys, counter))
    payload[bit // 8] ^= 1 << bit % 8
    receiver = listener(config, keys)
    assert receiver.check(arriving(config, bytes(payload)), 0.0) is DropReason.BADSUM
    forged = receiver.check(arriving(config, resummed(bytes(payload))), 0.0)
    assert forged is (DropReason.BADVHID if bit // 8 == 1 else DropReason.BADAUTH)


@given(CONFIGS, KEYS, st.binary(max_size=19), COUNTER)
def test_another_key_is_not_believed(config: Config, keys: list[bytes], other: bytes, counter: int) -> None:
    assume(other.rstrip(b"\0") not in keys)
    payload = signed(config, [other], counter)
    assert listener(config, keys).check(arriving(config, payload), 0.0) is DropReason.BADAUTH


@given(CONFIGS, KEYS, COUNTER)
def test_a_member_believes_any_of_its_keys_and_names_it(config: Config, keys: list[bytes], counter: int) -> None:
    assume(not any(Key(key, 1).marker().read(counter) for key in keys))  # marked by chance, once in 16,384
    for number, key in enumerate(keys, start=1):
        checked = listener(config, keys).check(arriving(config, signed(config, [key], counter)), 0.0)
        assert isinstance(checked, Accepted)
        assert checked.key == number


@given(st.integers(1, 255), st.permutations([IPv4Address(n) for n in (1, 2, 3)] + [IPv6Address(n) for n in (1, 2)]))
def test_the_order_of_addresses_does_not_matter(vhid: int, addresses: list[Address]) -> None:
    ordered = hashed_message(vhid, sorted(addresses, key=lambda one: (one.version, int(one))), link_local=True)
    assert hashed_message(vhid, addresses, link_local=True) == ordered
    assert hashed_message(vhid, addresses * 2, link_local=True) == ordered


@given(CONFIGS, KEYS, DATAGRAMS)
def test_arbitrary_bytes_are_dropped_for_a_reason_and_never_raise(
    config: Config, keys: list[bytes], datagram: Datagram
) -> None:
    assert isinstance(listener(config, keys).check(datagram, 0.0), DropReason)


@given(CONFIGS, KEYS, st.lists(DATAGRAMS, max_size=5), COUNTER)
def test_what_was_dropped_changes_nothing(
    config: Config, keys: list[bytes], rubbish: list[Datagram], counter: int
) -> None:
    good = arriving(config, signed(config, keys, counter))
    receiver = listener(config, keys)
    before = receiver.check(good, 0.0)
    reasons = [receiver.check(one, 0.0) for one in rubbish]
    assert receiver.check(good, 0.0) == before
    assert [receiver.check(one, 0.0) for one in rubbish] == reasons
