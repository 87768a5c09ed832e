"""What is believed, and the one reason why each other thing is not, in the order of the checks."""

from ipaddress import ip_address

import pytest

from sidecar.carp.auth import Authenticator, Key
from sidecar.carp.config import Address, Config, Dialect, Family
from sidecar.carp.constants import GROUP_V4, GROUP_V6
from sidecar.carp.freshness import Freshness
from sidecar.carp.packet import Advertisement, decode, encode, internet_checksum
from sidecar.carp.receive import Accepted, Datagram, DropReason, Receiver, Speaker, check_form, is_multicast, speaker_of
from sidecar.carp.transmit import Transmitter
from tests.unit.carp.told import OTHER, PEER, PEER6, VIP, VIP6

US = ip_address("192.0.2.9").packed
UNICAST: tuple[Address, ...] = (ip_address("192.0.2.1"),)


def authenticator(addresses: tuple[Address, ...] = VIP, key: bytes = b"secret", vhid: int = 1) -> Authenticator:
    return Authenticator(vhid, addresses, [Key(key)], sign_link_local=True)


class Listener:
    """A receiver, all of whose datagrams arrive at the same moment."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def check(self, datagram: Datagram) -> Accepted | DropReason:
        return self._receiver.check(datagram, 0.0)


def sender_of(freshness: Freshness) -> Transmitter:
    transmitter = Transmitter(1, authenticator(), freshness, float)
    transmitter.send_from(frozenset((US,)))
    return transmitter


def receiver(
    addresses: tuple[Address, ...] = VIP, peers: tuple[Address, ...] = (), freshness: Freshness | None = None
) -> Listener:
    config = Config(1, addresses, peers=peers)
    return Listener(Receiver(config, authenticator(addresses), freshness or Freshness()))


def signed(addresses: tuple[Address, ...] = VIP, key: bytes = b"secret", vhid: int = 1, counter: int = 77) -> bytes:
    return encode(Advertisement(vhid, 1, 0, 0, counter, authenticator(addresses, key, vhid).sign(counter)))


def resummed(payload: bytes) -> bytes:
    unsummed = payload[:6] + bytes(2) + payload[8:36]
    return payload[:6] + internet_checksum(unsummed).to_bytes(2, "big") + payload[8:]


GOOD = Datagram(Family.V4, PEER, GROUP_V4, 255, signed())
GOOD6 = Datagram(Family.V6, PEER6, GROUP_V6, 255, signed(VIP6))


def test_a_good_advertisement_is_believed_and_its_key_named() -> None:
    checked = receiver().check(GOOD)
    assert isinstance(checked, Accepted)
    assert checked.key == 1
    assert checked.advertisement[:5] == (1, 1, 0, 0, 77)
    assert isinstance(receiver(VIP6).check(GOOD6), Accepted)


@pytest.mark.parametrize(
    ("reason", "wrong"),
    [
        ("badlen", GOOD._replace(payload=b"")),
        ("badlen", GOOD._replace(payload=signed()[:35])),
        ("badttl", GOOD._replace(ttl=254)),
        ("badttl", GOOD._replace(ttl=0)),
        ("badsum", GOOD._replace(payload=signed()[:-1] + b"\0")),
        ("badver", GOOD._replace(payload=resummed(b"\x31" + signed()[1:]))),
        ("badvhid", GOOD._replace(payload=signed(vhid=2))),
        ("badaddr", GOOD._replace(destination=OTHER)),
        ("badaddr", GOOD._replace(destination=bytes((224, 0, 0, 1)))),
        ("badaddr", GOOD6._replace(payload=signed())),
        ("badauth", GOOD._replace(payload=signed(key=b"wrong"))),
        ("badauth", GOOD._replace(payload=signed(VIP + VIP6))),
    ],
)
def test_a_wrong_one_is_dropped_for_its_reason(reason: str, wrong: Datagram) -> None:
    assert receiver().check(wrong) is DropReason(reason)


def test_the_first_check_that_fails_names_the_drop() -> None:
    """Everything is wrong at once; mended one by one, the reasons come in the order of the kernels."""
    freshness = Freshness()
    own = sender_of(freshness).payload(1, 0, 0)
    version_3 = resummed(b"\x31" + signed(key=b"wrong", vhid=2)[1:])
    stages = {
        "badlen": Datagram(Family.V4, US, OTHER, 1, b"\x31"),
        "badttl": Datagram(Family.V4, US, OTHER, 1, version_3[:-1] + b"\0"),
        "badsum": Datagram(Family.V4, US, OTHER, 255, version_3[:-1] + b"\0"),
        "badver": Datagram(Family.V4, US, OTHER, 255, version_3),
        "badvhid": Datagram(Family.V4, US, OTHER, 255, signed(key=b"wrong", vhid=2)),
        "badaddr": Datagram(Family.V4, US, OTHER, 255, signed(key=b"wrong")),
        "badauth": Datagram(Family.V4, US, GROUP_V4, 255, signed(key=b"wrong")),
        "own": Datagram(Family.V4, US, GROUP_V4, 255, own),
    }
    listener = receiver(freshness=freshness)
    assert {str(listener.check(datagram)): reason for reason, datagram in stages.items()} == {
        reason: reason for reason in stages
    }


@pytest.mark.parametrize("byte", [0x21, 0x22, 0x2F, 0x20])
def test_type_and_authlen_are_not_looked_at(byte: int) -> None:
    payload = bytes((byte,)) + signed()[1:3] + b"\0" + signed()[4:]
    assert isinstance(receiver().check(GOOD._replace(payload=resummed(payload))), Accepted)


def test_trailing_bytes_any_source_and_any_mac_are_no_reason_to_drop() -> None:
    odd = GOOD._replace(payload=signed() + b"padding", source=bytes(4), source_mac=b"\x02\0\0\0\0\1")
    assert isinstance(receiver().check(odd), Accepted)


def test_a_unicast_peer_is_heard_by_unicast_only() -> None:
    listener = receiver(peers=UNICAST)
    assert isinstance(listener.check(GOOD._replace(destination=US)), Accepted)
    assert listener.check(GOOD) is DropReason.BADADDR


def test_a_family_without_an_address_is_not_listened_to() -> None:
    dual = receiver(VIP + VIP6)
    payload = signed(VIP + VIP6)
    assert isinstance(dual.check(GOOD._replace(payload=payload)), Accepted)
    assert isinstance(dual.check(GOOD6._replace(payload=payload)), Accepted)
    assert receiver(VIP6).check(GOOD._replace(payload=signed(VIP6))) is DropReason.BADADDR


def netbsd(datagram: Datagram) -> Datagram:
    """The same with the checksum that NetBSD computes."""
    pseudo = datagram.source + datagram.destination + (36).to_bytes(4, "big") + (112).to_bytes(4, "big")
    unsummed = datagram.payload[:6] + bytes(2) + datagram.payload[8:]
    checksum = internet_checksum(pseudo + unsummed).to_bytes(2, "big")
    return datagram._replace(payload=datagram.payload[:6] + checksum + datagram.payload[8:])


def test_netbsd_s_pseudo_header_is_believed_on_ipv6_and_not_on_ipv4() -> None:
    assert isinstance(receiver(VIP6).check(netbsd(GOOD6)), Accepted)
    assert receiver().check(netbsd(GOOD)) is DropReason.BADSUM


def test_a_pseudo_header_of_another_source_is_a_bad_checksum() -> None:
    moved = netbsd(GOOD6)._replace(source=bytes(15) + b"\7")
    assert receiver(VIP6).check(moved) is DropReason.BADSUM


def test_either_dialect_believes_the_other_s_link_local_signature() -> None:
    addresses = (*VIP6, ip_address("fe80::7"))
    for sent, heard in ((Dialect.OPENBSD, Dialect.FREEBSD), (Dialect.FREEBSD, Dialect.OPENBSD)):
        sender, config = Config(1, addresses, dialect=sent), Config(1, addresses, dialect=heard)
        ring = [Key(b"secret")]
        signing = Authenticator(1, addresses, ring, sign_link_local=sender.sign_link_local)
        hearing = Authenticator(1, addresses, ring, sign_link_local=config.sign_link_local)
        payload = encode(Advertisement(1, 1, 0, 0, 5, signing.sign(5)))
        checked = Receiver(config, hearing, Freshness()).check(GOOD6._replace(payload=payload), 0.0)
        assert isinstance(checked, Accepted)


def test_the_key_that_signed_is_named() -> None:
    ring = Authenticator(1, VIP, [Key(b"new", 1), Key(b"secret", 2)], sign_link_local=True)
    checked = Receiver(Config(1, VIP), ring, Freshness()).check(GOOD, 0.0)
    assert isinstance(checked, Accepted)
    assert checked.key == 2


def test_our_own_advertisement_that_comes_back_is_own() -> None:
    freshness = Freshness()
    transmitter = sender_of(freshness)
    reflected = [GOOD._replace(source=US, payload=transmitter.payload(1, 0, 0)) for _ in range(3)]
    assert [receiver(freshness=freshness).check(one) for one in reflected] == [DropReason.OWN] * 3


def test_a_peer_that_continues_our_counter_is_believed() -> None:
    """FreeBSD, NetBSD and ucarp copy the counter they heard and add one: a counter near ours may be a peer's."""
    freshness = Freshness()
    ours = decode(sender_of(freshness).payload(1, 0, 0)).counter
    listener = receiver(freshness=freshness)
    checked = listener.check(GOOD._replace(payload=signed(counter=ours + 1)))
    assert isinstance(checked, Accepted)
    assert checked.speaker is Speaker.UNKNOWN


def test_form_is_checked_without_key_or_configuration() -> None:
    assert check_form(GOOD) is None
    assert check_form(GOOD._replace(payload=signed(key=b"wrong", vhid=9))) is None
    assert check_form(GOOD._replace(ttl=1)) is DropReason.BADTTL


@pytest.mark.parametrize(
    ("address", "multicast"),
    [
        ("224.0.0.18", True),
        ("239.255.255.255", True),
        ("223.255.255.255", False),
        ("240.0.0.1", False),
        ("ff02::12", True),
        ("fe80::12", False),
    ],
)
def test_groups_are_told_from_hosts(address: str, multicast: bool) -> None:
    assert is_multicast(ip_address(address).packed) is multicast


@pytest.mark.parametrize(
    ("mac", "speaker"),
    [
        ("00005e00012a", Speaker.BSD),
        ("00005e00002a", Speaker.UCARP),
        ("00005e00022a", Speaker.UNKNOWN),
        ("020000000001", Speaker.UNKNOWN),
        ("", Speaker.UNKNOWN),
    ],
)
def test_the_source_mac_tells_the_implementation(mac: str, speaker: Speaker) -> None:
    assert speaker_of(bytes.fromhex(mac)) is speaker
