"""36 bytes, both ways, and the two kinds of checksum."""

import struct

import pytest

from sidecar.carp.packet import (
    Advertisement,
    checksum_is_good,
    decode,
    encode,
    internet_checksum,
    pseudo_checksum_is_good,
)

AD = Advertisement(vhid=5, advbase=1, advskew=40, demote=3, counter=0x0102030405060708, digest=bytes(range(20)))


def test_fields_stand_where_the_diagram_says() -> None:
    wire = encode(AD)
    assert len(wire) == 36
    assert wire[:6].hex() == "210528070301"
    assert wire[8:16].hex() == "0102030405060708"
    assert wire[16:] == bytes(range(20))


def test_decoding_what_was_encoded_gives_it_back() -> None:
    wire = encode(AD)
    assert decode(wire) == AD._replace(checksum=int.from_bytes(wire[6:8], "big"))


def test_the_checksum_is_computed_and_never_taken_over() -> None:
    assert encode(AD._replace(checksum=0xBEEF)) == encode(AD)


def test_trailing_bytes_are_ignored() -> None:
    assert decode(encode(AD) + b"trailing") == decode(encode(AD))
    assert checksum_is_good(encode(AD) + b"trailing")


@pytest.mark.parametrize("length", range(36))
def test_what_is_shorter_than_a_header_is_no_advertisement(length: int) -> None:
    with pytest.raises(struct.error):
        decode(encode(AD)[:length])


@pytest.mark.parametrize("offset", range(36))
def test_a_byte_that_changed_shows_in_the_checksum(offset: int) -> None:
    wire = bytearray(encode(AD))
    wire[offset] ^= 0x10
    assert not checksum_is_good(bytes(wire))


@pytest.mark.parametrize(
    ("data", "checksum"),
    [("", 0xFFFF), ("0001f203f4f5f6f7", 0x220D), ("ffff", 0x0000), ("ffff" * 40, 0x0000), ("0000", 0xFFFF)],
)
def test_the_checksum_is_rfc_1071_s(data: str, checksum: int) -> None:
    assert internet_checksum(bytes.fromhex(data)) == checksum


def test_the_sum_carries_twice_when_it_must() -> None:
    assert internet_checksum(b"\xff\xff" * 17 + b"\x00\x11") == 0xFFFF - 0x11


def test_netbsd_s_checksum_covers_source_destination_length_and_protocol() -> None:
    source, destination = bytes(15) + b"\x01", bytes(15) + b"\x12"
    pseudo = source + destination + (36).to_bytes(4, "big") + (112).to_bytes(4, "big")
    unsummed = bytearray(encode(AD))
    unsummed[6:8] = bytes(2)
    unsummed[6:8] = internet_checksum(pseudo + bytes(unsummed)).to_bytes(2, "big")
    assert pseudo_checksum_is_good(bytes(unsummed), source, destination)
    assert not pseudo_checksum_is_good(bytes(unsummed), destination[::-1], source)
    assert not pseudo_checksum_is_good(encode(AD), source, destination)


@pytest.mark.parametrize(
    ("advbase", "advskew", "bows_out"), [(255, 255, True), (255, 254, False), (1, 255, False), (255, 0, False)]
)
def test_only_255_and_255_say_goodbye(advbase: int, advskew: int, bows_out: bool) -> None:
    assert AD._replace(advbase=advbase, advskew=advskew).is_bow_out is bows_out
