"""Who else answers for our virtual address? Judged from what the wire says of it (ARP, neighbour discovery) and from
worse masters who go on advertising.

Only a master judges, once a change of masters is over, and only what it hears twice, a patience apart: the first claim
makes it ask. None of this is authenticated, so it moves no address (docs/decisions/0008); it is shown and told.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import ip_address
from math import inf
from typing import Final, NamedTuple

PROBE_EVERY: Final = 60.0
PROBE_OPEN: Final = 10.0
"""Seconds between two questions whether somebody else has the address; while somebody has. Up to a fifth more."""
DEFEND: Final = 10.0
"""Seconds between two announcements made because of a stranger, at least (RFC 5227 1.1, DEFEND_INTERVAL)."""
FORGET: Final = 150.0
FORGET_OPEN: Final = 40.0
"""Seconds of silence after which a first claim is forgotten, a conflict is over: two questions, and three at least."""
ECHO: Final = 2.0
"""Seconds within which a frame of ours may come back to us."""
_ECHOES: Final = 64
_MEMBERS: Final = 64
_SUSPECTS: Final = 32


class Says(StrEnum):
    """What a frame says of the address."""

    REPLY = "reply"
    """An answer to whoever asked."""
    ANNOUNCEMENT = "announcement"
    REQUEST = "request"
    """A question asked in its name."""
    PROBE = "probe"
    """Whether it is free."""
    ADVERTISEMENT = "advertisement"


class Sighting(NamedTuple):
    """A frame that names one of our addresses (packed). ``mac``: who says that it has it, or wants it."""

    address: bytes
    mac: bytes
    says: Says
    frame: bytes
    outgoing: bool = False


class Verdict(StrEnum):
    """What a sighting is to us; the label of a counter."""

    OWN = "own"
    """Our own frame, reflected by the network."""
    EXPECTED = "expected"
    """While we are no settled master: the master's, for all we know."""
    MEMBER = "member"
    """From the virtual MAC, or one that a member advertises from, though we are the master."""
    STRANGER = "stranger"
    WANTED = "wanted"
    """Somebody asks whether it is free: the kernel answers."""


class ConflictKind(StrEnum):
    """What is shown and told; the names of the Events."""

    VIP_CONFLICT = "VipConflict"
    SPLIT_BRAIN = "SplitBrainSuspected"


@dataclass(frozen=True, slots=True)
class Conflict:
    """Somebody else who answers for ``address`` (packed; empty: for all of them), last from ``mac``.

    ``source``: packed, of an advertisement. ``since`` and ``heard_at`` in seconds on the judge's clock.
    """

    kind: ConflictKind
    address: bytes
    mac: bytes
    says: Says
    since: float
    heard_at: float
    count: int = 1
    source: bytes = b""
    confirmed: bool = False


class Pace(NamedTuple):
    """Seconds: for how long after a takeover others may still answer; between a claim and the next that counts; for
    how long a worse master may go on advertising."""

    grace: float
    patience: float
    insistence: float


class Orders(NamedTuple):
    """What is to be done now."""

    probe: bool = False
    announce: bool = False


class ConflictJudge:
    """One virtual host's. ``draw`` gives a number in [0, 1). All times are seconds on one monotonic clock."""

    def __init__(self, draw: Callable[[], float]) -> None:
        self._draw = draw
        self._virtual = b""
        self._own: frozenset[bytes] = frozenset()
        self._members: OrderedDict[bytes, None] = OrderedDict()
        self._echoes: OrderedDict[bytes, float] = OrderedDict()
        self._suspects: OrderedDict[tuple[ConflictKind, bytes], Conflict] = OrderedDict()
        self._pace: Pace | None = None
        self._judging_from = inf
        self._probe_at = inf
        self._announce_at = inf
        self._announced_at = -inf
        self.counts: dict[Verdict, int] = dict.fromkeys(Verdict, 0)

    def live_at(self, virtual: bytes, own: Iterable[bytes]) -> None:
        """The virtual MAC, empty when there is none, and the MACs that are this node's alone."""
        self._virtual, self._own = virtual, frozenset(own)

    def reign(self, now: float, pace: Pace) -> None:
        """This node has become master."""
        self._suspects.clear()
        self._pace = pace
        self._judging_from = now + pace.grace
        self._probe_at = self._judging_from + self._draw()
        self._announce_at = inf

    def abdicate(self) -> None:
        """It is no longer."""
        self._suspects.clear()
        self._pace = None
        self._judging_from = self._probe_at = self._announce_at = inf

    def meet(self, source: bytes, mac: bytes, now: float) -> None:
        """A believed advertisement came from this address and MAC; a master who is not better says that it is one."""
        self._members[mac] = None
        self._members.move_to_end(mac)
        if len(self._members) > _MEMBERS:
            self._members.popitem(last=False)
        if self._pace is not None and now >= self._judging_from:
            sighting = Sighting(b"", mac, Says.ADVERTISEMENT, b"")
            self._suspect(ConflictKind.SPLIT_BRAIN, sighting, now, self._pace.insistence, source)

    def see(self, sighting: Sighting, now: float) -> Verdict | None:
        """Judge what was on the wire; None for what this node itself sends."""
        if sighting.outgoing:
            self._remember(sighting.frame, now)
            return None
        verdict = self._judge(sighting, now)
        self.counts[verdict] += 1
        if verdict is Verdict.MEMBER and self._pace is not None:
            self._suspect(ConflictKind.SPLIT_BRAIN, sighting, now, self._pace.patience)
        if verdict is Verdict.STRANGER and self._pace is not None:
            self._suspect(ConflictKind.VIP_CONFLICT, sighting, now, self._pace.patience)
            self._announce_at = min(self._announce_at, max(now + self._pace.patience, self._announced_at + DEFEND))
        return verdict

    def _judge(self, sighting: Sighting, now: float) -> Verdict:
        if sighting.mac in self._own or now - self._echoes.get(sighting.frame, -inf) <= ECHO:
            return Verdict.OWN
        if sighting.says is Says.PROBE:
            return Verdict.WANTED
        if now < self._judging_from:
            return Verdict.EXPECTED
        return Verdict.MEMBER if sighting.mac == self._virtual or sighting.mac in self._members else Verdict.STRANGER

    def _remember(self, frame: bytes, now: float) -> None:
        self._echoes[frame] = now
        self._echoes.move_to_end(frame)
        if len(self._echoes) > _ECHOES:
            self._echoes.popitem(last=False)

    def _suspect(
        self, kind: ConflictKind, sighting: Sighting, now: float, patience: float, source: bytes = b""
    ) -> None:
        """Note a claim; a second one after some patience confirms it, and the first makes us ask then."""
        self._forget(now)
        key = (kind, sighting.address or source)
        before = self._suspects.pop(key, None)
        if before is None or (source and now - before.heard_at > patience):
            self._suspects[key] = Conflict(kind, sighting.address, sighting.mac, sighting.says, now, now, source=source)
            self._probe_at = min(self._probe_at, now + patience)
            if len(self._suspects) > _SUSPECTS:
                self._suspects.popitem(last=False)
            return
        confirmed = before.confirmed or now - before.since >= patience
        self._suspects[key] = replace(
            before,
            mac=sighting.mac,
            says=sighting.says,
            heard_at=now,
            count=before.count + 1,
            confirmed=confirmed,
        )

    def _forget(self, now: float) -> None:
        for key, one in tuple(self._suspects.items()):
            if now >= _end(one):
                del self._suspects[key]

    def tick(self, now: float) -> Orders:
        """The deadline has come, or something was seen: what to do about it."""
        self._forget(now)
        orders = Orders(probe=now >= self._probe_at, announce=now >= self._announce_at)
        if orders.probe:
            self._probe_at = now + (PROBE_OPEN if self.conflicts else PROBE_EVERY) * (1 + 0.2 * self._draw())
        elif self.conflicts:
            self._probe_at = min(self._probe_at, now + PROBE_OPEN * (1 + 0.2 * self._draw()))
        if orders.announce:
            self._announce_at, self._announced_at = inf, now
        return orders

    @property
    def deadline(self) -> float:
        """When ``tick`` is due at the latest; infinite while there is nothing to wait for."""
        return min(self._probe_at, self._announce_at, *map(_end, self._suspects.values()), inf)

    @property
    def conflicts(self) -> tuple[Conflict, ...]:
        """Those that are confirmed and not over, the one heard last at the end."""
        return tuple(one for one in self._suspects.values() if one.confirmed)


def describe(one: Conflict) -> str:
    """For a person: who, since when it is known, and what to do."""
    if one.says is Says.ADVERTISEMENT:
        who = f"{ip_address(one.source)} ({one.mac.hex(':')}) advertises as master too and does not yield"
        return f"{who}: it does not hear this node. Does the network carry IP protocol 112 both ways?"
    where = f"{ip_address(one.address)}, not sent by this node ({one.says} from {one.mac.hex(':')})"
    if one.kind is ConflictKind.SPLIT_BRAIN:
        fix = "Does the network carry IP protocol 112 to the group (else set peers), is the passphrase the same?"
        return f"another member answers for {where}: two masters that do not hear each other. {fix}"
    return f"a stranger answers for {where}: find that MAC at the switch and take the address from it"


def _end(one: Conflict) -> float:
    return one.heard_at + (FORGET_OPEN if one.confirmed else FORGET)
