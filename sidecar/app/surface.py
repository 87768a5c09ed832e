"""Everything beside the election: NTP watch, HTTP, control socket, signals, reload. Imported when the election runs.

Nothing here may fail the election: each part starts by itself, waits for what it lacks, and ends when told.
"""

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from sidecar import __version__
from sidecar.app.board import NoticeBoard
from sidecar.app.daemon import Daemon
from sidecar.app.punctuality import Punctuality
from sidecar.app.reload import Reloader
from sidecar.app.signals import listen_to_signals
from sidecar.app.vhost import VirtualHost
from sidecar.app.wishes import COMMAND, Wishes
from sidecar.carp.effects import State
from sidecar.carp.events import DemotionSet, ResignRequested
from sidecar.company import Company
from sidecar.errors import SidecarError
from sidecar.kube.scope import Scope
from sidecar.kube.wire import Hints
from sidecar.ntp.watch import Demotion, NtpWatch, Target
from sidecar.ops import routes
from sidecar.ops.control import ControlServer
from sidecar.ops.droplog import drop_logger
from sidecar.ops.http import HttpServer
from sidecar.report import VhostReport
from sidecar.runtime.aside import Aside

_log: Final = logging.getLogger(__name__)
VIP_CAUSE: Final = "vip"
_HANDOVER_WAIT: Final = 2.0
"""Seconds that ``resign`` waits for a hand-over, which itself takes at most one."""


class Surface:
    """Owns the parts and answers for the daemon."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        settings = daemon.settings
        self._company = Company()
        for vhost in daemon.vhosts:
            vhost.driver.company = self._company
        self._reloader = Reloader(settings, daemon.vhosts)
        server = settings.ntp_server
        self._ntp = NtpWatch(Target(*server) if server else None, self._ntp_demotes, company=self._company)
        self._wishes = Wishes(daemon.vhosts, *([COMMAND] if daemon.maintained else []))
        self._punctuality = Punctuality(self._reports, company=self._company)
        scope = Scope(nodes=settings.kubernetes_nodes, events=settings.kubernetes_events)
        board = NoticeBoard(self._reports, self._follow_hints, scope=scope)
        self._board = board if daemon.tells_kubernetes else None
        node = self._node()
        handlers = routes.handlers(node, self._resign, self._maintain)
        self._control = ControlServer(settings.control, handlers, company=self._company)
        self._http = HttpServer(*settings.http, routes.build(node), company=self._company)
        self._write = Aside("write files")
        self._moved = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin everything; none of it is waited for."""
        self._have_a_thread()
        self._daemon.on_role = self._role_changed
        self._daemon.on_drop = drop_logger(time.monotonic)
        self._ntp.start()
        self._role_changed()
        listen_to_signals({signal.SIGHUP: self._reload, signal.SIGUSR1: self._dump})
        for part in (self._control.start(), self._http.start(), self._reloader.watch(), self._punctuality.watch()):
            self._spawn(part)
        if self._board is not None:
            self._spawn(self._board.run())

    def _have_a_thread(self) -> None:
        """For names and ended children, now: a thread that is started when memory has run out can hold the loop."""
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1, "wait"))
        loop.run_in_executor(None, int)

    def _spawn(self, part: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(part)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A part that fails is told at once; the election goes on without it."""
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("%s failed", task.get_coro(), exc_info=task.exception())

    async def stop(self) -> None:
        """End everything."""
        self._ntp.stop()
        for task in tuple(self._tasks):
            task.cancel()
        await self._http.close()
        await self._control.close()
        if self._board is not None:
            await self._board.stop()

    # What it tells

    def _node(self) -> routes.Node:
        """Where every answer comes from; each is of the moment it is asked for."""
        vhosts, settings = self._daemon.vhosts, self._daemon.settings
        return routes.Node(
            version=__version__,
            name=settings.node,
            readiness=settings.readiness,
            reports=self._reports,
            deadlines=lambda: [vhost.driver.deadline for vhost in vhosts],
            clock=time.monotonic,
            ntp=lambda: dict(self._ntp.status()),
            kubernetes=lambda: self._board.status() if self._board else {"enabled": False},
            settled=lambda: self._board is None or self._board.settled,
            config_load_error=lambda: self._reloader.failed,
        )

    def _reports(self) -> list[VhostReport]:
        return [vhost.report() for vhost in self._daemon.vhosts]

    # What it is told

    def _ntp_demotes(self, demotion: Demotion) -> None:
        if demotion.address is None:
            for vhost in self._daemon.vhosts:
                vhost.driver.post(DemotionSet(demotion.cause, demotion.amount))
            return
        for vhost in self._daemon.vhosts:
            names = _plain(vhost)
            if demotion.address in names:
                vhost.driver.post(DemotionSet(VIP_CAUSE, self._ntp.vip_demotion(names)))

    def _role_changed(self) -> None:
        """Whoever waits for a hand-over looks again; the NTP watch asks what is held here now."""
        self._moved.set()
        self._ask_held()

    def _ask_held(self) -> None:
        """The NTP watch asks those virtual addresses that are held here."""
        masters = (vhost for vhost in self._daemon.vhosts if vhost.driver.state is State.MASTER)
        self._ntp.set_master([name for vhost in masters for name in _plain(vhost)])
        if self._board is not None:
            self._board.look()

    def _reload(self) -> None:
        self._spawn(self._read_again())

    async def _read_again(self) -> None:
        """A virtual host may have other addresses now: they are asked, and what was removed is held against nobody."""
        if not await self._reloader.reload():
            return
        self._ask_held()
        for vhost in self._daemon.vhosts:
            vhost.driver.post(DemotionSet(VIP_CAUSE, self._ntp.vip_demotion(_plain(vhost))))
        self._daemon.look_again()

    def _dump(self) -> None:
        self._spawn(self._write_records())

    async def _write_records(self) -> None:
        """On a thread: a record takes some 30 ms, and ten of them would cost a fast master its turn."""
        try:
            for path in await self._write(self._daemon.dump):
                _log.info("flight record written: %s", path)
        except (OSError, SidecarError, MemoryError) as error:
            _log.error("flight record not written: %s", str(error) or "out of memory")

    async def _maintain(self, wanted: bool) -> dict[str, Any]:
        self._wishes.maintain(COMMAND, wanted=wanted)
        try:
            await self._write(partial(self._daemon.standing.keep, wanted=wanted))
        except (OSError, SidecarError) as error:
            _log.warning("maintenance %s holds until the next restart only: %s", "on" if wanted else "off", error)
        return {"maintenance": bool(self._wishes.sources), "wished_by": self._wishes.sources}

    def _follow_hints(self, hints: Hints) -> None:
        """What Kubernetes would like; the elections decide."""
        self._wishes.maintain_by_annotation(hints.maintenance)
        self._wishes.drain(wanted=hints.cordoned or hints.outdated)

    async def _resign(self, seconds: float) -> dict[str, Any]:
        """Every virtual host that is master here hands over; the answer comes when it has."""
        began = time.monotonic()
        masters = [vhost for vhost in self._daemon.vhosts if vhost.driver.state is State.MASTER]
        for vhost in self._daemon.vhosts:
            vhost.driver.post(ResignRequested(seconds))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_HANDOVER_WAIT):
                while any(vhost.driver.state is State.MASTER for vhost in masters):
                    self._moved.clear()
                    await self._moved.wait()
        return {
            "seconds": seconds,
            "after_s": round(time.monotonic() - began, 3),
            "vhosts": [outcome_of(vhost.report()) for vhost in masters],
        }


def outcome_of(report: VhostReport) -> dict[str, Any]:
    """What became of a virtual host that was master here. ``successor``: who spoke as it let go, and nobody before."""
    status = report.status
    master = status.master if status.state is State.BACKUP else None
    return {
        "vhid": status.config.vhid,
        "state": status.state.value,
        "successor": master.address if master is not None and master.heard_at >= status.since else None,
        "reason": status.reason,
    }


def _plain(vhost: VirtualHost) -> list[str]:
    return [str(address) for address in vhost.config.addresses]
