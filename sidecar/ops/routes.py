"""What is answered under which path, and by which words of the control socket: one node, one status, everywhere."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sidecar.errors import ControlError
from sidecar.ops import page
from sidecar.ops.control import Handler
from sidecar.ops.http import HTML, JSON, Response, Route
from sidecar.ops.metrics import CONTENT_TYPE, Metrics, Sources
from sidecar.ops.view import Health, StatusView, liveness, readiness, role_of, status_view
from sidecar.report import VhostReport

_LONGEST_REST = 86400.0


@dataclass(frozen=True, slots=True)
class Node:
    """What can be asked of the daemon. ``deadlines`` stand beside ``reports``; ``clock`` is the elections' own."""

    version: str
    name: str
    readiness: str
    reports: Callable[[], Sequence[VhostReport]]
    deadlines: Callable[[], Sequence[float | None]]
    clock: Callable[[], float]
    ntp: Callable[[], Mapping[str, object] | None] = lambda: None
    kubernetes: Callable[[], Mapping[str, object]] = dict
    config_load_error: Callable[[], bool] = lambda: False
    settled: Callable[[], bool] = lambda: True

    def status(self) -> StatusView:
        """``/status`` of now."""
        return status_view(self.version, self.name, self.reports(), self.ntp(), self.kubernetes())


def build(node: Node) -> dict[str, Route]:
    """The routes, by their paths."""
    return {
        "/": lambda: _page(node),
        "/livez": lambda: _health(liveness(node.reports(), node.deadlines(), node.clock())),
        "/readyz": lambda: _health(readiness(node.readiness, node.reports(), settled=node.settled())),
        "/role": lambda: _role(node.reports()),
        "/status": lambda: Response(200, JSON, json.dumps(node.status()).encode() + b"\n"),
        "/metrics": _metrics(node),
    }


def _page(node: Node) -> Response:
    body = page.render(node.status(), time.time())
    return Response(200, HTML, body, (("Content-Security-Policy", page.POLICY), ("Referrer-Policy", "no-referrer")))


def _health(health: Health) -> Response:
    return Response.text(200 if health.ok else 503, f"{'ok' if health.ok else 'not ok'}: {health.text}\n")


def _role(reports: Sequence[VhostReport]) -> Response:
    """The first virtual host's, as the pod label; no line end, so that it can be compared as it is."""
    return Response.text(200, role_of(reports[0])) if reports else Response.text(503, "init")


def _metrics(node: Node) -> Route:
    metrics = Metrics(Sources(node.version, node.reports, node.ntp, node.config_load_error, node.kubernetes))
    return lambda: Response(200, CONTENT_TYPE, metrics.render())


def handlers(node: Node, resign: Callable[[float], Any], maintenance: Callable[[bool], Any]) -> dict[str, Handler]:
    """The control socket's commands, parameters checked. ``resign`` and ``maintenance`` may give an awaitable."""
    return {
        "status": lambda params: _status(node, params),
        "resign": lambda params: resign(_seconds(params)),
        "maintenance": lambda params: maintenance(_switch(params)),
    }


def _status(node: Node, params: dict[str, Any]) -> dict[str, Any]:
    _nothing(params)
    return dict(node.status())


def _nothing(params: dict[str, Any]) -> None:
    if params:
        raise ControlError(f"unknown parameter {', '.join(map(repr, params))}")


def _seconds(params: dict[str, Any]) -> float:
    seconds = params.pop("seconds", 30.0)
    _nothing(params)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= _LONGEST_REST:
        raise ControlError(f"seconds={seconds!r}: a number from 0 to {_LONGEST_REST:g}")
    return float(seconds)


def _switch(params: dict[str, Any]) -> bool:
    on = params.pop("on", None)
    _nothing(params)
    if not isinstance(on, bool):
        raise ControlError(f"on={on!r}: true or false")
    return on
