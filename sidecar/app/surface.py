"""Everything beside the election: NTP watch, HTTP, control socket, signals, reload. Imported when the election runs.

Nothing here may fail the election: each part starts by itself, waits for what it lacks, and ends when told.
"""

import asyncio
import logging
import signal
import time
from collections.abc import Coroutine
from typing import Any, Final

from sidecar import __version__
from sidecar.app.daemon import Daemon
from sidecar.app.reload import Reloader
from sidecar.app.vhost import VirtualHost
from sidecar.carp.constants import FULL_DEMOTION
from sidecar.carp.effects import State
from sidecar.carp.events import DemotionSet, ResignRequested, StepDownRequested
from sidecar.errors import ControlError
from sidecar.ntp.watch import Demotion, NtpWatch, parse_target
from sidecar.ops import view
from sidecar.ops.control import ControlServer
from sidecar.ops.http import HttpServer
from sidecar.report import VhostReport

_log: Final = logging.getLogger(__name__)
MAINTENANCE_CAUSE: Final = "maintenance"
VIP_CAUSE: Final = "vip"
_HANDOVER_WAIT: Final = 2.0
"""Seconds that ``resign`` waits for a hand-over, which itself takes at most one."""
_GLANCE: Final = 0.005


class Surface:
    """Owns the parts and answers for the daemon."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        settings = daemon.settings
        self._reloader = Reloader(settings, daemon.vhosts)
        self._ntp = NtpWatch(parse_target(settings.ntp), self._ntp_demotes)
        self._control = ControlServer(
            settings.control,
            {"status": lambda _params: dict(self.status()), "resign": self._resign, "maintenance": self._maintenance},
        )
        self._http = HttpServer(*settings.http, self._routes())
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin everything; none of it is waited for."""
        loop = asyncio.get_running_loop()
        self._daemon.on_role = self._role_changed
        self._ntp.start()
        self._role_changed()
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        loop.add_signal_handler(signal.SIGUSR1, self._dump)
        for part in (self._control.start(), self._http.start(), self._reloader.watch()):
            self._spawn(part)

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

    # What it tells

    def reports(self) -> list[VhostReport]:
        """One a virtual host, of this moment."""
        return [vhost.report() for vhost in self._daemon.vhosts]

    def status(self) -> view.StatusView:
        """The whole of /status."""
        kubernetes: dict[str, object] = {"enabled": False}
        return view.status_view(__version__, self._daemon.settings.node, self.reports(), self._ntp.status(), kubernetes)

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
        """The NTP watch asks those virtual addresses that are held here."""
        masters = (vhost for vhost in self._daemon.vhosts if vhost.driver.state is State.MASTER)
        self._ntp.set_master([name for vhost in masters for name in _plain(vhost)])

    def _reload(self) -> None:
        if self._reloader.reload():
            self._daemon.look_again()

    def _dump(self) -> None:
        try:
            for path in self._daemon.dump():
                _log.info("flight record written: %s", path)
        except OSError as error:
            _log.error("flight record not written: %s", error)

    def _maintenance(self, params: dict[str, Any]) -> dict[str, Any]:
        wanted = params.get("on")
        if not isinstance(wanted, bool):
            raise ControlError("maintenance takes on: true or false")
        for vhost in self._daemon.vhosts:
            vhost.driver.post(DemotionSet(MAINTENANCE_CAUSE, FULL_DEMOTION if wanted else 0))
            if wanted:
                vhost.driver.post(StepDownRequested("maintenance"))
        return {"maintenance": wanted}

    async def _resign(self, params: dict[str, Any]) -> dict[str, Any]:
        seconds = params.get("seconds", 30.0)
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= 86400:
            raise ControlError("resign takes seconds: a number from 0 to 86400")
        began = time.monotonic()
        masters = [vhost for vhost in self._daemon.vhosts if vhost.driver.state is State.MASTER]
        for vhost in self._daemon.vhosts:
            vhost.driver.post(ResignRequested(float(seconds)))
        while any(vhost.driver.state is State.MASTER for vhost in masters) and time.monotonic() - began < _HANDOVER_WAIT:
            await asyncio.sleep(_GLANCE)
        return {"seconds": seconds, "after_s": round(time.monotonic() - began, 3), "vhosts": self._outcomes(masters)}

    def _outcomes(self, masters: list[VirtualHost]) -> list[dict[str, Any]]:
        """What became of each virtual host that was master here."""
        reports = [vhost.report() for vhost in masters]
        return [
            {
                "vhid": report.status.config.vhid,
                "state": report.status.state.value,
                "successor": report.status.master.address if report.status.master else None,
                "reason": report.status.reason,
            }
            for report in reports
        ]

    def _routes(self):
        from sidecar.ops.http import Response
        import json
        return {"/status": lambda: Response(200, "application/json", json.dumps(self.status()).encode()),
          "/role": lambda: Response.text(200, view.role_of(self.reports()[0]).value)}


def _plain(vhost: VirtualHost) -> list[str]:
    return [str(address) for address in vhost.config.addresses]
