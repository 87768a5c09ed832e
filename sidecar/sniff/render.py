"""A record as a person or a program reads it: one line a frame. Pure.

Everything printed is a number, an address or a word of ours: nothing from the wire reaches the terminal as text.
"""

import json
from dataclasses import fields
from datetime import UTC, datetime
from typing import Final

from sidecar.sniff.judge import Judged, Record
from sidecar.sniff.vrrp import Vrrp

_KEYS: Final = tuple(field.name for field in fields(Record))
_WHY: Final = {
    "badlen": "too short for an advertisement",
    "badttl": "the TTL must be 255, so it crossed a router or was forged",
    "badsum": "its checksum is wrong",
    "badver": "not version 2",
    "badvhid": "another virtual host",
    "badaddr": "a family or a group that this virtual host does not use",
    "badauth": "another passphrase or other addresses",
}


def as_json(judged: Judged) -> str:
    """One JSON object, all keys of the contract in its order."""
    record = judged.record
    return json.dumps({key: getattr(record, key) for key in _KEYS})


def as_text(judged: Judged) -> str:
    """One line."""
    record = judged.record
    parts = [
        f"{record.frame:>6} {clock(record.time)}  {record.source} > {record.destination}",
        described(judged),
        *(f"vlan {vlan}" for vlan in judged.seen.vlans),
        spoken_by(record),
        verdict(judged),
    ]
    return "  ".join(part for part in parts if part)


def clock(time: float | None) -> str:
    """Time of day in UTC, to the microsecond."""
    return "--:--:--.------" if time is None else f"{moment(time):%H:%M:%S.%f}"


def moment(time: float) -> datetime:
    """Unix seconds as a date; what a damaged capture claims beyond the year 9999 or before 1970 is cut to that."""
    return datetime.fromtimestamp(min(max(time, 0.0), 253_402_300_799.0), UTC)


def described(judged: Judged) -> str:
    """What it says of itself."""
    record = judged.record
    if judged.vrrp:
        return described_vrrp(judged.vrrp)
    if record.protocol == "malformed":
        return f"malformed, {len(judged.seen.datagram.payload)} bytes"
    said = f"CARP vhid {record.vhid} {terms(record)}"
    return f"{said}, bows out" if record.bow_out else said


def terms(record: Record) -> str:
    """How often it advertises, and its demotion if it has one."""
    demote = f" demote {record.demote}" if record.demote else ""
    return f"advbase {record.advbase} advskew {record.advskew}{demote}"


def described_vrrp(vrrp: Vrrp) -> str:
    """Version, id, priority, interval, addresses and, in version 2, authentication."""
    addresses = " ".join(vrrp.addresses) or "no address"
    kind = f", authentication {vrrp.authentication}" if vrrp.version == 2 else ""
    resigns = " (resigns)" if vrrp.priority == 0 else ""
    return (
        f"VRRPv{vrrp.version} id {vrrp.vrid} priority {vrrp.priority}{resigns} every {vrrp.interval:g} s "
        f"for {addresses}{kind}"
    )


def spoken_by(record: Record) -> str:
    """Who seems to have sent it: the source MAC and what kind of speaker uses such a one."""
    known = record.speaker if record.speaker != "unknown" else ""
    return " ".join(word for word in (record.source_mac or "", known) if word)


def verdict(judged: Judged) -> str:
    """Whether `run` would believe it."""
    record = judged.record
    notes = []
    if record.checksum == "ok-pseudo-header" and judged.vrrp is None:
        notes.append("checksum with pseudo header (NetBSD)")
    if judged.seen.missing:
        notes.append(f"the capture lacks its last {judged.seen.missing} bytes")
    if record.drop == "badttl":
        notes.append(f"TTL {record.ttl}")
    note = "".join(f" ({text})" for text in notes)
    if judged.vrrp:
        return f"checksum {record.checksum}{note}"
    if record.drop:
        return f"DROP {record.drop}: {_WHY[record.drop]}{note}"
    return f"{believed(judged)}{note}"


def believed(judged: Judged) -> str:
    """What speaks for a frame that would not be dropped."""
    if judged.key is None:
        return "not verified"
    return "verified" if judged.key == 1 else f"verified by passphrase {judged.key}"
