"""What a person reads: a line a frame, and at the end who speaks what, who uses a wrong key, and what clashes."""

from ipaddress import ip_address

from scapy.layers.inet import IP
from scapy.layers.vrrp import VRRP

from sidecar.carp.auth import Authenticator, Key
from sidecar.carp.config import Address, Family
from sidecar.carp.packet import Advertisement, encode
from sidecar.carp.receive import Datagram
from sidecar.sniff.dissect import Observation
from sidecar.sniff.frame import Frame
from sidecar.sniff.judge import Judge, Judged
from sidecar.sniff.render import as_text
from sidecar.sniff.summary import Summary

OURS: tuple[Address, ...] = (ip_address("10.9.0.100"), ip_address("10.9.0.101"))
KEYS = (Key(b"new", 1), Key(b"old", 2))
TIME = 1_700_000_000.25
HIDDEN = "another passphrase, or an address that is not among those given"


def carp(
    secret: bytes = b"new", addresses: tuple[Address, ...] = OURS, counter: int = 5, advbase: int = 1, demote: int = 0
) -> bytes:
    signer = Authenticator(7, addresses, [Key(secret)], sign_link_local=True)
    advskew = 255 if advbase == 255 else 0
    return encode(Advertisement(7, advbase, advskew, demote, counter, signer.sign(counter)))


def vrrp(vrid: int = 7, priority: int = 100) -> bytes:
    return bytes(IP() / VRRP(vrid=vrid, priority=priority, addrlist=["10.9.0.200"]))[20:]


def seen(
    payload: bytes,
    source: str = "10.9.0.1",
    mac: str = "00005e000107",
    vlans: tuple[int, ...] = (),
    ttl: int = 255,
    missing: int = 0,
) -> Observation:
    family = Family(ip_address(source).version)
    group = "224.0.0.18" if family is Family.V4 else "ff02::12"
    datagram = Datagram(family, ip_address(source).packed, ip_address(group).packed, ttl, payload, bytes.fromhex(mac))
    return Observation(datagram, bytes(6), vlans, missing)


def judged(one: Observation, vhid: int | None = None, keys: tuple[Key, ...] = KEYS) -> Judged:
    return Judge(keys, OURS, vhid).judge(Frame(12, TIME, 1, b""), one)


def line(one: Observation, vhid: int | None = None) -> str:
    return as_text(judged(one, vhid))


def summary(*frames: Observation, vhid: int | None = None, keys: tuple[Key, ...] = KEYS) -> list[str]:
    made = Summary(keys, OURS, vhid)
    for frame in frames:
        made.add(judged(frame, vhid, keys))
    return list(made.lines())


def test_an_advertisement_on_one_line() -> None:
    assert line(seen(carp())) == (
        "    12 22:13:20.250000  10.9.0.1 > 224.0.0.18  CARP vhid 7 advbase 1 advskew 0  "
        "00:00:5e:00:01:07 bsd  verified"
    )


def test_tags_demotion_bow_out_and_second_passphrase_show() -> None:
    text = line(seen(carp(b"old", demote=3), vlans=(100, 7)))
    assert "advskew 0 demote 3  vlan 100  vlan 7  " in text
    assert text.endswith("verified by passphrase 2")
    assert "bows out" in line(seen(carp(advbase=255)))


def test_a_drop_is_told_with_what_it_means() -> None:
    assert line(seen(carp(b"wrong"))).endswith("DROP badauth: another passphrase or other addresses")
    assert line(seen(carp(), ttl=64)).endswith(
        "DROP badttl: the TTL must be 255, so it crossed a router or was forged (TTL 64)"
    )
    assert line(seen(carp()), vhid=9).endswith("DROP badvhid: another virtual host")
    assert "malformed, 20 bytes" in line(seen(carp()[:20]))


def test_a_frame_that_the_capture_cut_is_not_blamed_on_its_sender() -> None:
    assert "(the capture lacks its last 16 bytes)" in line(seen(carp()[:20], missing=16))


def test_vrrp_on_one_line() -> None:
    assert "  VRRPv2 id 7 priority 100 every 1 s for 10.9.0.200, authentication none  " in line(seen(vrrp()))
    assert "priority 0 (resigns) every 1 s" in line(seen(vrrp(priority=0)))


def test_a_capture_without_times_has_none() -> None:
    frame = Judge(KEYS, OURS, None).judge(Frame(1, None, 1, b""), seen(carp()))
    assert "--:--:--" in as_text(frame)
    made = Summary(KEYS, OURS, None)
    made.add(frame)
    assert next(made.lines()) == "1 frame: 1 CARP"


def test_nothing_is_said_of_nothing() -> None:
    assert summary() == ["no frame of CARP or VRRP"]


def test_who_speaks_what() -> None:
    lines = summary(
        seen(carp(counter=1)),
        seen(carp(counter=2)),
        seen(carp(counter=9), source="10.9.0.2", mac="00005e000007"),
        seen(carp(counter=9, advbase=255), source="10.9.0.2", mac="00005e000007"),
    )
    assert lines == [
        "4 frames in 0.0 s from 2023-11-14 22:13:20 UTC: 4 CARP",
        "CARP:",
        "  vhid 7  10.9.0.1  00:00:5e:00:01:07 bsd  2 frames  advbase 1 advskew 0  counter +1  all verified",
        "  vhid 7  10.9.0.2  00:00:5e:00:00:07 ucarp  2 frames  bowed out  constant counter  all verified",
    ]


def wrong_keys(*frames: Observation) -> list[str]:
    lines = summary(*frames)
    return lines[lines.index("Wrong keys:") + 1 :]


def test_a_list_with_an_address_less_is_found_out() -> None:
    assert wrong_keys(seen(carp(b"old", OURS[:1]))) == [
        "  vhid 7  10.9.0.1  1 of 1 frame: passphrase 2 is right, its addresses are 10.9.0.100"
    ]


def test_an_empty_passphrase_is_found_out() -> None:
    assert wrong_keys(seen(carp(b"")))[0].endswith(
        "it uses an empty passphrase, its addresses are 10.9.0.100 10.9.0.101"
    )


def test_no_address_at_all_is_found_out() -> None:
    assert wrong_keys(seen(carp(b"new", ())))[0].endswith("passphrase 1 is right, its addresses are none")


def test_what_cannot_be_found_out_is_said_so() -> None:
    assert wrong_keys(seen(carp(b"other")))[0].endswith(HIDDEN)


def test_wrong_keys_are_told_by_source_and_a_change_of_mind_is_told() -> None:
    lines = wrong_keys(
        seen(carp(b"new", OURS[:1])), seen(carp()), seen(carp(b"other")), seen(carp(b"other"), source="10.9.0.3")
    )
    assert lines == [
        f"  vhid 7  10.9.0.1  2 of 3 frames: passphrase 1 is right, its addresses are 10.9.0.100; later {HIDDEN}",
        f"  vhid 7  10.9.0.3  1 of 1 frame: {HIDDEN}",
    ]


def test_without_keys_no_key_is_called_wrong() -> None:
    lines = summary(seen(carp(b"other")), keys=())
    assert "Wrong keys:" not in lines
    assert not [one for one in lines if "verified" in one]


def clashes(*frames: Observation, vhid: int | None = None) -> list[str]:
    return [one for one in summary(*frames, vhid=vhid) if one.startswith("CLASH")]


def test_vrrp_and_carp_of_one_number_clash() -> None:
    (clash,) = clashes(seen(carp()), seen(vrrp(), source="10.9.0.9"))
    assert clash == (
        "CLASH: VRRP id 7 (10.9.0.9) and CARP vhid 7 (10.9.0.1) are one number, and both protocols share its MAC "
        "00:00:5e:00:01:07; give one of them another number"
    )


def test_a_vrrp_speaker_on_the_number_asked_for_is_a_clash_already() -> None:
    assert clashes(seen(vrrp(), source="10.9.0.9"), vhid=7)
    assert not clashes(seen(vrrp(), source="10.9.0.9"), vhid=8)


def test_other_numbers_other_segments_and_ipv6_vrrp_do_not_clash() -> None:
    assert not clashes(seen(carp()), seen(vrrp(8)))
    assert not clashes(seen(carp()), seen(vrrp(), vlans=(7,)))
    assert not clashes(seen(carp()), seen(b"\x31\x07\x64\x00\x00\x64\x00\x00", source="fe80::9"))


def test_a_flood_of_sources_is_counted_and_not_kept() -> None:
    made = Summary(KEYS, OURS, None)
    for number in range(1500):
        made.add(judged(seen(carp(), source=f"10.9.{number // 250}.{number % 250}")))
    lines = list(made.lines())
    assert len(lines) < 1010
    assert lines[-1] == "and 500 frames of more than 1000 speakers: a flood?"
