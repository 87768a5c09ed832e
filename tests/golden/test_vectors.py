"""Every golden vector both ways, byte for byte, and every negative one refused."""

from typing import Any

import pytest

from sidecar.carp.auth import Authenticator, Key, hashed_message
from sidecar.carp.config import Dialect, Family, interval_us, master_down_us
from sidecar.carp.constants import GROUP_V4, GROUP_V6, TTL
from sidecar.carp.packet import Advertisement, checksum_is_good, decode, encode, pseudo_checksum_is_good
from sidecar.carp.receive import Accepted, Datagram, DropReason
from tests.golden.recorded import VECTORS, addresses_of, datagram, receiver
from tests.golden.scapy_carp import CARP

Vector = dict[str, Any]
ALL = pytest.mark.parametrize("vector", [pytest.param(one, id=one["name"]) for one in VECTORS["vectors"]])
BASE = VECTORS["vectors"][0]


def key_of(vector: Vector) -> Key:
    return Key(bytes.fromhex(vector["key_hex"]))


def authenticator_of(vector: Vector) -> Authenticator:
    addresses = addresses_of([*vector["v4"], *vector["v6"]])
    link_local = not vector["skip_v6_linklocal"]
    return Authenticator(vector["vhid"], addresses, [key_of(vector)], sign_link_local=link_local)


def advertisement_of(vector: Vector) -> Advertisement:
    return Advertisement(
        vector["vhid"],
        vector["advbase"],
        vector["advskew"],
        vector["demote"],
        vector["counter"],
        bytes.fromhex(vector["hmac_hex"]),
        int(vector["carp_cksum"], 16),
    )


@ALL
def test_the_message_that_is_signed_is_the_recorded_one(vector: Vector) -> None:
    addresses = addresses_of([*vector["v4"], *vector["v6"]])
    message = hashed_message(vector["vhid"], addresses, link_local=not vector["skip_v6_linklocal"])
    assert (message + vector["counter"].to_bytes(8, "big")).hex() == vector["hmac_message_hex"]


@ALL
def test_the_digest_is_the_recorded_one(vector: Vector) -> None:
    assert authenticator_of(vector).sign(vector["counter"]).hex() == vector["hmac_hex"]


@ALL
def test_the_digest_verifies(vector: Vector) -> None:
    assert authenticator_of(vector).verify(vector["counter"], bytes.fromhex(vector["hmac_hex"])) == 1


@ALL
def test_decoding_gives_the_recorded_fields(vector: Vector) -> None:
    assert decode(bytes.fromhex(vector["carp_hex"])) == advertisement_of(vector)


@ALL
def test_encoding_gives_the_recorded_bytes_checksum_included(vector: Vector) -> None:
    unsummed = advertisement_of(vector)._replace(checksum=0)
    assert encode(unsummed).hex() == vector["carp_hex"]


@ALL
def test_the_checksum_is_the_recorded_one(vector: Vector) -> None:
    assert checksum_is_good(bytes.fromhex(vector["carp_hex"]))


@ALL
def test_scapy_reads_the_same_fields_and_computes_the_same_checksum(vector: Vector) -> None:
    payload = encode(advertisement_of(vector))
    read = CARP(payload)
    fields = (read.version, read.type, read.vhid, read.advbase, read.advskew, read.demotion, read.authlen)
    assert fields == (2, 1, vector["vhid"], vector["advbase"], vector["advskew"], vector["demote"], 7)
    read.chksum = None
    assert bytes(read) == payload


@pytest.mark.parametrize("dialect", Dialect)
@ALL
def test_a_receiver_of_either_dialect_believes_it(vector: Vector, dialect: Dialect) -> None:
    families = [family for family, key in ((Family.V4, "v4"), (Family.V6, "v6")) if vector[key]]
    listener = receiver(vector["vhid"], bytes.fromhex(vector["key_hex"]), [*vector["v4"], *vector["v6"]], dialect)
    for family in families:
        group = GROUP_V4 if family is Family.V4 else GROUP_V6
        source = bytes(4 if family is Family.V4 else 16)
        checked = listener.check(Datagram(family, source, group, TTL, bytes.fromhex(vector["carp_hex"])), 0.0)
        assert checked == Accepted(advertisement_of(vector), 1)


FRAMES = [
    pytest.param(one, one[kind], id=f"{one['name']}-{kind}")
    for one in VECTORS["vectors"]
    for kind in ("eth_frame_hex", "eth6_frame_hex")
    if kind in one
]


@pytest.mark.parametrize(("vector", "frame"), FRAMES)
def test_the_recorded_frame_is_believed_whole(vector: Vector, frame: str) -> None:
    found = datagram(bytes.fromhex(frame))
    assert found is not None
    listener = receiver(vector["vhid"], bytes.fromhex(vector["key_hex"]), [*vector["v4"], *vector["v6"]])
    assert isinstance(listener.check(found, 0.0), Accepted)


@pytest.mark.parametrize(
    "vector", [pytest.param(one, id=one["name"]) for one in VECTORS["vectors"] if "carp_cksum_netbsd_v6_pseudo" in one]
)
def test_netbsd_s_checksum_with_the_pseudo_header_is_believed_on_ipv6(vector: Vector) -> None:
    found = datagram(bytes.fromhex(vector["eth6_frame_hex"]))
    assert found is not None
    netbsd = bytes.fromhex(vector["carp_cksum_netbsd_v6_pseudo"])
    payload = found.payload[:6] + netbsd + found.payload[8:]
    assert pseudo_checksum_is_good(payload, found.source, found.destination)
    assert not checksum_is_good(payload)
    listener = receiver(vector["vhid"], bytes.fromhex(vector["key_hex"]), [*vector["v4"], *vector["v6"]])
    assert isinstance(listener.check(found._replace(payload=payload), 0.0), Accepted)


@pytest.mark.parametrize("negative", [pytest.param(one, id=one["name"]) for one in VECTORS["negatives"]])
def test_a_negative_vector_is_refused(negative: dict[str, str]) -> None:
    payload = encode(advertisement_of(BASE)._replace(digest=bytes.fromhex(negative["md"])))
    listener = receiver(BASE["vhid"], bytes.fromhex(BASE["key_hex"]), BASE["v4"])
    assert listener.check(Datagram(Family.V4, bytes(4), GROUP_V4, TTL, payload), 0.0) is DropReason.BADAUTH


def test_the_goodbye_is_one_and_nothing_else_is() -> None:
    goodbyes = [one["name"] for one in VECTORS["vectors"] if advertisement_of(one).is_bow_out]
    assert goodbyes == ["v4-goodbye-255-255"]


DIALECTS = {"freebsd": Dialect.FREEBSD, "netbsd": Dialect.FREEBSD, "ucarp": Dialect.FREEBSD, "openbsd": Dialect.OPENBSD}
OURS = [row for row in VECTORS["timers"] if row["deadratio"] == 3 and row["impl"] in DIALECTS]


@pytest.mark.parametrize(
    "row", [pytest.param(one, id=f"{one['impl']}-{one['advbase']}-{one['advskew']}") for one in OURS]
)
def test_the_timers_are_the_recorded_ones(row: dict[str, Any]) -> None:
    advbase, advskew = row["advbase"], row["advskew"]
    assert interval_us(advbase, advskew) == row["adv_interval_us"]
    assert master_down_us(advbase, advskew, DIALECTS[row["impl"]]) == row["master_down_us"]


def test_hardly_any_timer_row_is_left_out() -> None:
    """Left out: OpenBSD before 2020 (below), and ucarp's other dead ratios, which are no setting of ours."""
    left_out = [row for row in VECTORS["timers"] if row not in OURS]
    assert {row["impl"] for row in left_out} == {"openbsd-old", "ucarp"}


@pytest.mark.parametrize(
    "row", [row for row in VECTORS["timers"] if row["impl"] == "openbsd-old" and row["advbase"] < 255]
)
def test_openbsd_before_2020_waits_as_freebsd_does(row: dict[str, Any]) -> None:
    advbase, advskew = row["advbase"], row["advskew"]
    assert master_down_us(advbase, advskew, Dialect.FREEBSD) == row["master_down_us"]
