"""Every advertisement in the captures of real kernels and of real ucarp is believed, with the documented keys."""

from typing import Any

import pytest

from sidecar.carp.auth import Authenticator, Key
from sidecar.carp.config import Dialect, Family
from sidecar.carp.packet import Advertisement, decode, encode
from sidecar.carp.receive import Accepted, Datagram, DropReason, speaker_of
from sidecar.carp.receive import Speaker as Kind
from tests.golden.recorded import (
    BSD_FRAMES,
    DATA,
    SPEAKERS,
    Speaker,
    addresses_of,
    captured,
    datagram,
    is_believed,
    receiver,
)
from tests.golden.scapy_carp import CARP

CAPTURES = pytest.mark.parametrize("name", SPEAKERS)
FRAMES = pytest.mark.parametrize(
    "row", [pytest.param(row, id=f"{n}-{row['kernel']}-{row['vhid']}") for n, row in enumerate(BSD_FRAMES)]
)


def speaker_named(name: str, vhid: int) -> Speaker:
    return next(speaker for speaker in SPEAKERS[name] if speaker.vhid == vhid)


def believed_with(name: str, found: Datagram) -> list[str]:
    """Which of the documented lists of addresses it verifies with."""
    speaker = speaker_named(name, decode(found.payload).vhid)
    return [one for one in speaker.addresses if is_believed(found, speaker.vhid, speaker.passphrase, one)]


def test_every_capture_is_documented() -> None:
    assert {path.stem for path in (DATA / "pcaps").glob("*.pcap")} == set(SPEAKERS)


@CAPTURES
def test_every_advertisement_in_a_capture_is_believed(name: str) -> None:
    assert [found for found in captured(name) if len(believed_with(name, found)) != 1] == []


@CAPTURES
def test_a_capture_says_what_its_description_says(name: str) -> None:
    for speaker in SPEAKERS[name]:
        heard = [ad for found in captured(name) if (ad := decode(found.payload)).vhid == speaker.vhid]
        assert {ad[1:4] for ad in heard} == speaker.said
        assert len(heard) == speaker.frames


@CAPTURES
def test_every_captured_advertisement_encodes_to_the_same_bytes(name: str) -> None:
    for found in captured(name):
        assert encode(decode(found.payload)) == found.payload


@CAPTURES
def test_scapy_reads_captured_advertisements_as_we_do(name: str) -> None:
    for found in captured(name):
        ours, theirs = decode(found.payload), CARP(found.payload)
        assert ours[:4] == (theirs.vhid, theirs.advbase, theirs.advskew, theirs.demotion)
        assert ours.counter == theirs.counter1 << 32 | theirs.counter2
        assert ours.checksum == theirs.chksum
        words = (theirs.hmac1, theirs.hmac2, theirs.hmac3, theirs.hmac4, theirs.hmac5)
        assert ours.digest == b"".join(word.to_bytes(4, "big") for word in words)


@CAPTURES
def test_with_another_passphrase_nothing_is_believed(name: str) -> None:
    for found in captured(name):
        speaker = speaker_named(name, decode(found.payload).vhid)
        for addresses in speaker.addresses:
            assert not is_believed(found, speaker.vhid, speaker.passphrase + "x", addresses)


@CAPTURES
def test_with_one_address_more_nothing_is_believed(name: str) -> None:
    for found in captured(name):
        speaker = speaker_named(name, decode(found.payload).vhid)
        for addresses in speaker.addresses:
            assert not is_believed(found, speaker.vhid, speaker.passphrase, f"{addresses} 10.9.9.201")


@CAPTURES
def test_the_kind_of_speaker_shows_in_its_mac(name: str) -> None:
    expected = Kind.UCARP if name.startswith("ucarp") else Kind.BSD
    assert {speaker_of(found.source_mac) for found in captured(name)} == {expected}


def test_addresses_that_change_while_it_runs_are_told_apart() -> None:
    used = [believed_with("n02_multi", found) for found in captured("n02_multi")]
    assert len({tuple(one) for one in used}) == 3
    assert used == sorted(used, key=[[one] for one in SPEAKERS["n02_multi"][0].addresses].index)


@pytest.mark.parametrize(("name", "goodbyes"), [("n01_single", 1), ("o01_single", 1), ("ucarp-sigterm-no-goodbye", 0)])
def test_a_goodbye_is_recognised(name: str, goodbyes: int) -> None:
    heard = [decode(found.payload).is_bow_out for found in captured(name)]
    assert sum(heard) == goodbyes


def test_a_dual_stack_goodbye_comes_on_each_family() -> None:
    goodbyes = [one for one in captured("o03_v6") if decode(one.payload).is_bow_out and decode(one.payload).vhid == 45]
    assert [one.family for one in goodbyes] == [Family.V4, Family.V6]


def test_openbsd_s_demotion_rises_and_falls_back() -> None:
    demotions = [decode(found.payload).demote for found in captured("o04_demote")]
    changes = [new for old, new in zip([None, *demotions], demotions, strict=False) if new != old]
    assert changes == [0, 1, 201, 0, 1, 0]


@FRAMES
def test_a_frame_of_a_bsd_kernel_is_believed(row: dict[str, Any]) -> None:
    found = datagram(bytes.fromhex(row["frame"]))
    assert found is not None
    assert found.family == row["af"]
    checked = receiver(row["vhid"], row["key"].encode(), row["addrs"]).check(found, 0.0)
    assert isinstance(checked, Accepted)
    said = (row["advbase"], row["advskew"], row["demote"], int(row["counter"], 16), bytes.fromhex(row["hmac"]))
    assert checked.advertisement[1:6] == said


@FRAMES
def test_a_frame_of_a_bsd_kernel_is_signed_and_encoded_alike(row: dict[str, Any]) -> None:
    dialect = Dialect.OPENBSD if row["kernel"] == "openbsd" else Dialect.FREEBSD
    counter = int(row["counter"], 16)
    authenticator = Authenticator(
        row["vhid"],
        addresses_of(row["addrs"]),
        [Key(row["key"].encode())],
        sign_link_local=dialect is Dialect.FREEBSD,
    )
    said = (row["vhid"], row["advbase"], row["advskew"], row["demote"])
    payload = encode(Advertisement(*said, counter, authenticator.sign(counter)))
    assert payload.hex() == row["frame"][-len(payload.hex()) :]


@FRAMES
def test_a_frame_of_a_bsd_kernel_with_another_vhid_s_key_is_refused(row: dict[str, Any]) -> None:
    found = datagram(bytes.fromhex(row["frame"]))
    assert found is not None
    checked = receiver(row["vhid"], row["key"].encode() + b"x", row["addrs"]).check(found, 0.0)
    assert checked is DropReason.BADAUTH
