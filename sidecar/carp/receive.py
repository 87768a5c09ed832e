"""From bytes on the wire to an advertisement that may be believed, or to one counted reason why not.

The checks run in the order of the kernels (carp_proto_input), then ours of the marked counter; the first that fails
names the drop. A drop changes nothing but its counter: no timer, no peer, no state.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from sidecar.carp.auth import Authenticator
from sidecar.carp.config import Config, Family
from sidecar.carp.constants import GROUP_V4, GROUP_V6, HEADER_LENGTH, TTL, VERSION
from sidecar.carp.freshness import Freshness
from sidecar.carp.impersonation import PAUSE
from sidecar.carp.packet import (
    COUNTER_AT,
    DIGEST_AT,
    VHID_AT,
    Advertisement,
    checksum_is_good,
    decode,
    pseudo_checksum_is_good,
)


class DropReason(StrEnum):
    """Why an advertisement was not believed: the BSD counters' names where they have one."""

    BADLEN = "badlen"
    BADTTL = "badttl"
    BADSUM = "badsum"
    BADVER = "badver"
    BADVHID = "badvhid"
    BADADDR = "badaddr"
    """A family, a group or a multicast-ness that this virtual host does not use."""
    BADAUTH = "badauth"
    OWN = "own"
    """Our own advertisement, reflected by the network."""
    TAMPERED = "tampered"
    """Marked, and its header says something else."""
    REPLAY = "replay"
    """Marked, and not new."""
    UNMARKED = "unmarked"
    """Not marked, where every peer is carp-sidecar, or from a source that is."""


class Speaker(StrEnum):
    """What kind of implementation a source seems to be; carp-sidecar when the counter is marked and verifies."""

    CARP_SIDECAR = "carp-sidecar"
    BSD = "bsd"
    UCARP = "ucarp"
    UNKNOWN = "unknown"


class Datagram(NamedTuple):
    """What arrived: addresses packed (4 or 16 bytes, MAC 6), ``ttl`` or hop limit, the payload of the IP packet."""

    family: Family
    source: bytes
    destination: bytes
    ttl: int
    payload: bytes
    source_mac: bytes = b""


class Accepted(NamedTuple):
    """An advertisement that passed every check, and the number of the key that signed it."""

    advertisement: Advertisement
    key: int
    speaker: Speaker = Speaker.UNKNOWN
    outranks: bool = True
    """Whether its sender stays master when it is our equal: not if both are carp-sidecar and our source is lower."""


_GROUP: Final = {Family.V4: GROUP_V4, Family.V6: GROUP_V6}
_MULTICAST_V4: Final = range(224, 240)
_BSD_MAC: Final = bytes((0, 0, 0x5E, 0, 1))
_UCARP_MAC: Final = bytes((0, 0, 0x5E, 0, 0))


def is_multicast(address: bytes) -> bool:
    """Whether a packed address of either family is a group."""
    return address[0] == 0xFF if len(address) == 16 else address[0] in _MULTICAST_V4


def speaker_of(source_mac: bytes) -> Speaker:
    """Guess the implementation from the source MAC: BSD uses 00:00:5e:00:01:VHID, ucarp 00:00:5e:00:00:VHID."""
    if source_mac[:5] == _BSD_MAC:
        return Speaker.BSD
    return Speaker.UCARP if source_mac[:5] == _UCARP_MAC else Speaker.UNKNOWN


def check_form(datagram: Datagram) -> DropReason | None:
    """The checks that need neither configuration nor key: length, TTL, checksum (both kinds on IPv6), version."""
    payload = datagram.payload
    if len(payload) < HEADER_LENGTH:
        return DropReason.BADLEN
    if datagram.ttl != TTL:
        return DropReason.BADTTL
    if not checksum_is_good(payload) and not _netbsd_checksum_is_good(datagram):
        return DropReason.BADSUM
    return None if payload[0] >> 4 == VERSION else DropReason.BADVER


def _netbsd_checksum_is_good(datagram: Datagram) -> bool:
    return datagram.family is Family.V6 and pseudo_checksum_is_good(
        datagram.payload, datagram.source, datagram.destination
    )


class Receiver:
    """The checks of one virtual host. ``strict``: every peer is carp-sidecar."""

    __slots__ = ("_authenticator", "_families", "_freshness", "_pause", "_strict", "_unicast", "_vhid")

    def __init__(
        self, config: Config, authenticator: Authenticator, freshness: Freshness, *, strict: bool = False
    ) -> None:
        """``freshness``: the one that the virtual host's transmitter has, for as long as it lives."""
        self._vhid = config.vhid
        self._families: Sequence[Family] = config.families
        self._unicast = bool(config.peers)
        self._pause = max(PAUSE, 3.0 * config.advbase)
        self._authenticator = authenticator
        self._freshness = freshness
        self._strict = strict

    def check(self, datagram: Datagram, now: float) -> Accepted | DropReason:
        """Believe it or say why not. Never raises, whatever the bytes. ``now``: monotonic seconds."""
        reason = check_form(datagram)
        if reason is not None:
            return reason
        payload = datagram.payload
        if payload[VHID_AT] != self._vhid:
            return DropReason.BADVHID
        if not self._is_for_us(datagram):
            return DropReason.BADADDR
        key = self._authenticator.verify_packed(payload[COUNTER_AT:DIGEST_AT], payload[DIGEST_AT:HEADER_LENGTH])
        if key is None:
            return DropReason.BADAUTH
        advertisement = decode(payload)
        sealed = self._authenticator.read(advertisement.counter, key)
        if sealed is not None:
            if sealed.agrees_with(advertisement.advbase, advertisement.advskew, advertisement.demote):
                return self._check_marked(datagram, advertisement, sealed.ticks, key, now)
            if not self._freshness.is_chance(sealed.ticks, advertisement.counter, now):
                return DropReason.TAMPERED
        if self._strict or self._is_impersonated(datagram.source, now):
            return DropReason.UNMARKED
        return Accepted(advertisement, key, speaker_of(datagram.source_mac))

    def _check_marked(
        self, datagram: Datagram, advertisement: Advertisement, ticks: int, key: int, now: float
    ) -> Accepted | DropReason:
        source, freshness = datagram.source, self._freshness
        if source in freshness.sources and freshness.has_sent(ticks, advertisement.counter):
            return DropReason.OWN
        if not freshness.accept(ticks, advertisement.counter, datagram.family, now):
            return DropReason.REPLAY
        freshness.marked.hear(source)
        return Accepted(advertisement, key, Speaker.CARP_SIDECAR, not freshness.is_lower_than(source))

    def _is_impersonated(self, source: bytes, now: float) -> bool:
        return source in self._freshness.sources or self._freshness.marked.refuses(source, self._pause, now)

    def _is_for_us(self, datagram: Datagram) -> bool:
        if datagram.family not in self._families:
            return False
        if self._unicast:
            return not is_multicast(datagram.destination)
        return datagram.destination == _GROUP[datagram.family]
