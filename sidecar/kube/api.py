"""The port to the Kubernetes API: the few things that we ask of it, over a transport that can be replaced.

Plain JSON objects in and out, one exception hierarchy (``KubeError``), every request bounded in time and size.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import quote, urlencode

from sidecar.kube import names
from sidecar.kube.errors import GarbledError, of_status

Object = dict[str, Any]
_MERGE: Final = "application/merge-patch+json"
_JSON: Final = "application/json"
WATCH_LEAST: Final = 240
"""Seconds that a watch is asked to last, at least; up to twice as long."""
IDLE: Final = 100.0
"""Seconds without a word after which a watch is dead: the server sends a bookmark every minute."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, the seconds that a Retry-After asks for, and the body."""

    status: int
    retry_after: float | None
    body: bytes


class Transport(Protocol):
    """HTTP with our credentials. Raises ``UnreachableError`` and nothing else of its own."""

    def request(self, method: str, target: str, body: object = None, content_type: str = _JSON) -> Answer:
        """One request, bounded in time and size."""

    def stream(self, target: str, idle: float) -> Iterator[bytes]:
        """The lines of a watch. Ends when the server ends it; an HTTP error is a ``KubeError``."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Where objects of a kind live. ``group``: the path up to the namespace."""

    group: str
    plural: str
    namespaced: bool = True


POD: Final = Kind("/api/v1", "pods")
NODE: Final = Kind("/api/v1", "nodes", namespaced=False)
DAEMONSET: Final = Kind("/apis/apps/v1", "daemonsets")
EVENT: Final = Kind("/apis/events.k8s.io/v1", "events")


class Api:
    """What the notice board does, in its own namespace. Every method raises ``KubeError``."""

    def __init__(self, transport: Transport, namespace: str) -> None:
        self._transport = transport
        self._namespace = namespace

    def get(self, kind: Kind, name: str) -> Object:
        """One object."""
        return self._ask("GET", f"{self._path(kind)}/{quote(name, safe='')}")

    def find(self, kind: Kind, selector: str) -> list[Object]:
        """Those that carry these labels."""
        found = self._ask("GET", f"{self._path(kind)}?{urlencode({'labelSelector': selector, 'limit': 100})}")
        items = found.get("items")
        return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []

    def patch(self, kind: Kind, name: str, patch: Mapping[str, object], manager: str = names.MANAGER) -> Object:
        """Merge a patch into one object; what became of it."""
        target = f"{self._path(kind)}/{quote(name, safe='')}?{urlencode({'fieldManager': manager})}"
        return self._ask("PATCH", target, patch, _MERGE)

    def create(self, kind: Kind, body: Mapping[str, object]) -> Object:
        """A new object."""
        return self._ask("POST", f"{self._path(kind)}?{urlencode({'fieldManager': names.MANAGER})}", body)

    def watch(self, kind: Kind, name: str, seconds: int) -> Iterator[tuple[str, Object]]:
        """One object as it is and each time it changes: (``ADDED``, ``MODIFIED``, ``DELETED``), object."""
        query = {
            "fieldSelector": f"metadata.name={name}",
            "watch": "1",
            "resourceVersion": "0",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(seconds),
        }
        what = f"watch {kind.plural}/{name}"
        for line in self._transport.stream(f"{self._path(kind)}?{urlencode(query)}", IDLE):
            found = _object(line, what)
            told, body = found.get("type"), found.get("object")
            if not isinstance(told, str) or not isinstance(body, dict):
                raise GarbledError(what, "no event")
            if told == "ERROR":
                code = body.get("code")
                raise of_status(code if isinstance(code, int) else 500, what, str(body.get("message", "")), None)
            if told != "BOOKMARK":
                yield told, body

    def _path(self, kind: Kind) -> str:
        place = f"/namespaces/{quote(self._namespace, safe='')}" if kind.namespaced else ""
        return f"{kind.group}{place}/{kind.plural}"

    def _ask(self, method: str, target: str, body: object = None, content_type: str = _JSON) -> Object:
        what = f"{method} {target.partition('?')[0]}"
        answer = self._transport.request(method, target, body, content_type)
        if not 200 <= answer.status < 300:
            raise of_status(answer.status, what, reason_of(answer.body), answer.retry_after)
        return _object(answer.body, what)


def _object(body: bytes, what: str) -> Object:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise GarbledError(what, "no JSON") from error
    if not isinstance(found, dict):
        raise GarbledError(what, "no object")
    return found


def reason_of(body: bytes) -> str:
    """What a Status object, or any other body, has to say."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return body[:1000].decode(errors="replace")
    return str(found.get("message", "")) if isinstance(found, dict) else ""
