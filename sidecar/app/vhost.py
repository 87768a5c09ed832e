"""One virtual host, wired: its election, its driver and its share of the network.

Everything is made once; a placement (where the carpdev is now) and keys may change while it runs.
"""

import logging
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from sidecar.app.conflicts import ConflictWatch
from sidecar.app.dialect import DEMOTE, DialectWatch
from sidecar.app.linger import LINGER, Lingering
from sidecar.app.observer import ElectionObserver
from sidecar.carp import events as on
from sidecar.carp.auth import Authenticator, Key
from sidecar.carp.config import Address, Config, Dialect, interval_us
from sidecar.carp.constants import MICROSECONDS
from sidecar.carp.effects import State
from sidecar.carp.election import Election
from sidecar.carp.freshness import Freshness
from sidecar.carp.marker import ticks_of
from sidecar.carp.receive import Datagram, Receiver
from sidecar.carp.transmit import Transmitter
from sidecar.net.addresses import AddressKeeper
from sidecar.net.announcer import Announcer
from sidecar.net.frames import announcement
from sidecar.net.groups import Groups
from sidecar.net.host import Host, Placement
from sidecar.net.rtnl import Rtnl
from sidecar.net.sender import AdvertisementSender
from sidecar.net.wire import Listener, Wire
from sidecar.report import VhostReport
from sidecar.runtime.driver import Driver
from sidecar.runtime.ports import Ports
from sidecar.runtime.timer import DeadlineTimer

_log: Final = logging.getLogger("sidecar.carp")
_LEASE_MARGIN: Final = 0.5
"""Seconds that a lease lasts beyond the next advertisement, at least: the kernel counts whole ones."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes a virtual host: configuration, keys in their order, lease of its addresses in whole seconds."""

    config: Config
    keys: tuple[Key, ...]
    lease: int
    strict: bool = False
    """Whether every peer is carp-sidecar, so that an unmarked advertisement is nobody's."""


class VirtualHost:
    """``driver`` runs the election; ``place`` follows the carpdev; ``believe`` follows the keys."""

    def __init__(self, identity: Identity, host: Host, wire: Wire, rtnl: Rtnl, observer: ElectionObserver) -> None:
        self.config = config = identity.config
        self.host = host
        self._wire = wire
        self._keys = tuple(identity.keys)
        self._groups = Groups()
        self._placement: Placement | None = None
        self._lease = identity.lease
        self._strict = identity.strict
        authenticator = self._authenticator(config)
        self._freshness = Freshness(lambda: ticks_of(time.time()), random.random)
        self._transmitter = Transmitter(config.vhid, authenticator, self._freshness, time.monotonic)
        self._sender = AdvertisementSender(self._transmitter, wire, self._groups)
        self.keeper = AddressKeeper(rtnl, time.monotonic, identity.lease)
        self.follow_demotion(0)
        self._announcer = Announcer(wire.send, lambda: bool(self.keeper.held))
        self._dialect = DialectWatch(config.vhid, self._freshness.marked)
        self._met = b""
        self.conflicts = ConflictWatch(config.vhid, wire.send, self._announcer.announce)
        self.timer = DeadlineTimer()
        addresses = self.keeper if host.virtual else Lingering(self.keeper)
        ports = Ports(self._sender, addresses, self._announcer, self.timer, observer)
        election = Election(config, random.random)
        self.driver = Driver(election, self._receiver(config, authenticator), ports)
        self.driver.drain = wire.drain_all
        self.driver.on_heard = self._heard
        observer.on_move = self._moved
        self._count_by_key()
        self.keeper.on_repair = self._put_back
        self.keeper.on_intrusion = self._intruded
        self.keeper.on_loss = lambda detail: self.driver.post(on.AddressesFailed(detail))
        wire.attach(config.vhid, Listener(self.driver.receive, lambda: self.driver.worried))

    @property
    def linger(self) -> float:
        """Seconds for which the addresses may still be held after the election let go of them."""
        return 0.0 if self.host.virtual else LINGER

    def _authenticator(self, config: Config) -> Authenticator:
        return Authenticator(config.vhid, config.addresses, self._keys, sign_link_local=config.sign_link_local)

    def _receiver(self, config: Config, authenticator: Authenticator) -> Receiver:
        return Receiver(config, authenticator, self._freshness, strict=self._strict)

    @property
    def keys(self) -> tuple[Key, ...]:
        """In the order of their file: the first signs, all are accepted."""
        return self._keys

    @property
    def placement(self) -> Placement | None:
        """Where it lives, or None while the carpdev is missing."""
        return self._placement

    def place(self, placement: Placement | None) -> None:
        """The carpdev is there, as said, or is gone. Does not tell the election: carrier is told apart from place."""
        before, self._placement = self._placement, placement
        if placement is None:
            self._groups.close()
            return
        carpdev = placement.carpdev
        if before is None or before.carpdev.index != carpdev.index:
            self._groups.open(carpdev.index, carpdev.name, self.config.families, self.config.addresses)
        self._sender.place(self.config, carpdev.index, placement.mac, placement.sources)
        self.keeper.place(placement.index, self.config.addresses, placement.routes)
        self._announcer.place([announcement(placement.mac, address) for address in self.config.addresses])
        self.conflicts.place(placement, self.config)

    def _heard(self, datagram: Datagram) -> None:
        """A backup that hears its master once more hears nothing new."""
        if self.driver.state is State.MASTER or datagram.source_mac != self._met:
            self._met = datagram.source_mac
            self.conflicts.meet(datagram)
        if datagram.payload[DEMOTE] or self.config.dialect is Dialect.OPENBSD:
            self._dialect.meet(datagram, self.config.dialect)

    def _moved(self, state: State) -> None:
        if state is State.MASTER:
            self.conflicts.reign(self._interval(self.driver.demotion), self._lent(self.driver.demotion))
        else:
            self.conflicts.abdicate()

    def _intruded(self, address: Address) -> None:
        text = "vhid=%d somebody gave this node %s, which another holds: taken away"
        _log.warning(text, self.config.vhid, address)

    def _put_back(self) -> None:
        """The addresses had gone without us: neighbours must hear where they are, and people why."""
        self._announcer.announce()
        _log.warning("vhid=%d addresses put back: somebody removed them, or their lease had run out", self.config.vhid)

    def follow_demotion(self, demotion: int) -> None:
        """A demoted master speaks less often; what the kernel lends must outlast the pause.

        It may be as long for one that is not demoted: advbase 0 with a large advskew.
        """
        self.keeper.lend(self._lent(demotion))

    def _lent(self, demotion: int) -> int:
        """Whole seconds of a lease; 0 for none."""
        return max(self._lease, math.ceil(self._interval(demotion) + _LEASE_MARGIN)) if self._lease else 0

    def _interval(self, demotion: int) -> float:
        """Seconds between two advertisements."""
        return interval_us(self.config.advbase, self.config.effective_advskew(demotion)) / MICROSECONDS

    def believe(self, keys: Sequence[Key]) -> None:
        """Sign with the first of these keys and accept all of them from now on."""
        self._keys = tuple(keys)
        self._authenticate()
        self._count_by_key()

    def _count_by_key(self) -> None:
        self.driver.counters.expect(key.number for key in self._keys)

    def _authenticate(self) -> None:
        authenticator = self._authenticator(self.config)
        self._transmitter.authenticate_with(authenticator)
        self.driver.believe(self._receiver(self.config, authenticator))

    def reconfigure(self, config: Config, lease: int) -> None:
        """Another configuration of the same vhid: digest, addresses and election change in this order, at once."""
        self.config, self._lease = config, lease
        self.host.hold(config.addresses)
        self._authenticate()
        self.follow_demotion(self.driver.demotion)
        self.place(self._placement)
        self.driver.post(on.ConfigChanged(config))

    def report(self) -> VhostReport:
        """What there is to say now."""
        carpdev = self._placement.carpdev.name if self._placement else self.host.carpdev
        found = self.driver.report(carpdev)
        return replace(found, conflicts=self.conflicts.conflicts, claims=self.conflicts.claims)

    def close(self) -> None:
        """Give the descriptors back. The election has stopped before."""
        self._announcer.stop()
        self.conflicts.close()
        self._groups.close()
        self.timer.close()
