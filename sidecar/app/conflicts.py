"""One virtual host's look-out for somebody else who has its addresses: asks seldom, defends within bounds, tells.

The judge decides (``carp/conflicts.py``); here are its clock, its one timer and its frames. The election never hears
of it: ARP proves nothing, and who could move the address by it could move it at will.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address
from math import inf
from typing import Final

from sidecar.carp.config import Address, Config, Family
from sidecar.carp.conflicts import Conflict, ConflictJudge, ConflictKind, Pace, Sighting, Verdict, describe
from sidecar.carp.receive import Datagram
from sidecar.net.frames import arp_probe, neighbour_question
from sidecar.net.host import Placement

_log: Final = logging.getLogger("sidecar.carp")
_MOMENT: Final = 1.0
"""Seconds that are added to whatever the protocol allows."""
_MOST_PATIENCE: Final = 10.0


def pace_of(interval: float, lease: float) -> Pace:
    """For an advertisement every ``interval`` and addresses lent for ``lease``, both in seconds.

    A dead master's kernel answers until its lease ends; a master who is to yield does at the next advertisement.
    """
    patience = min(interval + _MOMENT, _MOST_PATIENCE)
    return Pace(max(3 * interval, lease) + _MOMENT, patience, max(3 * interval + _MOMENT, 5 * _MOMENT))


class ConflictWatch:
    """``send`` puts a frame on the wire, ``announce`` tells neighbours where the addresses are."""

    def __init__(self, vhid: int, send: Callable[[bytes], str | None], announce: Callable[[], None]) -> None:
        self._vhid = vhid
        self._send = send
        self._announce = announce
        self._judge = ConflictJudge(random.random)
        self._questions: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._told: dict[tuple[ConflictKind, bytes], Conflict] = {}

    def place(self, placement: Placement, config: Config) -> None:
        """Where the virtual host lives now."""
        mac = placement.carpdev.mac
        self._judge.live_at(placement.mac if placement.mac != mac else b"", {mac})
        asked = (question(mac, placement.sources, address) for address in config.addresses)
        self._questions = [one for one in asked if one is not None]

    def reign(self, interval: float, lease: float) -> None:
        """This node is master now."""
        self._judge.reign(time.monotonic(), pace_of(interval, lease))
        self._follow()

    def abdicate(self) -> None:
        """It is not."""
        self._judge.abdicate()
        self._follow()

    def meet(self, datagram: Datagram) -> None:
        """A believed advertisement came."""
        self._judge.meet(datagram.source, datagram.source_mac, time.monotonic())
        if self._judge.deadline != inf:
            self._follow()

    def see(self, sighting: Sighting) -> None:
        """Somebody, or this node, spoke of an address."""
        self._judge.see(sighting, time.monotonic())
        self._follow()

    def _follow(self) -> None:
        """Do what is due, tell what is new, wait for the rest."""
        orders = self._judge.tick(time.monotonic())
        if orders.announce:
            self._announce()
        if orders.probe:
            for frame in self._questions:
                self._send(frame)
        self._tell()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._judge.deadline != inf:
            delay = max(0.0, self._judge.deadline - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay, self._follow)

    def _tell(self) -> None:
        """One line when it begins, one when it is over."""
        now = {(one.kind, one.address or one.source): one for one in self._judge.conflicts}
        for key, one in now.items():
            if key not in self._told:
                _log.warning("vhid=%d %s: %s", self._vhid, one.kind, describe(one))
        for key, one in self._told.items():
            if key not in now:
                _log.info("vhid=%d %s is over: no longer seen, or not master here", self._vhid, one.kind)
        self._told = now

    @property
    def conflicts(self) -> tuple[Conflict, ...]:
        """Those that are open."""
        return self._judge.conflicts

    @property
    def claims(self) -> Mapping[Verdict, int]:
        """What others said of the addresses, counted."""
        return self._judge.counts

    def close(self) -> None:
        """Ask nothing more."""
        if self._timer is not None:
            self._timer.cancel()


def question(mac: bytes, sources: Mapping[Family, Address], address: Address) -> bytes | None:
    """Whether anybody else has the address, asked from the carpdev's own MAC: whoever has the virtual one, too, would
    never hear or answer a question that comes from it. None without an own IPv6 address to ask from."""
    if isinstance(address, IPv4Address):
        return arp_probe(mac, address)
    source = sources.get(Family.V6)
    return None if source is None else neighbour_question(mac, source.packed, address)
