"""The attacks, one function each: from what was recorded on one virtual host to the frames that are sent, in turn.

The attacker is on the segment, has recorded everything and does not know the key. Sent ten times a second from his own
MAC address unless said otherwise: a forged source MAC takes the switch port away from anybody, in every protocol.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address

from tests.attacks import frames
from tests.attacks.frames import ATTACKER_MAC, Kind, Packet

ATTACKER = "10.77.0.66"
LOWER, HIGHER = "10.77.0.1", "10.77.0.254"
"""Between equals ucarp prefers the lower source, VRRP the higher."""


class Phase(Enum):
    """What befalls the two nodes while the attack goes on."""

    PEACE = "both nodes run"
    BACKUP_RESTARTS = "the backup is restarted"
    MASTER_RESTARTS = "the master is restarted"
    BOTH_RESTART = "both are restarted at once"
    MASTER_CUT = "the master lost its power"


@dataclass
class Lane:
    """One virtual host under attack: its addresses, and what the attacker recorded of it."""

    kind: Kind
    vhid: int
    address: str
    master_ip: str
    backup_ip: str
    passwords: bool = True
    """Whether there is anything to guess."""
    before: Packet | None = None
    """An advertisement of an earlier time, when another implementation used the same key at the backup's address."""
    recorded: list[bytes] = field(default_factory=list)

    def _of(self, source: str) -> list[Packet]:
        packets = [Packet.read(frame) for frame in self.recorded]
        return [one for one in packets if IPv4Address(one.source) == IPv4Address(source)]

    @property
    def masters(self) -> list[Packet]:
        """What the master said of itself."""
        return [one._replace(mac=ATTACKER_MAC) for one in self._plain(self.master_ip)]

    @property
    def others(self) -> list[Packet]:
        """What the backup said while it was master."""
        return [one._replace(mac=ATTACKER_MAC) for one in self._plain(self.backup_ip)]

    @property
    def goodbyes(self) -> list[Packet]:
        """The genuine goodbyes of both."""
        both = [*self._of(self.master_ip), *self._of(self.backup_ip)]
        return [one._replace(mac=ATTACKER_MAC) for one in both if frames.is_goodbye(self.kind, one)]

    def _plain(self, source: str) -> list[Packet]:
        return [one for one in self._of(source) if not frames.is_goodbye(self.kind, one)]

    @property
    def usurper(self) -> Packet:
        """The backup's advertisement, altered so that it claims to be the best."""
        return frames.best(self.kind, self.others[-1])


Forge = Callable[[Lane], Sequence[bytes]]


@dataclass(frozen=True)
class Attack:
    """``forge`` gives no frames where the protocol has no such thing."""

    name: str
    title: str
    forge: Forge
    drops: frozenset[str] = frozenset()
    """For which reasons a node of ours may drop it."""
    phase: Phase = Phase.PEACE
    rate: float = 10
    """Frames a second."""
    openbsd: bool = False
    """Our nodes use OpenBSD's dialect, in which the byte means something."""


CATALOGUE: list[Attack] = []


def attack(name: str, title: str, *drops: str, **more: object) -> Callable[[Forge], Forge]:
    """Register one."""

    def register(forge: Forge) -> Forge:
        CATALOGUE.append(Attack(name, title, forge, frozenset(drops), **more))  # type: ignore[arg-type]
        return forge

    return register


@attack("replay-exact", "the master's own advertisements, exactly as recorded, source MAC included", "own", "replay")
def replay_exact(lane: Lane) -> Sequence[bytes]:
    ours = [(Packet.read(frame), frame) for frame in lane.recorded]
    source = lane.masters[0].source
    return [frame for one, frame in ours if one.source == source and not frames.is_goodbye(lane.kind, one)]


@attack("replay-other", "advertisements of the other node, recorded while it was master", "replay", "own")
def replay_other(lane: Lane) -> Sequence[bytes]:
    return [one.frame() for one in lane.others]


@attack("spoofed-source", "the master's advertisements from another source address", "replay", "own")
def spoofed_source(lane: Lane) -> Sequence[bytes]:
    source = IPv4Address(LOWER if lane.kind is Kind.CARP else HIGHER).packed
    return [frames.sealed(lane.kind, one._replace(source=source)).frame() for one in lane.masters]


@attack("skew-0", "header altered: the best there can be (advskew 0; priority 255)", "tampered", "own")
def skew_0(lane: Lane) -> Sequence[bytes]:
    return [lane.usurper.frame()]


@attack("advbase-0", "header altered: advbase 0, advskew 1", "tampered", "own")
def advbase_0(lane: Lane) -> Sequence[bytes]:
    return [frames.altered(lane.kind, lane.others[-1], {2: 1, 5: 0}).frame()] if lane.kind is Kind.CARP else []


@attack("goodbye-forged", "goodbye forged from the master's words (255/255; priority 0)", "tampered", "own", rate=0.7)
def goodbye_forged(lane: Lane) -> Sequence[bytes]:
    return [frames.goodbye(lane.kind, lane.masters[-1]).frame()]


@attack("goodbye-replayed", "a genuine goodbye of the master, replayed", "replay", "own", rate=0.7)
def goodbye_replayed(lane: Lane) -> Sequence[bytes]:
    return [one.frame() for one in lane.goodbyes]


@attack("demoted", "header altered: the master's demote byte (OpenBSD)", "tampered", "own", openbsd=True)
def demoted(lane: Lane) -> Sequence[bytes]:
    return [frames.altered(lane.kind, lane.masters[-1], {4: 200}).frame()] if lane.kind is Kind.CARP else []


@attack("counter", "counter plus one, the rest as recorded", "badauth")
def counter(lane: Lane) -> Sequence[bytes]:
    return [frames.counted_on(one).frame() for one in lane.others] if lane.kind is Kind.CARP else []


@attack("unmarked", "downgrade: an old recording of another implementation under the same key", "unmarked")
def unmarked(lane: Lane) -> Sequence[bytes]:
    return [lane.before.frame()] if lane.before is not None else []


@attack("guess", "wrong keys, 1,000 a second", "badauth", rate=1000)
def guess(lane: Lane) -> Sequence[bytes]:
    if not lane.passwords:
        return []
    if lane.kind is Kind.CARP:
        words = [f"guess {number}" for number in range(1000)]
        source = lane.backup_ip
        return [frames.signed(lane.vhid, lane.address, one, source, hash(one) & 0xFFFFFFFF, 0).frame() for one in words]
    usurper = lane.usurper
    guesses = [usurper._replace(payload=usurper.payload[:-8] + b"%08d" % number) for number in range(1000)]
    return [frames.sealed(lane.kind, one).frame() for one in guesses]


@attack("ttl", "the best there can be, TTL 254: from behind a router", "badttl")
def ttl(lane: Lane) -> Sequence[bytes]:
    return [lane.usurper._replace(ttl=254).frame(), lane.usurper._replace(ttl=1).frame()]


@attack("short", "the best there can be, cut short", "badlen")
def short(lane: Lane) -> Sequence[bytes]:
    usurper = lane.usurper
    return [frames.sealed(lane.kind, usurper._replace(payload=usurper.payload[:-8])).frame(), usurper.frame()[:40]]


@attack("checksum", "the best there can be, its checksum not made good", "badsum")
def checksum(lane: Lane) -> Sequence[bytes]:
    payload = bytearray(lane.usurper.payload)
    payload[7] ^= 1
    return [lane.usurper._replace(payload=bytes(payload)).frame()]


@attack("long", "the best there can be, too long and with IP options", "tampered", "own")
def long(lane: Lane) -> Sequence[bytes]:
    longer = lane.usurper._replace(payload=lane.usurper.payload + b"\0" * 64)
    options = lane.usurper._replace(options=b"\x94\x04\0\0\x01\x01\x01\0")  # router alert, as IGMP has it
    return [frames.sealed(lane.kind, longer).frame(), options.frame()]


@attack("fragments", "the best there can be, in two IP fragments", "badlen")
def fragments(lane: Lane) -> Sequence[bytes]:
    whole = lane.usurper.payload
    first = lane.usurper._replace(payload=whole[:8], fragment=0x2000)
    second = lane.usurper._replace(payload=whole[8:], fragment=0x0001)
    return [first.frame(), second.frame()]


@attack("noise", "the other protocol with the same id (VRRP 2 and 3; CARP)", "badlen", "badver", "badsum", "badauth")
def noise(lane: Lane) -> Sequence[bytes]:
    if lane.kind is Kind.CARP:
        return [frames.vrrp(version, lane.vhid, lane.address, ATTACKER).frame() for version in (2, 3)]
    return [frames.signed(lane.vhid, lane.address, "whatever", ATTACKER, 7, 254).frame()]


def everything(lane: Lane) -> Sequence[bytes]:
    """All that was recorded of the virtual host, in its order, again and again."""
    return [packet._replace(mac=ATTACKER_MAC).frame() for packet in map(Packet.read, lane.recorded)]


def master_only(lane: Lane) -> Sequence[bytes]:
    """A recording of the master at peace."""
    return [one.frame() for one in lane.masters]


for _name, _title, _phase, _forge in (
    ("backup-restarts", "the whole recording played while the backup restarts", Phase.BACKUP_RESTARTS, everything),
    ("master-restarts", "the whole recording played while the master restarts", Phase.MASTER_RESTARTS, everything),
    ("both-restart", "the whole recording played while both restart at once", Phase.BOTH_RESTART, everything),
    ("master-cut", "a recording of the master played on after its power was cut", Phase.MASTER_CUT, master_only),
):
    CATALOGUE.append(Attack(_name, _title, _forge, frozenset({"replay", "own"}), _phase, 20))

CONTROL = Attack("control", "no attack: how the same events look without one", lambda _lane: [])
ARP = Attack("arp", "the attacker claims the address by ARP", lambda lane: [frames.claim(lane.address)])
__all__ = ["ARP", "CATALOGUE", "CONTROL", "Attack", "Lane", "Phase"]
