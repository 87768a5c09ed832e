"""What is signed, with which key, and which other forms are believed."""

import hashlib
import hmac
from ipaddress import ip_address

import pytest

from sidecar.carp.auth import Authenticator, Key, hashed_message
from sidecar.carp.config import Address

LINK_LOCAL = "fe80::200:5eff:fe00:101"


def addresses(*texts: str) -> tuple[Address, ...]:
    return tuple(ip_address(text) for text in texts)


def signer(*texts: str, keys: tuple[bytes, ...] = (b"secret",), link_local: bool = True) -> Authenticator:
    ring = [Key(key, number) for number, key in enumerate(keys, start=1)]
    return Authenticator(1, addresses(*texts), ring, sign_link_local=link_local)


def by_the_book(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA1 by the standard library."""
    return hmac.new(key, message, hashlib.sha1).digest()


def test_version_and_type_are_two_bytes_and_the_vhid_follows() -> None:
    assert hashed_message(5, addresses("10.0.0.3"), link_local=True) == b"\x02\x01\x05\x0a\x00\x00\x03"


def test_the_counter_is_signed_last_in_network_order() -> None:
    expected = by_the_book(b"secret", b"\x02\x01\x01\x0a\x00\x00\x03" + (258).to_bytes(8, "big"))
    assert signer("10.0.0.3").sign(258) == expected


def test_addresses_are_signed_in_ascending_order_ipv4_first_each_once() -> None:
    unsorted = addresses("2001:db8::2", "10.0.0.200", "9.255.255.255", "2001:db8::1", "10.0.0.3", "10.0.0.3")
    expected = addresses("9.255.255.255", "10.0.0.3", "10.0.0.200", "2001:db8::1", "2001:db8::2")
    packed = b"".join(address.packed for address in expected)
    assert hashed_message(1, unsorted, link_local=True)[3:] == packed


@pytest.mark.parametrize("address", ["0.0.0.0", "255.255.255.255"])
def test_addresses_that_no_implementation_selects_are_not_signed(address: str) -> None:
    assert hashed_message(1, addresses(address, "10.0.0.3"), link_local=True)[3:] == b"\x0a\x00\x00\x03"


def test_the_scope_of_a_link_local_address_is_not_signed() -> None:
    scoped = hashed_message(1, addresses(f"{LINK_LOCAL}%eth0"), link_local=True)
    assert scoped == hashed_message(1, addresses(LINK_LOCAL), link_local=True)


def test_an_ipv4_link_local_address_is_signed_by_everybody() -> None:
    assert signer("169.254.1.1", link_local=False).sign(1) == signer("169.254.1.1", link_local=True).sign(1)


def test_link_local_addresses_are_signed_or_not_as_the_dialect_says() -> None:
    both, without = ("2001:db8::10", LINK_LOCAL), ("2001:db8::10",)
    assert signer(*both, link_local=False).sign(1) == signer(*without).sign(1)
    assert signer(*both, link_local=True).sign(1) != signer(*without).sign(1)


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("theirs", [True, False])
def test_both_treatments_of_link_local_addresses_are_believed(ours: bool, theirs: bool) -> None:
    both = ("2001:db8::10", LINK_LOCAL)
    digest = signer(*both, link_local=theirs).sign(7)
    assert signer(*both, link_local=ours).verify(7, digest) == 1


def test_a_short_key_is_padded_with_zeros_and_20_bytes_are_taken_whole() -> None:
    assert signer("10.0.0.3", keys=(b"abc",)).sign(1) == signer("10.0.0.3", keys=(b"abc" + bytes(17),)).sign(1)
    twenty = b"abcdefghijklmnopqrst"
    assert signer("10.0.0.3", keys=(twenty,)).sign(1) != signer("10.0.0.3", keys=(twenty[:19],)).sign(1)


def test_an_empty_key_is_legal() -> None:
    assert signer("10.0.0.3", keys=(b"",)).sign(1) == by_the_book(
        bytes(20), b"\x02\x01\x01\x0a\x00\x00\x03" + b"\0" * 7 + b"\1"
    )


def test_the_first_key_signs_and_every_key_verifies() -> None:
    ring = signer("10.0.0.3", keys=(b"new", b"old"))
    old, new = signer("10.0.0.3", keys=(b"old",)), signer("10.0.0.3", keys=(b"new",))
    assert ring.sign(1) == new.sign(1)
    assert ring.verify(1, new.sign(1)) == 1
    assert ring.verify(1, old.sign(1)) == 2
    assert old.verify(1, ring.sign(1)) is None


def test_a_ring_without_keys_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one key"):
        Authenticator(1, addresses("10.0.0.3"), [], sign_link_local=True)


@pytest.mark.parametrize("counter", [0, 1, 2**64 - 1])
def test_a_digest_is_good_for_its_own_counter_only(counter: int) -> None:
    one = signer("10.0.0.3")
    digest = one.sign(counter)
    assert one.verify(counter, digest) == 1
    assert one.verify(counter ^ 1, digest) is None


def test_another_vhid_or_another_address_is_another_digest() -> None:
    ring = [Key(b"secret")]
    digest = Authenticator(2, addresses("10.0.0.3"), ring, sign_link_local=True).sign(1)
    assert signer("10.0.0.3").verify(1, digest) is None
    assert signer("10.0.0.3", "10.0.0.4").verify(1, signer("10.0.0.3").sign(1)) is None


def test_a_key_never_prints_itself() -> None:
    assert "hunter2" not in f"{Key(b'hunter2', 3)!r} {Key(b'hunter2')}"
    assert repr(Key(b"hunter2", 3)) == "Key(number=3, ***)"


def test_keys_are_equal_by_what_they_hold() -> None:
    assert Key(b"a", 1) == Key(b"a", 2)
    assert Key(b"a") != Key(b"b")
    assert Key(b"a") != b"a"
    assert len({Key(b"a"), Key(b"a")}) == 1
