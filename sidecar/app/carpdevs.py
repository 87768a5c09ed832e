"""The interfaces that carry virtual hosts, and how they come, change and go.

The kernel's notices are hints: carrier loss, a vanished interface and a removed address act at once, everything else
makes us look again and put things as they should be. Looking blocks for milliseconds: it has a thread of its own.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from sidecar.app.vhost import VirtualHost
from sidecar.carp.demotion import ADDRESSES
from sidecar.carp.events import CarpdevChanged, DemotionSet
from sidecar.errors import ExhaustedError, HostError, SidecarError
from sidecar.net.host import Placement, prepare
from sidecar.net.interface import Interface
from sidecar.net.monitor import Monitor
from sidecar.net.neighbours import NeighbourWatch
from sidecar.net.wire import Wire
from sidecar.runtime.timer import DeadlineTimer

_log: Final = logging.getLogger(__name__)
_SETTLE: Final = 0.1
"""Seconds to wait for the rest of a burst of notices."""
_RETRY: Final = 5.0


class Carpdev:
    """One interface by name: its wire and its virtual hosts."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.wire = Wire(DeadlineTimer())
        self.neighbours = NeighbourWatch()
        self.vhosts: list[VirtualHost] = []
        self.index = 0
        self.up = False
        self.detail = ""

    def tell(self, *, up: bool, detail: str) -> None:
        """Tell the elections when it is news."""
        if (up, detail) == (self.up, self.detail):
            return
        self.up, self.detail = up, detail
        _log.log(logging.INFO if up else logging.WARNING, "carpdev %s: %s", self.name, detail or "up")
        for vhost in self.vhosts:
            vhost.driver.post(CarpdevChanged(up, detail))


class Carpdevs:
    """All of them: ``Watcher`` of the monitor, and the only caller of ``Host.prepare`` while the loop runs."""

    def __init__(self, carpdevs: Iterable[Carpdev]) -> None:
        self._by_name = {carpdev.name: carpdev for carpdev in carpdevs}
        self._thread = ThreadPoolExecutor(1, "netlink")
        self._monitor = Monitor(self)
        self._looking: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._own: set[int] = set()
        """Indices of the interfaces that carry addresses of ours."""

    def start(self, placements: dict[int, Placement | None]) -> None:
        """Begin with what was prepared before the loop ran, by id of the virtual host."""
        asyncio.get_running_loop().add_reader(self._monitor.fileno(), self._monitor.read)
        for carpdev in self._by_name.values():
            self._settle(carpdev, {id(vhost): placements[id(vhost)] for vhost in carpdev.vhosts})

    def look_again(self, delay: float = _SETTLE) -> None:
        """Put everything as it should be, soon; hints that come together are answered together, by the earliest."""
        if self._closed:
            return
        loop = asyncio.get_running_loop()
        if self._looking is not None:
            if self._looking.when() <= loop.time() + delay:
                return
            self._looking.cancel()
        self._looking = loop.call_later(delay, self._look)

    def _look(self) -> None:
        self._looking = None
        if self._task is not None and not self._task.done():
            self.look_again()
            return
        self._task = asyncio.get_running_loop().create_task(self._look_now(), name="look at carpdevs")

    async def _look_now(self) -> None:
        loop = asyncio.get_running_loop()
        for carpdev in self._by_name.values():
            try:
                placements = await loop.run_in_executor(self._thread, _prepare, carpdev)
                if not self._closed:
                    self._settle(carpdev, placements)
            except (ExhaustedError, MemoryError) as error:  # not seeing is no reason to give up what works
                _log.warning("%s: cannot look: %s; looking again in %.0f s", carpdev.name, error, _RETRY)
                self.look_again(_RETRY)
            except SidecarError as error:
                _log.error("%s: %s; trying again in %.0f s", carpdev.name, error, _RETRY)
                self._lose(carpdev, str(error))
                self.look_again(_RETRY)

    def _settle(self, carpdev: Carpdev, placements: dict[int, Placement | None]) -> None:
        """Follow what was found: the wire first, then every virtual host, then the elections hear of it."""
        found = next(iter(placements.values()))
        if found is None:
            self._lose(carpdev, f"there is no interface {carpdev.name}, and one is waited for")
            return
        interface = found.carpdev
        if interface.index != carpdev.index:
            self._open(carpdev, interface)
        for vhost in carpdev.vhosts:
            moved = vhost.placement is None or placements[id(vhost)] != vhost.placement
            if moved:
                vhost.place(placements[id(vhost)])
                vhost.driver.post(DemotionSet(ADDRESSES, 0))
            carpdev.neighbours.heed(vhost.config.vhid, vhost.config.addresses, vhost.conflicts.see)
        self._own = {vhost.placement.index for vhost in self._all() if vhost.placement is not None}
        self._monitor.ignore_renewals_on(self._renewed())
        carpdev.tell(up=interface.up, detail="" if interface.up else f"{carpdev.name} has no carrier")

    def _all(self) -> Iterator[VirtualHost]:
        return (vhost for carpdev in self._by_name.values() for vhost in carpdev.vhosts)

    def _renewed(self) -> set[int]:
        """The virtual-MAC interfaces where addresses are held now; on the others one that appears is a stranger's."""
        placements = (vhost.placement for vhost in self._all() if vhost.keeper.wanted)
        return {one.index for one in placements if one is not None and one.index != one.carpdev.index}

    def _open(self, carpdev: Carpdev, interface: Interface) -> None:
        loop = asyncio.get_running_loop()
        if carpdev.wire.fileno() >= 0:
            loop.remove_reader(carpdev.wire.fileno())
        carpdev.wire.open(interface.index, carpdev.name)
        carpdev.index = interface.index
        loop.add_reader(carpdev.wire.fileno(), carpdev.wire.drain)
        try:
            carpdev.neighbours.open(carpdev.name, interface.mac)
        except HostError as error:
            _log.error("address conflicts will not be noticed: %s", error)

    def _lose(self, carpdev: Carpdev, detail: str) -> None:
        carpdev.tell(up=False, detail=detail)
        if carpdev.wire.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(carpdev.wire.fileno())
        carpdev.wire.close()
        carpdev.neighbours.close()
        carpdev.index = 0
        for vhost in carpdev.vhosts:
            vhost.place(None)

    # The monitor's words

    def link_changed(self, index: int, name: str, up: bool) -> None:
        """Carrier lost is told at once; carrier found only when everything is in place again."""
        carpdev = self._by_name.get(name)
        if carpdev is None:
            return
        if index == carpdev.index and not up:
            carpdev.tell(up=False, detail=f"{name} has no carrier")
        self.look_again()

    def link_removed(self, index: int, name: str) -> None:
        """A vanished carpdev is told at once; one of ours that somebody removed is made again."""
        for carpdev in self._by_name.values():
            if index == carpdev.index:
                self._lose(carpdev, f"interface {name} was removed")
            elif any(vhost.placement and vhost.placement.index == index for vhost in carpdev.vhosts):
                self.look_again(0.0)

    def address_added(self, index: int, address: bytes) -> None:
        """One of ours on a backup goes again; else our advertisements may have another source now."""
        for carpdev in self._by_name.values():
            for vhost in carpdev.vhosts:
                vhost.keeper.address_added(index, address)
        self._address_changed(index, address)

    def _address_changed(self, index: int, address: bytes) -> None:
        """Look again when it is a carpdev's, or one of ours wherever it is."""
        for carpdev in self._by_name.values():
            ours = (one.packed for vhost in carpdev.vhosts for one in vhost.config.addresses)
            if index == carpdev.index or (index not in self._own and address in ours):
                self.look_again()

    def address_removed(self, index: int, address: bytes) -> None:
        """One that we hold is put back at once."""
        for carpdev in self._by_name.values():
            for vhost in carpdev.vhosts:
                vhost.keeper.address_removed(index, address)
        self._address_changed(index, address)

    def routes_changed(self) -> None:
        """Replies may have another way now."""
        self.look_again()

    def notices_lost(self) -> None:
        """Look at everything; a lost address comes back with the next advertisement."""
        self.look_again(0.0)

    async def close(self, undo: Callable[[], None]) -> None:
        """Stop watching, then run ``undo`` on the thread that made things."""
        self._closed = True
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._monitor.fileno())
        self._monitor.close()
        if self._looking is not None:
            self._looking.cancel()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_RETRY)
        for carpdev in self._by_name.values():
            if carpdev.wire.fileno() >= 0:
                loop.remove_reader(carpdev.wire.fileno())
            carpdev.wire.close()
            carpdev.neighbours.close()
        await loop.run_in_executor(self._thread, undo)
        self._thread.shutdown()


def _prepare(carpdev: Carpdev) -> dict[int, Placement | None]:
    found = prepare([vhost.host for vhost in carpdev.vhosts])
    return {id(vhost): placement for vhost, placement in zip(carpdev.vhosts, found, strict=True)}
