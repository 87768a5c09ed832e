"""What a capture adds up to: who speaks what, who uses a wrong key, and which numbers clash with VRRP. Pure.

Bounded: a flood of invented sources is counted, not kept.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from sidecar.carp.auth import Key
from sidecar.carp.config import Address
from sidecar.carp.packet import decode
from sidecar.sniff.diagnose import why_not
from sidecar.sniff.judge import Judged
from sidecar.sniff.render import described_vrrp, moment, spoken_by, terms

_MAX_SPEAKERS: Final = 1000


class _Who(NamedTuple):
    """One speaker of one id. IPv4 and IPv6 are two lines: they are two sources."""

    protocol: str
    vhid: int
    vlans: tuple[int, ...]
    source: str
    mac: str


@dataclass(slots=True)
class _Speaker:
    last: Judged
    frames: int = 0
    bow_outs: int = 0
    drops: Counter[str] = field(default_factory=Counter)
    steps: set[str] = field(default_factory=set)
    unsigned: list[Judged] = field(default_factory=list)
    """The first and the last one dropped for its digest."""

    def add(self, judged: Judged) -> None:
        if self.frames:
            self.steps.add(_step(self.last.record.counter, judged.record.counter))
        self.last = judged
        self.frames += 1
        self.bow_outs += judged.record.bow_out
        if judged.record.drop:
            self.drops[judged.record.drop] += 1
        if judged.record.drop == "badauth" and judged.record.digest == "bad":
            self.unsigned[1:] = [judged]


def _step(before: str | None, after: str | None) -> str:
    if before is None or after is None:
        return ""
    difference = (int(after, 16) - int(before, 16)) % 2**64
    return {0: "constant counter", 1: "counter +1"}.get(difference, "")


class Summary:
    """Add every record in order, then read ``lines``."""

    def __init__(self, keys: Sequence[Key], addresses: Sequence[Address], vhid: int | None) -> None:
        self._keys = keys
        self._addresses = addresses
        self._vhid = vhid
        self._protocols: Counter[str] = Counter()
        self._speakers: dict[_Who, _Speaker] = {}
        self._uncounted = 0
        self._first: float | None = None
        self._last: float | None = None

    def add(self, judged: Judged) -> None:
        """Take a record in."""
        record = judged.record
        self._protocols[record.protocol] += 1
        if record.time is not None:
            self._first = record.time if self._first is None else self._first
            self._last = record.time
        mac = record.source_mac or ""
        who = _Who(record.protocol, record.vhid or 0, judged.seen.vlans, record.source, mac)
        if who not in self._speakers:
            if len(self._speakers) >= _MAX_SPEAKERS:
                self._uncounted += 1
                return
            self._speakers[who] = _Speaker(judged)
        self._speakers[who].add(judged)

    def lines(self) -> Iterator[str]:
        """The whole summary."""
        yield self._heading()
        yield from self._section("CARP", "carp")
        yield from self._section("VRRP", "vrrp")
        yield from self._section("Malformed", "malformed")
        yield from self._wrong_keys()
        yield from self._clashes()
        if self._uncounted:
            yield f"and {self._uncounted} frames of more than {_MAX_SPEAKERS} speakers: a flood?"

    def _heading(self) -> str:
        if not self._protocols:
            return "no frame of CARP or VRRP"
        counts = ", ".join(f"{self._protocols[one]} {name}" for one, name in _NAMES.items() if self._protocols[one])
        when = ""
        if self._first is not None and self._last is not None:
            when = f" in {self._last - self._first:.1f} s from {moment(self._first):%Y-%m-%d %H:%M:%S} UTC"
        return f"{_frames(self._protocols.total())}{when}: {counts}"

    def _section(self, title: str, protocol: str) -> Iterator[str]:
        found = sorted(who for who in self._speakers if who.protocol == protocol)
        if found:
            yield f"{title}:"
        for who in found:
            yield f"  {_line(who, self._speakers[who])}"

    def _wrong_keys(self) -> Iterator[str]:
        wrong = sorted(who for who, speaker in self._speakers.items() if speaker.unsigned)
        if wrong:
            yield "Wrong keys:"
        for who in wrong:
            speaker = self._speakers[who]
            said = (decode(judged.seen.datagram.payload) for judged in speaker.unsigned)
            why = "; later ".join(dict.fromkeys(why_not(one, self._keys, self._addresses) for one in said))
            yield f"  vhid {who.vhid}  {who.source}  {speaker.drops['badauth']} of {_frames(speaker.frames)}: {why}"

    def _clashes(self) -> Iterator[str]:
        """IPv4 VRRP and CARP share 00:00:5e:00:01:ID; VRRP over IPv6 has its own prefix, ucarp its own too."""
        for vrrp in sorted(who for who in self._speakers if who.protocol == "vrrp"):
            if self._speakers[vrrp].last.record.family != 4:
                continue
            yield from self._clash_with(vrrp)

    def _clash_with(self, vrrp: _Who) -> Iterator[str]:
        same = sorted(
            who
            for who in self._speakers
            if who.protocol == "carp" and who.vhid == vrrp.vhid and who.vlans == vrrp.vlans
        )
        if not same and vrrp.vhid != self._vhid:
            return
        carp = ", ".join(dict.fromkeys(who.source for who in same)) or "the one asked for"
        yield (
            f"CLASH: VRRP id {vrrp.vhid} ({vrrp.source}) and CARP vhid {vrrp.vhid} ({carp}) are one number, and both "
            f"protocols share its MAC 00:00:5e:00:01:{vrrp.vhid:02x}; give one of them another number"
        )


_NAMES: Final = {"carp": "CARP", "vrrp": "VRRP", "malformed": "malformed"}


def _frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{count} frames"


def _line(who: _Who, speaker: _Speaker) -> str:
    last = speaker.last
    parts = [
        f"vhid {who.vhid}" if who.protocol == "carp" else "",
        who.source,
        *(f"vlan {vlan}" for vlan in who.vlans),
        spoken_by(last.record),
        _frames(speaker.frames),
        *_said(last, speaker),
    ]
    return "  ".join(part for part in parts if part)


def _said(last: Judged, speaker: _Speaker) -> Iterator[str]:
    """What the last frame says of itself, how the counter moved, and how many `run` would believe."""
    if last.vrrp:
        yield described_vrrp(last.vrrp)
        return
    if last.record.protocol == "carp":
        yield "bowed out" if last.record.bow_out else terms(last.record)
        yield next(iter(speaker.steps)) if len(speaker.steps) == 1 else ""
    if speaker.drops:
        yield "dropped " + ", ".join(f"{count} {reason}" for reason, count in speaker.drops.most_common())
    elif last.record.digest == "ok":
        yield "all verified"
