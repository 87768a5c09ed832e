"""From an observation to its record: what it says, whether it verifies, and why `run` would not believe it. Pure.

The checks are those of `sidecar.carp`, not a second opinion. What cannot be judged without a key, an address or a
peer list is `unknown`, never guessed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, NamedTuple

from sidecar.carp.auth import Authenticator, Key
from sidecar.carp.config import Address, Config, Family
from sidecar.carp.constants import HEADER_LENGTH, VERSION
from sidecar.carp.freshness import Freshness
from sidecar.carp.packet import Advertisement, checksum_is_good, decode, pseudo_checksum_is_good
from sidecar.carp.receive import Datagram, DropReason, Receiver, Speaker, check_form, is_multicast, speaker_of
from sidecar.sniff.dissect import Observation
from sidecar.sniff.frame import Frame
from sidecar.sniff.vrrp import Vrrp, parse_vrrp, whole_checksum


@dataclass(frozen=True, slots=True)
class Record:
    """One frame as ``--json`` prints it: these keys in this order.

    VRRP has its VRID in ``vhid`` and a priority of 0 (it resigns) as ``bow_out``; what CARP alone has is null. A
    malformed frame has only ``vhid``, if it reaches that far. ``time`` is null where the capture has none, the MACs
    where the link layer has none.
    """

    frame: int
    time: float | None
    source: str
    destination: str
    source_mac: str | None
    destination_mac: str | None
    family: int
    ttl: int
    protocol: str
    vhid: int | None
    advbase: int | None
    advskew: int | None
    demote: int | None
    counter: str | None
    bow_out: bool
    checksum: str
    digest: str
    speaker: str
    drop: str | None


@dataclass(frozen=True, slots=True)
class Judged:
    """A record and what a person wants besides."""

    record: Record
    seen: Observation
    key: int | None = None
    """Which passphrase signed it, from 1 in the order of the file."""
    vrrp: Vrrp | None = None


class _Host(NamedTuple):
    """A virtual host that has the given addresses and keys. Whether it uses unicast is not among our settings.

    It has no clock of its own, takes every source for another's, and learns what is new from what it sees.
    """

    authenticator: Authenticator
    multicast: Receiver
    unicast: Receiver

    def refuses(self, datagram: Datagram, now: float) -> DropReason | None:
        receiver = self.multicast if is_multicast(datagram.destination) else self.unicast
        outcome = receiver.check(datagram, now)
        return outcome if isinstance(outcome, DropReason) else None


class _Verdict(NamedTuple):
    protocol: str
    checksum: str
    digest: str
    drop: DropReason | None
    advertisement: Advertisement | None = None
    key: int | None = None
    speaker: Speaker = Speaker.UNKNOWN
    vrrp: Vrrp | None = None


_UNKNOWN: Final = "unknown"


class Judge:
    """Judges frame after frame. Without ``keys`` or ``addresses`` no digest is tried; without ``vhid`` any is ours."""

    def __init__(self, keys: Sequence[Key], addresses: Sequence[Address], vhid: int | None) -> None:
        self._keys = keys
        self._addresses = tuple(dict.fromkeys(addresses))
        self._vhid = vhid
        self._hosts: dict[int, _Host] = {}

    def judge(self, frame: Frame, seen: Observation) -> Judged:
        """Never raises, whatever the bytes."""
        verdict = self._verdict(seen.datagram, frame.time or 0.0)
        return Judged(_record(frame, seen, verdict), seen, verdict.key, verdict.vrrp)

    def _verdict(self, datagram: Datagram, now: float) -> _Verdict:
        is_carp = len(datagram.payload) >= HEADER_LENGTH and datagram.payload[0] >> 4 == VERSION
        carp = self._as_carp(datagram, now) if is_carp else None
        if carp is not None and carp.digest == "ok":
            return carp
        if vrrp := parse_vrrp(datagram):
            drop = self._drop(datagram, vrrp.vrid, now) or DropReason.BADAUTH
            return _Verdict("vrrp", whole_checksum(datagram), _UNKNOWN, drop, vrrp=vrrp)
        return carp or _Verdict("malformed", _checksum(datagram), _UNKNOWN, check_form(datagram))

    def _as_carp(self, datagram: Datagram, now: float) -> _Verdict:
        said = decode(datagram.payload)
        host = self._host(said.vhid)
        key = host.authenticator.verify(said.counter, said.digest) if host else None
        digest = _UNKNOWN if host is None else "bad" if key is None else "ok"
        ours = host is not None and key is not None and host.authenticator.read(said.counter, key) is not None
        speaker = Speaker.CARP_SIDECAR if ours else speaker_of(datagram.source_mac)
        return _Verdict("carp", _checksum(datagram), digest, self._drop(datagram, said.vhid, now), said, key, speaker)

    def _drop(self, datagram: Datagram, vhid: int, now: float) -> DropReason | None:
        """In the order of `run`'s own checks."""
        if reason := check_form(datagram):
            return reason
        if vhid == 0 or self._vhid not in {None, vhid}:
            return DropReason.BADVHID
        host = self._host(vhid)
        return host.refuses(datagram, now) if host else None

    def _host(self, vhid: int) -> _Host | None:
        if not self._keys or not self._addresses:
            return None
        if vhid not in self._hosts:
            self._hosts[vhid] = _host(vhid, self._addresses, self._keys)
        return self._hosts[vhid]


def _host(vhid: int, addresses: tuple[Address, ...], keys: Sequence[Key]) -> _Host:
    authenticator = Authenticator(vhid, addresses, keys, sign_link_local=True)
    seen = Freshness()
    by_group = Receiver(Config(vhid, addresses), authenticator, seen)
    by_peer = Receiver(Config(vhid, addresses, peers=addresses[:1]), authenticator, seen)
    return _Host(authenticator, by_group, by_peer)


def _checksum(datagram: Datagram) -> str:
    """As CARP computes it, over the 36 bytes; over what is there if it is less."""
    payload = datagram.payload
    if len(payload) < HEADER_LENGTH:
        return whole_checksum(datagram)
    if checksum_is_good(payload):
        return "ok"
    is_netbsd = datagram.family is Family.V6 and pseudo_checksum_is_good(payload, datagram.source, datagram.destination)
    return "ok-pseudo-header" if is_netbsd else "bad"


def _record(frame: Frame, seen: Observation, verdict: _Verdict) -> Record:
    datagram, ad, vrrp = seen.datagram, verdict.advertisement, verdict.vrrp
    return Record(
        frame=frame.number,
        time=frame.time,
        source=str(ip_address(datagram.source)),
        destination=str(ip_address(datagram.destination)),
        source_mac=_mac(datagram.source_mac),
        destination_mac=_mac(seen.destination_mac),
        family=datagram.family.value,
        ttl=datagram.ttl,
        protocol=verdict.protocol,
        vhid=datagram.payload[1] if len(datagram.payload) > 1 else None,
        advbase=ad.advbase if ad else None,
        advskew=ad.advskew if ad else None,
        demote=ad.demote if ad else None,
        counter=f"{ad.counter:016x}" if ad else None,
        bow_out=ad.is_bow_out if ad else vrrp is not None and vrrp.priority == 0,
        checksum=verdict.checksum,
        digest=verdict.digest,
        speaker=str(verdict.speaker),
        drop=str(verdict.drop) if verdict.drop else None,
    )


def _mac(packed: bytes) -> str | None:
    return packed.hex(":") if packed else None
