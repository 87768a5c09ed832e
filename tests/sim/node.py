"""One node of a simulated group: an election (or a BSD peer), its kernel, and what has befallen it."""

import math
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol

from sidecar.carp import events as on
from sidecar.carp.auth import Authenticator, Key
from sidecar.carp.config import Address, Config, Family
from sidecar.carp.constants import GROUP_V4, GROUP_V6, TTL
from sidecar.carp.effects import Effect, SendAdvertisement, State
from sidecar.carp.election import Election
from sidecar.carp.events import AdvertisementReceived, Event
from sidecar.carp.freshness import Freshness
from sidecar.carp.packet import Advertisement
from sidecar.carp.receive import Datagram, DropReason, Receiver
from sidecar.carp.transmit import Transmitter
from tests.sim.bsd import FreeBsd
from tests.sim.kernel import FakeKernel

Message = AdvertisementReceived | Datagram
V4: tuple[Address, ...] = (IPv4Address("10.9.0.100"),)
V6: tuple[Address, ...] = (IPv6Address("fd99::100"),)
DUAL = V4 + V6


class Machine(Protocol):
    """What runs an election: ours, or the model of a BSD kernel."""

    @property
    def deadline(self) -> float | None: ...

    def handle(self, event: Event, now: float) -> Sequence[Effect]: ...


class Plain:
    """A wire of values: what is heard is what was meant. Fast."""

    def __init__(self, sources: dict[Family, bytes], vhid: int) -> None:
        self._sources = sources
        self._vhid = vhid
        self._cache: dict[tuple[SendAdvertisement, tuple[Family, ...]], tuple[AdvertisementReceived, ...]] = {}

    def pack(self, ad: SendAdvertisement, families: tuple[Family, ...]) -> Sequence[Message]:
        messages = self._cache.get((ad, families))
        if messages is None:
            meant = Advertisement(self._vhid, ad.advbase, ad.advskew, ad.demote, 0, b"")
            messages = tuple(AdvertisementReceived(meant, family, self._sources[family]) for family in families)
            self._cache[ad, families] = messages
        return messages

    def unpack(self, message: Message) -> Event | None:
        assert isinstance(message, AdvertisementReceived)
        return message


class Real:
    """A wire of bytes: signed, packed, checked. Counts what was dropped and why."""

    def __init__(
        self,
        sources: dict[Family, bytes],
        config: Config,
        keys: Sequence[Key],
        freshness: Freshness,
        now: Callable[[], float],
        *,
        strict: bool = False,
    ) -> None:
        """``freshness``: what a process knows of the past; a new one knows nothing."""
        self._sources = sources
        self._keys = keys
        self._freshness = freshness
        self._now = now
        self._strict = strict
        self._transmitter = Transmitter(config.vhid, self._authenticator(config, keys), freshness, now)
        self._transmitter.send_from(frozenset(sources.values()))
        self.drops: dict[DropReason, int] = {}
        self.configure(config)

    @staticmethod
    def _authenticator(config: Config, keys: Sequence[Key]) -> Authenticator:
        return Authenticator(config.vhid, config.addresses, keys, sign_link_local=config.sign_link_local)

    def configure(self, config: Config, keys: Sequence[Key] | None = None) -> None:
        """Other keys or addresses; the ticks go on."""
        self._keys = self._keys if keys is None else keys
        authenticator = self._authenticator(config, self._keys)
        self._transmitter.authenticate_with(authenticator)
        self._receiver = Receiver(config, authenticator, self._freshness, strict=self._strict)

    def pack(self, ad: SendAdvertisement, families: tuple[Family, ...]) -> Sequence[Message]:
        groups = {Family.V4: GROUP_V4, Family.V6: GROUP_V6}
        payload = self._transmitter.payload(ad.advbase, ad.advskew, ad.demote)
        return [Datagram(family, self._sources[family], groups[family], TTL, payload) for family in families]

    def unpack(self, message: Message) -> Event | None:
        assert isinstance(message, Datagram)
        checked = self._receiver.check(message, self._now())
        if isinstance(checked, DropReason):
            self.drops[checked] = self.drops.get(checked, 0) + 1
            return None
        advertisement, key, speaker, outranks = checked
        return AdvertisementReceived(advertisement, message.family, message.source, key, speaker, outranks)


class Node:
    """``machine`` decides, ``kernel`` owns, the rest is fate. ``state`` is what the machine last said it is."""

    def __init__(self, number: int, config: Config, build: Callable[["Node"], Machine], lease: float) -> None:
        self.number = number
        self.config = config
        self.sources = {
            Family.V4: IPv4Address(0x0A000000 + number).packed,
            Family.V6: IPv6Address((0xFE80 << 112) + number).packed,
        }
        self.families = config.families
        self.kernel = FakeKernel(lease)
        self.build = build
        self.machine = build(self)
        self.wire: Plain | Real = Plain(self.sources, config.vhid)
        self.state = State.INIT
        self.alive = self.frozen = False
        self.link_up = True
        self.sends_fail = self.holds_fail = False
        self.causes: dict[str, int] = {}
        self.inbox: list[Message] = []
        self.armed = math.inf
        self.bow_outs = self.sent = 0
        self.stopped = False
        self.resting_until = -math.inf

    def __repr__(self) -> str:
        return f"node {self.number}"

    @property
    def takes_part(self) -> bool:
        """Alive, awake and connected to something."""
        return self.alive and not self.frozen and self.link_up and not self.stopped

    @property
    def real_wire(self) -> Real:
        assert isinstance(self.wire, Real)
        return self.wire

    @property
    def is_bsd(self) -> bool:
        return isinstance(self.machine, FreeBsd)

    @property
    def election(self) -> Election:
        """Our own kind of machine."""
        assert isinstance(self.machine, Election)
        return self.machine

    def standing(self) -> tuple[int, int, int]:
        """How fit this node is, the least being the best, computed from what was done to it."""
        demotion = sum(self.causes.values())
        if self.sends_fail or self.holds_fail:
            demotion += 240
        return (
            self.config.demote_byte(demotion),
            self.config.advbase,
            self.config.effective_advskew(demotion),
        )

    def reborn(self) -> None:
        """A new process: it knows nothing, and clears what an earlier one left behind."""
        self.machine = self.build(self)
        self.state = State.INIT
        self.alive, self.frozen, self.stopped = True, False, False
        self.inbox = []
        self.armed = math.inf
        self.bow_outs = 0


STARTED = on.Started()
