"""The daemon itself: its virtual hosts, from the first advertisement to the last. Whatever step fails is unmade.

Keys, then the kernel, once no other daemon of this host has it, then the elections, then everything else.
"""

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from sidecar.app.carpdevs import Carpdev, Carpdevs
from sidecar.app.claims import Claims, outlasted
from sidecar.app.observer import ElectionObserver
from sidecar.app.realtime import freeze_heap
from sidecar.app.reload import keys_of
from sidecar.app.signals import listen_to_signals
from sidecar.app.standing import Standing
from sidecar.app.vhost import Identity, VirtualHost
from sidecar.app.wishes import MAINTENANCE
from sidecar.carp.auth import Key
from sidecar.carp.constants import FULL_DEMOTION
from sidecar.carp.demotion import ADDRESSES, SEND_ERRORS
from sidecar.carp.effects import DemotionChanged
from sidecar.carp.events import DemotionSet, ShutdownRequested, Started
from sidecar.errors import SidecarError
from sidecar.net.host import Host, Placement, leftover_lease, prepare, withdraw
from sidecar.net.interface import holding_subnet_of
from sidecar.net.keepsake import Keepsake
from sidecar.net.rtnl import Rtnl
from sidecar.settings.values import MacMode, Replay, RunSettings, VhostSettings

_log: Final = logging.getLogger("sidecar")
NTP_CAUSE: Final = "ntp"
_UNKNOWN_TIME: Final = 240
_FORGIVE: Final = 60.0
_STOP_LIMIT: Final = 3.0
"""Seconds for all hand-overs of a shutdown together; each takes at most one."""


class Annex(Protocol):
    """What stands beside the elections and may fail without them."""

    def start(self) -> None:
        """Begin; nothing of it is waited for."""

    async def stop(self) -> None:
        """End."""


class Daemon:
    """Everything that runs, and nothing that decides. Made before the loop, run by ``run``."""

    def __init__(self, settings: RunSettings) -> None:
        self.settings = settings
        self.vhosts: list[VirtualHost] = []
        self.stopping = asyncio.Event()
        self.tells_kubernetes = False
        self.on_role: Callable[[], None] = lambda: None
        self.on_drop: Callable[[int, str, bytes], None] = lambda _vhid, _reason, _source: None
        self._carpdevs: dict[str, Carpdev] = {}
        self._rtnl = Rtnl()
        self._keepsake = Keepsake(settings.control.with_name(settings.control.name + ".state"))
        self.standing = Standing(settings.control)
        self.maintained = False
        """Whether maintenance was wished before this start, and holds."""
        self._placements: dict[int, Placement | None] = {}
        self._claims = Claims(())
        self._watch: Carpdevs | None = None
        self._present = 0
        self._all_left = asyncio.Event()

    def build(self) -> None:
        """Read keys, find interfaces and make the virtual hosts. Changes nothing on the host."""
        for settings in self.settings.vhosts:
            keys = keys_of(settings)
            name = settings.interface or holding_subnet_of(settings.config.addresses[0])
            carpdev = self._carpdevs.setdefault(name, Carpdev(name))
            self._add(settings, keys, carpdev)

    def _add(self, settings: VhostSettings, keys: tuple[Key, ...], carpdev: Carpdev) -> None:
        config = settings.config
        virtual = settings.mac is MacMode.VIRTUAL
        host = Host(carpdev.name, config.vhid, config.addresses, self._keepsake, virtual=virtual)
        observer = ElectionObserver(config.vhid, self._dropped)
        identity = Identity(config, keys, settings.lease_s, strict=settings.replay is Replay.STRICT)
        vhost = VirtualHost(identity, host, carpdev.wire, self._rtnl, observer)
        observer.on_state = lambda _state: self._role_changed()
        observer.on_demotion = partial(self._demotion_changed, vhost)
        observer.on_stopped = self._one_left
        carpdev.vhosts.append(vhost)
        self.vhosts.append(vhost)
        self._present += 1

    def _dropped(self, vhid: int, reason: str, source: bytes) -> None:
        self.on_drop(vhid, reason, source)

    def claim(self) -> bool:
        """Wait until no other daemon of this host serves one of these; False when told to end meanwhile."""
        self._claims = Claims((vhost.host.carpdev, vhost.config.vhid) for vhost in self.vhosts)
        taken = self._claims.take()
        self._keepsake.read()
        hosts = [vhost.host for vhost in self.vhosts]
        if taken and not outlasted(lambda: leftover_lease(hosts)):
            self.withdraw()
            return False
        return taken

    def prepare(self) -> None:
        """Make the kernel ready for every virtual host; all or nothing."""
        try:
            placements = prepare([vhost.host for vhost in self.vhosts])
        except SidecarError:
            self.withdraw()
            raise
        self._placements = {id(vhost): one for vhost, one in zip(self.vhosts, placements, strict=True)}

    def withdraw(self) -> None:
        """Leave the host as it was before."""
        for vhost in self.vhosts:
            vhost.keeper.release()
        try:
            withdraw([vhost.host for vhost in self.vhosts])
        except SidecarError as error:
            _log.error("not put back: %s", error)

    async def run(self, build_annex: Callable[["Daemon"], Awaitable[Annex]]) -> None:
        """From the first advertisement to the last. ``build_annex`` is called when the elections run."""
        listen_to_signals({signal.SIGTERM: self.stopping.set, signal.SIGINT: self.stopping.set})
        self._start_elections()
        annex = await build_annex(self)
        annex.start()
        freeze_heap()
        await self.stopping.wait()
        await self._stop(annex)

    def _start_elections(self) -> None:
        loop = asyncio.get_running_loop()
        self._watch = Carpdevs(self._carpdevs.values())
        self._watch.start(self._placements)
        self.maintained = self.standing.wanted()
        if self.maintained:
            _log.warning("maintenance is on since an earlier run; `carp-sidecar maintenance off` ends it")
        for vhost in self.vhosts:
            loop.add_reader(vhost.timer.fileno(), vhost.driver.on_timer)
            if self.settings.ntp_server is not None:
                vhost.driver.post(DemotionSet(NTP_CAUSE, _UNKNOWN_TIME))
            if self.maintained:
                vhost.driver.post(DemotionSet(MAINTENANCE, FULL_DEMOTION))
            vhost.driver.post(Started())

    def _role_changed(self) -> None:
        """A new master sees to it that its interface still is as it should be; others hear of the role."""
        if self._watch is not None:
            self._watch.look_again()
        self.on_role()

    def _demotion_changed(self, vhost: VirtualHost, change: DemotionChanged) -> None:
        """What only a master can show to be well again is forgiven after a while; it may show that it is not."""
        vhost.follow_demotion(change.new)
        if change.cause in {ADDRESSES, SEND_ERRORS} and change.new > change.old:
            forgive = partial(vhost.driver.post, DemotionSet(change.cause, 0))
            asyncio.get_running_loop().call_later(_FORGIVE, forgive)

    def look_again(self) -> None:
        """Put the kernel's state as the settings now want it."""
        if self._watch is not None:
            self._watch.look_again(0.0)

    def _one_left(self) -> None:
        self._present -= 1
        if self._present == 0:
            self._all_left.set()

    async def _stop(self, annex: Annex) -> None:
        """Hand over, let go, put everything back."""
        for vhost in self.vhosts:
            vhost.driver.post(ShutdownRequested())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_LIMIT):
                await self._all_left.wait()
        await asyncio.sleep(max(vhost.linger for vhost in self.vhosts))
        await annex.stop()
        for vhost in self.vhosts:
            asyncio.get_running_loop().remove_reader(vhost.timer.fileno())
            vhost.close()
        if self._watch is not None:
            await self._watch.close(self.withdraw)
        self._rtnl.close()
        self._claims.release()

    def dump(self) -> list[Path]:
        """Write every election's flight record beside the control socket; the files written."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        written = []
        for vhost in self.vhosts:
            path = self.settings.control.with_name(f"flight-{vhost.config.vhid}-{stamp}.jsonl")
            path.write_text("".join(f"{line}\n" for line in vhost.driver.recorder.dump(vhost.config)))
            written.append(path)
        return written
