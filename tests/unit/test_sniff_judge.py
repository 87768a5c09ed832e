"""A record says what is in the frame, whether it verifies, and why `run` would drop it."""

import dataclasses
import json
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP
from scapy.layers.vrrp import VRRP, VRRPv3

from sidecar.carp.auth import Authenticator, Key
from sidecar.carp.config import Address, Config, Family
from sidecar.carp.freshness import Freshness
from sidecar.carp.packet import Advertisement, encode
from sidecar.carp.receive import Accepted, Datagram, Receiver
from sidecar.sniff.dissect import Observation
from sidecar.sniff.frame import Frame
from sidecar.sniff.judge import Judge, Judged, Record
from sidecar.sniff.render import as_json, as_text
from sidecar.sniff.summary import Summary

KEY = Key(b"secret")
V4, V6 = ip_address("10.9.0.100"), ip_address("fd99::1")
GROUPS = {Family.V4: ip_address("224.0.0.18").packed, Family.V6: ip_address("ff02::12").packed}
SOURCES = {Family.V4: ip_address("10.9.0.1").packed, Family.V6: ip_address("fe80::1").packed}
CONTRACT = [
    "frame", "time", "source", "destination", "source_mac", "destination_mac", "family", "ttl", "protocol", "vhid",
    "advbase", "advskew", "demote", "counter", "bow_out", "checksum", "digest", "speaker", "drop",
]  # fmt: skip


def carp(
    vhid: int = 7, key: Key = KEY, addresses: tuple[Address, ...] = (V4,), advbase: int = 1, advskew: int = 0
) -> bytes:
    signer = Authenticator(vhid, addresses, [key], sign_link_local=True)
    return encode(Advertisement(vhid, advbase, advskew, 0, 5, signer.sign(5)))


def observation(payload: bytes, family: Family = Family.V4, mac: str = "00005e000107", **changes: Any) -> Observation:
    datagram = Datagram(family, SOURCES[family], GROUPS[family], 255, payload, bytes.fromhex(mac))
    return Observation(datagram._replace(**changes), bytes.fromhex("01005e000012"))


def judged(
    seen: Observation, keys: tuple[Key, ...] = (KEY,), addresses: tuple[Address, ...] = (V4,), vhid: int | None = None
) -> Judged:
    return Judge(keys, addresses, vhid).judge(Frame(3, 1.5, 1, b""), seen)


def record(payload: bytes, vhid: int | None = None, addresses: tuple[Address, ...] = (V4,), **changes: Any) -> Record:
    return judged(observation(payload, **changes), addresses=addresses, vhid=vhid).record


def test_every_key_of_the_contract_in_its_order() -> None:
    printed = json.loads(as_json(judged(observation(carp()))))
    assert list(printed) == CONTRACT
    assert printed == {
        "frame": 3,
        "time": 1.5,
        "source": "10.9.0.1",
        "destination": "224.0.0.18",
        "source_mac": "00:00:5e:00:01:07",
        "destination_mac": "01:00:5e:00:00:12",
        "family": 4,
        "ttl": 255,
        "protocol": "carp",
        "vhid": 7,
        "advbase": 1,
        "advskew": 0,
        "demote": 0,
        "counter": "0000000000000005",
        "bow_out": False,
        "checksum": "ok",
        "digest": "ok",
        "speaker": "bsd",
        "drop": None,
    }


def test_without_macs_they_are_null_and_the_speaker_unknown() -> None:
    seen = observation(carp())._replace(destination_mac=b"")
    seen = seen._replace(datagram=seen.datagram._replace(source_mac=b""))
    one = judged(seen).record
    assert (one.source_mac, one.destination_mac, one.speaker) == (None, None, "unknown")


@pytest.mark.parametrize(
    ("mac", "speaker"), [("00005e000107", "bsd"), ("00005e000007", "ucarp"), ("020000000001", "unknown")]
)
def test_the_speaker_shows_in_the_source_mac(mac: str, speaker: str) -> None:
    assert record(carp(), mac=mac).speaker == speaker


def test_255_and_255_is_a_bow_out() -> None:
    assert record(carp(advbase=255, advskew=255)).bow_out
    assert not record(carp(advbase=1, advskew=255)).bow_out


def test_any_of_the_passphrases_verifies_and_is_named() -> None:
    one = judged(observation(carp(key=Key(b"new"))), keys=(KEY, Key(b"new", 2)))
    assert (one.record.digest, one.key) == ("ok", 2)


def test_each_vhid_is_taken_as_its_own_when_none_is_asked_for() -> None:
    assert [record(carp(vhid)).drop for vhid in (1, 7, 255)] == [None, None, None]


def test_a_vhid_that_was_not_asked_for_is_badvhid_though_its_digest_is_right() -> None:
    one = record(carp(8), vhid=7)
    assert (one.vhid, one.digest, one.drop) == (8, "ok", "badvhid")


def test_vhid_0_is_nobodys() -> None:
    assert record(carp(0)).drop == "badvhid"


def test_without_keys_another_vhid_is_still_told() -> None:
    assert judged(observation(carp(8)), keys=(), vhid=7).record.drop == "badvhid"


def test_a_family_without_addresses_is_badaddr() -> None:
    assert record(carp(), family=Family.V6).drop == "badaddr"
    assert record(carp(addresses=(V4, V6)), addresses=(V4, V6), family=Family.V6).drop is None


def test_a_group_that_is_not_carps_is_badaddr() -> None:
    assert record(carp(), destination=ip_address("239.192.130.5").packed).drop == "badaddr"


def test_a_unicast_advert_is_not_blamed_for_it() -> None:
    """Whether the virtual host uses peers is not among the settings that we are given."""
    assert record(carp(), destination=ip_address("10.9.0.2").packed).drop is None


def test_a_wrong_ttl_counts_before_a_wrong_digest() -> None:
    one = record(carp(key=Key(b"other")), ttl=254)
    assert (one.digest, one.drop) == ("bad", "badttl")


def test_a_bad_checksum_does_not_hide_a_right_digest() -> None:
    payload = carp()
    one = record(payload[:6] + b"\0\0" + payload[8:])
    assert (one.checksum, one.digest, one.drop) == ("bad", "ok", "badsum")


def test_type_and_authlen_are_ignored_as_every_receiver_does() -> None:
    ad = bytearray(carp())
    ad[0], ad[3], ad[6:8] = 0x22, 0, b"\0\0"
    total = sum(int.from_bytes(ad[place : place + 2], "big") for place in range(0, 36, 2))
    ad[6:8] = (0xFFFF & ~(total % 0xFFFF)).to_bytes(2, "big")
    one = record(bytes(ad))
    assert (one.protocol, one.digest, one.drop) == ("carp", "ok", None)


def vrrp2(count: int) -> bytes:
    return bytes(VRRP(vrid=9, priority=100, addrlist=[f"10.9.0.{n}" for n in range(1, count + 1)]))


@pytest.mark.parametrize(
    ("count", "drop"),
    [(1, "badlen"), (4, "badlen"), (5, "badauth"), (6, "badauth"), (7, "badauth"), (8, "badsum"), (20, "badsum")],
)
def test_vrrp_version_2_is_told_by_its_layout(count: int, drop: str) -> None:
    one = judged(observation(vrrp2(count)))
    assert one.vrrp is not None
    assert (one.record.protocol, one.record.vhid, one.record.checksum) == ("vrrp", 9, "ok")
    assert one.vrrp.addresses == tuple(f"10.9.0.{n}" for n in range(1, count + 1))
    assert (one.vrrp.priority, one.vrrp.interval, one.vrrp.authentication) == (100, 1.0, "none")
    assert one.record.drop == drop
    assert (one.record.advbase, one.record.advskew, one.record.counter, one.record.demote) == (None, None, None, None)


def test_vrrp_without_keys_is_still_not_believed() -> None:
    assert judged(observation(vrrp2(6)), keys=()).record.drop == "badauth"


def test_vrrp_version_3_is_told_by_its_version() -> None:
    packet = IP(src="10.9.0.1", dst="224.0.0.18") / VRRPv3(vrid=9, priority=0, addrlist=["10.9.0.1"], adv=150)
    one = judged(observation(bytes(packet)[20:]))
    assert one.vrrp is not None
    assert (one.record.protocol, one.record.vhid, one.record.bow_out) == ("vrrp", 9, True)
    assert (one.vrrp.interval, one.vrrp.addresses) == (1.5, ("10.9.0.1",))
    assert (one.record.checksum, one.record.drop) == ("ok-pseudo-header", "badlen")


def test_carp_of_36_bytes_is_not_taken_for_seven_vrrp_addresses() -> None:
    assert judged(observation(carp()), keys=()).record.protocol == "carp"
    assert judged(observation(carp(key=Key(b"other")))).record.protocol == "carp"


def test_a_digest_that_verifies_is_carp_whatever_the_layout() -> None:
    assert record(carp() + bytes(8)).protocol == "carp"


@pytest.mark.parametrize("payload", [b"", b"\x21", carp()[:20], carp()[:35], b"\x31\x07"])
def test_a_short_frame_is_malformed(payload: bytes) -> None:
    one = record(payload)
    assert (one.protocol, one.drop, one.advbase) == ("malformed", "badlen", None)
    assert one.vhid == (payload[1] if len(payload) > 1 else None)


payloads = st.one_of(
    st.binary(max_size=80),
    st.builds(
        lambda head, rest: head + rest, st.sampled_from([b"\x21\x07", b"\x31\x07", b"\x41\x07"]), st.binary(max_size=60)
    ),
    st.builds(carp, st.integers(0, 255), st.sampled_from([KEY, Key(b"other")])),
)
datagrams = st.builds(
    lambda family, ttl, payload, mac: Datagram(family, SOURCES[family], GROUPS[family], ttl, payload, mac),
    st.sampled_from(Family),
    st.sampled_from([255, 254]),
    payloads,
    st.sampled_from([b"", bytes(6), bytes.fromhex("00005e000107")]),
)
VALUES: dict[str, set[str | None]] = {
    "protocol": {"carp", "vrrp", "malformed"},
    "checksum": {"ok", "ok-pseudo-header", "bad"},
    "digest": {"ok", "bad", "unknown"},
    "speaker": {"carp-sidecar", "bsd", "ucarp", "unknown"},
    "drop": {"badlen", "badttl", "badsum", "badver", "badvhid", "badauth", "badaddr", None},
}


@given(datagrams, st.sampled_from([(), (KEY,)]), st.sampled_from([None, 7]))
def test_any_datagram_gives_a_record_of_the_contract(
    datagram: Datagram, keys: tuple[Key, ...], vhid: int | None
) -> None:
    one = judged(Observation(datagram), keys=keys, vhid=vhid)
    for key, allowed in VALUES.items():
        assert getattr(one.record, key) in allowed
    assert isinstance(one.record.bow_out, bool)
    assert json.loads(as_json(one)) == dataclasses.asdict(one.record)
    assert "\n" not in as_text(one)
    summary = Summary(keys, (V4,), vhid)
    summary.add(one)
    assert all(list(summary.lines()))


@given(datagrams)
def test_the_drop_is_the_one_of_run(datagram: Datagram) -> None:
    outcome = Receiver(Config(7, (V4,)), Authenticator(7, (V4,), [KEY], sign_link_local=True), Freshness()).check(
        datagram, 0.0
    )
    one = judged(Observation(datagram), vhid=7).record
    assert one.drop == (None if isinstance(outcome, Accepted) else outcome.value)
