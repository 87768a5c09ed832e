"""Who speaks CARP or VRRP on the segment now, and whether they and this node would believe each other. Only listens."""

import contextlib
import signal
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import Final

from sidecar.carp.auth import Key
from sidecar.carp.config import Address, Dialect, interval_us
from sidecar.carp.packet import decode
from sidecar.check.finding import Finding, ok, problem, warning
from sidecar.errors import SidecarError
from sidecar.settings.values import Replay, VhostSettings
from sidecar.sniff.diagnose import why_not
from sidecar.sniff.dissect import Observation, dissect
from sidecar.sniff.frame import Frame
from sidecar.sniff.judge import Judge, Judged
from sidecar.sniff.live import Tap

_MOST: Final = 64
"""Speakers that are told apart; a flood is not a list."""


class Ear:
    """One virtual host's: the last frame of each source and protocol. ``own``: this host's addresses."""

    def __init__(self, settings: VhostSettings, keys: Sequence[Key], own: frozenset[str]) -> None:
        self.settings = settings
        self.keys = keys
        self.own = own
        self.speakers: dict[tuple[str, str], Judged] = {}
        self.counting: set[str] = set()
        """Sources that sent another counter than before, which OpenBSD does not."""
        self._judge = Judge(keys, settings.config.addresses, settings.config.vhid)

    def hear(self, frame: Frame, seen: Observation) -> None:
        """Take one in, when it has our number."""
        if seen.datagram.payload[1:2] != bytes((self.settings.config.vhid,)):
            return
        judged = self._judge.judge(frame, seen)
        who = (judged.record.source, judged.record.protocol)
        before = self.speakers.get(who)
        if before and judged.record.drop is None and before.record.counter != judged.record.counter:
            self.counting.add(judged.record.source)
        if before or len(self.speakers) < _MOST:
            self.speakers[who] = judged

    def masters(self) -> dict[Address, bytes]:
        """Where believed advertisements came from: addresses and MACs."""
        believed = (one.seen.datagram for one in self.speakers.values() if one.record.drop is None)
        return {ip_address(one.source): one.source_mac for one in believed}


def seconds_for(vhosts: Sequence[VhostSettings]) -> float:
    """Long enough to hear every master at least twice."""
    slowest = max(interval_us(one.config.advbase, one.config.advskew) for one in vhosts) / 1e6
    return min(30.0, 1.0 + 2 * slowest)


def listen(interface: str, ears: Sequence[Ear], seconds: float) -> str:
    """Listen for some seconds; why that was not possible, or nothing. On the main thread: a timer ends it."""
    try:
        with Tap(interface, lambda _remark: None) as tap, _alarm(seconds):
            for frame in tap:
                seen = dissect(frame.link_type, frame.data)
                if seen is not None:
                    _hear(ears, frame, seen)
    except _Over:
        return ""
    except SidecarError as error:
        return str(error)
    return ""


def _hear(ears: Sequence[Ear], frame: Frame, seen: Observation) -> None:
    for ear in ears:
        ear.hear(frame, seen)


class _Over(Exception):  # noqa: N818 - the end of the time, no error
    """The seconds have passed."""


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def over(*_: object) -> None:
        raise _Over

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def judge(ear: Ear, interface: str, error: str) -> Iterator[Finding]:
    """What was heard of one virtual host's number."""
    subject = f"vhid {ear.settings.config.vhid} on {interface}"
    if error:
        yield warning(subject, f"not listened to: {error}", "run this check with the rights that run has")
        return
    for one in ear.speakers.values():
        yield _speaker(ear, subject, one)
    if not any(one.record.protocol == "carp" and one.record.drop is None for one in ear.speakers.values()):
        yield ok(subject, "no master is heard: this node would be one")


def _speaker(ear: Ear, subject: str, one: Judged) -> Finding:
    record = one.record
    if record.protocol == "vrrp":
        what = f"{record.source} speaks VRRP with the same number and MAC"
        return problem(subject, what, "give this virtual host another vhid, or that router another VRID")
    if record.protocol != "carp":
        return warning(subject, f"{record.source} sends what is neither CARP nor VRRP ({record.drop})", "see sniff")
    if record.drop == "badauth":
        return _stranger(ear, subject, one)
    return _believed(ear, subject, one) if record.drop is None else _unbelieved(subject, one)


def _believed(ear: Ear, subject: str, one: Judged) -> Finding:
    record, config = one.record, ear.settings.config
    if record.source in ear.own:
        return ok(subject, f"this node is master (advbase {record.advbase}, advskew {record.advskew})")
    if ear.settings.replay is Replay.STRICT and record.speaker != "carp-sidecar":
        fix = "use CARP_REPLAY=compat while other implementations take part"
        return problem(subject, f"{record.source} is {record.speaker}, which CARP_REPLAY=strict does not believe", fix)
    if record.demote and config.dialect is Dialect.FREEBSD:
        what = f"{record.source} is demoted in OpenBSD's way, which CARP_DIALECT=freebsd does not speak"
        return problem(subject, what, "set CARP_DIALECT=openbsd on every carp-sidecar: both would yield for ever")
    if config.dialect is Dialect.OPENBSD and record.speaker != "carp-sidecar" and record.source in ear.counting:
        what = f"{record.source} is no OpenBSD and does not heed how CARP_DIALECT=openbsd is demoted"
        return problem(subject, what, "set CARP_DIALECT=freebsd on every carp-sidecar: both would yield for ever")
    who = f"{record.source} is master (advbase {record.advbase}, advskew {record.advskew}, {record.speaker})"
    if (record.advbase, record.advskew) == (config.advbase, config.advskew):
        return warning(subject, f"{who}, as this node would be", "give every node an advskew of its own")
    return ok(subject, f"{who}, and signs with a passphrase of ours")


def _stranger(ear: Ear, subject: str, one: Judged) -> Finding:
    why = why_not(decode(one.seen.datagram.payload), ear.keys, ear.settings.config.addresses)
    fix = "give every node the same passphrase file and the same addresses: both sides would be master"
    return problem(subject, f"{one.record.source} signs otherwise: {why}", fix)


_REASONS: Final = {
    "badttl": "its TTL is not 255: it crossed a router, or somebody forges it",
    "badsum": "its checksum is wrong",
    "badaddr": "it uses multicast where we have peers, or the other way round, or another family",
    "replay": "it is old: somebody repeats what was sent before",
    "tampered": "somebody changed it on the way",
}


def _unbelieved(subject: str, one: Judged) -> Finding:
    reason = one.record.drop or ""
    what = f"{one.record.source} is not believed ({reason}): {_REASONS.get(reason, 'it is malformed')}"
    return problem(subject, what, "compare peers, dialect and addresses on both; sniff shows each frame")
