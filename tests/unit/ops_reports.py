"""Reports as the runtime makes them, for tests of what operators are shown. The election's clock stands at 1000 s."""

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from sidecar.carp.config import Config
from sidecar.carp.effects import Reason, State
from sidecar.carp.peers import Peer
from sidecar.carp.receive import Speaker
from sidecar.carp.status import Status
from sidecar.ops.view import StatusView, VhostView, status_view
from sidecar.report import Counters, Histogram, Transition, VhostReport

NOW = 1000.0
WALL = 1_795_000_000.0  # 2026-11-18T11:06:40Z
ADDRESSES = (ip_address("192.0.2.10"), ip_address("2001:db8::10"))


def peer(source: str = "192.0.2.2", heard: float = 0.4, **fields: Any) -> Peer:
    """A peer that was heard so many seconds ago."""
    return replace(Peer(ip_address(source).packed, Speaker.BSD, 1, 0, 0, NOW - heard, 1), **fields)


def report(state: State = State.BACKUP, reason: str = "started", **fields: Any) -> VhostReport:
    """A virtual host that has been in this state for 100 s. ``fields`` replace those of the report or its status."""
    config = fields.pop("config", Config(10, ADDRESSES, advskew=20))
    status = Status(config, state, NOW - 100, reason, config.advskew, 0, {}, False, None, None, ())
    of_status = {name: fields.pop(name) for name in list(fields) if name in Status.__slots__}
    held = ADDRESSES if state is State.MASTER else ()
    whole = VhostReport(
        "eth0", replace(status, **of_status), NOW, WALL, held, Counters(), (), {}, Histogram.of(0.001, 0.1)
    )
    return replace(whole, **fields)


def transition(ago: float, old: State, new: State, reason: Reason, detail: str = "") -> Transition:
    """One that happened so many seconds ago."""
    return Transition(WALL - ago, old, new, reason, detail)


def status_of(*reports: VhostReport, ntp: dict[str, object] | None = None) -> StatusView:
    """``/status`` of a node with these virtual hosts."""
    return status_view("1.2.3", "node-a", reports, ntp, {"enabled": False})


def vhost_of(*args: Any, **fields: Any) -> VhostView:
    """The view of one virtual host."""
    return status_of(report(*args, **fields))["vhosts"][0]
