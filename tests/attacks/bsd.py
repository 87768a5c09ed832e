"""The BSD kernels under the same attacks, on a virtual clock: they cannot run here.

Their rules are those of tests/sim/bsd.py; what they check on receipt is written here after the kernels' sources and
what was seen of real ones (TTL, length, checksum, version, digest; no counter, OpenBSD its own one only).
"""

import hashlib
import hmac
from collections.abc import Sequence
from ipaddress import IPv4Address
from itertools import cycle

from sidecar.carp import effects as do
from sidecar.carp import events as on
from sidecar.carp.config import Config, Dialect, Family
from sidecar.carp.packet import decode
from sidecar.lab.owners import Change
from tests.attacks import frames
from tests.attacks.catalogue import CATALOGUE, CONTROL, Attack, Lane, Phase
from tests.attacks.frames import Kind, Packet
from tests.attacks.products import ADVSKEW
from tests.attacks.stage import BEFORE, RESTARTING, SECONDS, VHID
from tests.attacks.verdict import Story, Verdict, story
from tests.rivals import PASSPHRASE
from tests.sim.bsd import FreeBsd, OpenBsd

MASTER, BACKUP, ADDRESS = "10.77.0.11", "10.77.0.12", "10.77.0.100"
COOKIES = (0x1111111111111111, 0x2222222222222222)
WAY = 0.0002
UP, DEADLINE, DOWN = on.CarpdevChanged(True), on.DeadlineReached(), on.ShutdownRequested()


def accepts(packet: Packet) -> bool:
    """The kernels' checks of an advertisement over IPv4."""
    payload = packet.payload
    if packet.ttl != 255 or packet.fragment & 0x3FFF or len(payload) < frames.CARP_LENGTH:
        return False
    if frames.checksum(payload[: frames.CARP_LENGTH]) or payload[0] >> 4 != 2:
        return False
    message = bytes((2, 1, payload[1])) + IPv4Address(ADDRESS).packed + payload[8:16]
    key = PASSPHRASE.encode().ljust(20, b"\0")
    return hmac.compare_digest(hmac.new(key, message, hashlib.sha1).digest(), payload[16:36])


class Kernels:
    """Two kernels and an attacker on a segment; time passes in ``run``."""

    def __init__(self, machine: type[FreeBsd]) -> None:
        self._machine = machine
        self.now = 0.0
        self.changes: list[Change] = []
        self.recorded: list[bytes] = []
        self._owners: frozenset[str] = frozenset()
        self._nodes: dict[int, FreeBsd] = {}
        self._counter = 0

    def start(self, rank: int) -> None:
        """Configure the interface of a node."""
        config = Config(VHID, (IPv4Address(ADDRESS),), 1, ADVSKEW[rank], True, Dialect.FREEBSD)
        self._nodes[rank] = self._machine(config)
        self._tell(rank, UP)

    def stop(self, rank: int) -> None:
        """Take it down, in its orderly way."""
        self._tell(rank, DOWN)
        self._nodes.pop(rank, None)

    def cut(self, rank: int) -> None:
        """Power off."""
        self._nodes.pop(rank)
        self._own(rank, owns=False)

    def run(self, seconds: float, sending: Sequence[bytes] = (), rate: float = 10.0) -> None:
        """Let time pass while an attacker sends these in turn."""
        end, next_frame = self.now + seconds, self.now
        made = cycle(sending)
        while self.now < end:
            due = min((one.deadline or end for one in self._nodes.values()), default=end)
            self.now = min(end, due, next_frame if sending else end)
            if sending and self.now >= next_frame:
                self._hear(next(made), None)
                next_frame += 1 / rate
            for rank, node in list(self._nodes.items()):
                if node.deadline is not None and self.now >= node.deadline:
                    self._tell(rank, DEADLINE)

    def _tell(self, rank: int, event: on.Event) -> None:
        for effect in self._nodes[rank].handle(event, self.now):
            if isinstance(effect, do.SendAdvertisement):
                self._send(rank, effect)
            elif isinstance(effect, do.HoldAddresses | do.ReleaseAddresses):
                self._own(rank, owns=isinstance(effect, do.HoldAddresses))

    def _own(self, rank: int, *, owns: bool) -> None:
        name = f"node{rank + 1}"
        self._owners = self._owners | {name} if owns else self._owners - {name}
        self.changes.append(Change(self.now, ADDRESS, self._owners))

    def _send(self, rank: int, ad: do.SendAdvertisement) -> None:
        self._counter += 1
        counter = COOKIES[rank] if self._machine is OpenBsd else (1 << 40) + self._counter
        source = (MASTER, BACKUP)[rank]
        packet = frames.signed(VHID, ADDRESS, PASSPHRASE, source, counter, ad.advskew, ad.advbase)
        frame = frames.altered(Kind.CARP, packet, {4: ad.demote}).frame()
        self.recorded.append(frame)
        self._hear(frame, rank)

    def _hear(self, frame: bytes, sender: int | None) -> None:
        packet = Packet.read(frame)
        packet = packet._replace(fragment=int.from_bytes(frame[20:22], "big"))
        if not accepts(packet):
            return
        advertisement = decode(packet.payload)
        heard = on.AdvertisementReceived(advertisement, Family.V4, packet.source)
        for rank in list(self._nodes):
            looped = self._machine is OpenBsd and advertisement.counter == COOKIES[rank]
            if rank != sender and not looped:
                self._tell(rank, heard)


def settled(machine: type[FreeBsd]) -> tuple[Kernels, Lane]:
    """Both have been master, as on a real stage, and what was recorded of it."""
    kernels = Kernels(machine)
    for step, rank, seconds in (("start", 0, 5.3), ("start", 1, 1.5), ("stop", 0, 6.2), ("start", 0, 6.2)):
        getattr(kernels, step)(rank)
        kernels.run(seconds)
    lane = Lane(Kind.CARP, VHID, ADDRESS, MASTER, BACKUP)
    lane.before = frames.signed(VHID, ADDRESS, PASSPHRASE, BACKUP, BEFORE, 0)
    lane.recorded = kernels.recorded
    return kernels, lane


def befall(kernels: Kernels, phase: Phase) -> None:
    """What happens in a phase."""
    if phase is Phase.MASTER_CUT:
        kernels.cut(0)
    for rank in RESTARTING.get(phase, ()):
        kernels.stop(rank)
    for rank in RESTARTING.get(phase, ()):
        kernels.start(rank)


def told(machine: type[FreeBsd], attack: Attack, phase: Phase) -> tuple[Story, bool]:
    """What became of the address, and whether there was anything to send."""
    kernels, lane = settled(machine)
    made = attack.forge(lane)
    start = kernels.now
    befall(kernels, phase)
    kernels.run(SECONDS[phase], made, attack.rate)
    return story(kernels.changes, ADDRESS, start, kernels.now), bool(made)


def wage(machine: type[FreeBsd]) -> dict[str, Verdict]:
    """The verdict of every attack, by its name."""
    control = {phase: told(machine, CONTROL, phase)[0] for phase in Phase}
    verdicts = {}
    for attack in CATALOGUE:
        what, sent = told(machine, attack, attack.phase)
        verdicts[attack.name] = what.verdict(control[attack.phase]) if sent else Verdict.NONE
    return verdicts
