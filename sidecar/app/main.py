"""``carp-sidecar run``: validated settings in, an exit code out. The order is the promise.

Only when the elections run is anything else imported or started. Whatever step fails, what was made before is unmade,
and no address was owned.
"""

import asyncio
import logging
import os
from typing import Final

import uvloop

from sidecar.app.daemon import Annex, Daemon
from sidecar.app.inpod import tells_kubernetes
from sidecar.app.privileges import IPC_LOCK, NEEDED, NET_BIND_SERVICE, lay_down
from sidecar.app.realtime import ask_for_realtime, freeze_imports, locks_without_capability
from sidecar.app.signals import hold_signals
from sidecar.errors import ExhaustedError
from sidecar.ops import logs
from sidecar.runtime.aside import Aside
from sidecar.settings.values import RunSettings

_log: Final = logging.getLogger("sidecar")
_PRIVILEGED_PORTS: Final = 1024


def run(settings: RunSettings) -> int:
    """Run until told to stop; 0 after an orderly end. ``SidecarError`` when it cannot start."""
    hold_signals()
    freeze_imports()
    lacking = [*ask_for_realtime(), *lay_down(_still_needed(settings))]
    outlet = logs.set_up(settings.log, settings.log_level)
    try:
        tells = tells_kubernetes(settings.kubernetes, os.environ)
        for warning in settings.warnings:
            _log.warning("%s", warning)
        for lack in lacking:
            _log.info("%s", lack)
        return _run(settings, tells_kubernetes=tells)
    finally:
        outlet.close()


def _still_needed(settings: RunSettings) -> set[int]:
    """The capabilities that are used after the start: a busy port is bound later, a limited lock asked for again."""
    needed = set(NEEDED)
    if 0 < settings.http[1] < _PRIVILEGED_PORTS:
        needed.add(NET_BIND_SERVICE)
    if not locks_without_capability():
        needed.add(IPC_LOCK)
    return needed


def _run(settings: RunSettings, *, tells_kubernetes: bool) -> int:
    daemon = Daemon(settings)
    daemon.tells_kubernetes = tells_kubernetes
    daemon.build()
    if not daemon.claim():
        return 0
    daemon.prepare()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(daemon.run(_surface))
        except BaseException:
            daemon.withdraw()
            raise
    return 0


async def _surface(daemon: Daemon) -> Annex:
    """Everything slow or optional; imported now that the elections run, which have their turn all the while."""
    try:
        await Aside("import")(_import_surface)
    except ExhaustedError as error:
        _log.warning("%s; the elections wait meanwhile", error)
    from sidecar.app.surface import Surface

    return Surface(daemon)


def _import_surface() -> None:
    import sidecar.app.surface  # noqa: F401
