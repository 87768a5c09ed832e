"""A small real HTTP server that speaks the few endpoints of the Kubernetes API that the notice board uses, and fails on
demand: the real API server comes with `make e2e`, but it cannot be told to answer 429 now or to fall silent.
"""

import copy
import json
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Object = dict[str, Any]
Fault = Callable[["Handler"], bool]
"""Does something with the request; True when it has been dealt with."""


@dataclass
class Request:
    at: float
    method: str
    path: str
    query: dict[str, str]
    body: Any

    @property
    def is_watch(self) -> bool:
        return "watch" in self.query


@dataclass
class Cluster:
    """Objects by (plural, name), and everything that was asked."""

    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    tokens: set[str] = field(default_factory=lambda: {"good"})
    lock: threading.RLock = field(default_factory=threading.RLock)
    watchers: list[tuple[str, str, "queue.Queue[tuple[str, Object] | None]"]] = field(default_factory=list)
    faults: deque[tuple[Callable[[Request], bool], Fault]] = field(default_factory=deque)
    standing: list[tuple[Callable[[Request], bool], Fault]] = field(default_factory=list)
    version: int = 100

    def put(self, plural: str, found: Object) -> Object:
        with self.lock:
            self.version += 1
            found["metadata"]["resourceVersion"] = str(self.version)
            key = (plural, found["metadata"]["name"])
            told = "MODIFIED" if key in self.objects else "ADDED"
            self.objects[key] = found
            for watched, name, events in self.watchers:
                if (watched, name) == key:
                    events.put((told, copy.deepcopy(found)))
            return found

    def get(self, plural: str, name: str) -> Object:
        with self.lock:
            return copy.deepcopy(self.objects[plural, name])

    def change(self, plural: str, name: str, patch: Object) -> None:
        """As somebody else would."""
        with self.lock:
            self.put(plural, merged(self.get(plural, name), patch))

    def label(self, plural: str, name: str, label: str) -> str | None:
        labels: dict[str, str] = self.get(plural, name)["metadata"].get("labels", {})
        return labels.get(label)

    def fail(self, fault: Fault, method: str = "", plural: str = "", times: int = 1) -> None:
        for _ in range(times):
            self.faults.append((matching(method, plural), fault))

    def fail_always(self, fault: Fault, method: str = "", plural: str = "") -> None:
        self.standing.append((matching(method, plural), fault))

    def heal(self) -> None:
        self.faults.clear()
        self.standing.clear()

    def asked(self, method: str, plural: str = "", since: float = 0.0) -> list[Request]:
        matches = matching(method, plural)
        return [one for one in self.requests if matches(one) and one.at >= since and not one.is_watch]

    def end_watches(self) -> None:
        with self.lock:
            for _, _, events in self.watchers:
                events.put(None)


def matching(method: str, plural: str) -> Callable[[Request], bool]:
    def matches(request: Request) -> bool:
        return request.method.startswith(method) and (not plural or f"/{plural}" in request.path)

    return matches


def merged(found: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(found) if isinstance(found, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cluster: Cluster

    def log_message(self, *args: object) -> None:
        """Silence."""

    def do_GET(self) -> None:
        self._serve("GET")

    def do_PATCH(self) -> None:
        self._serve("PATCH")

    def do_POST(self) -> None:
        self._serve("POST")

    def _serve(self, method: str) -> None:
        with suppress(ConnectionError):
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if length else None
            request = Request(time.monotonic(), method, parts.path, query, body)
            self.cluster.requests.append(request)
            fault = self._fault(request)
            if fault is None or not fault(self):
                self._answer(request)

    def _fault(self, request: Request) -> Fault | None:
        with self.cluster.lock:
            for index, (matches, fault) in enumerate(self.cluster.faults):
                if matches(request):
                    del self.cluster.faults[index]
                    return fault
            return next((fault for matches, fault in self.cluster.standing if matches(request)), None)

    def say(self, status: int, found: Object, **headers: str) -> None:
        body = json.dumps(found).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status: int, message: str = "", **headers: str) -> None:
        self.say(status, {"kind": "Status", "status": "Failure", "message": message, "code": status}, **headers)

    def _answer(self, request: Request) -> None:
        if self.headers.get("Authorization", "").removeprefix("Bearer ") not in self.cluster.tokens:
            self.refuse(401, "Unauthorized")
            return
        parts = request.path.strip("/").split("/")
        parts = parts[2:] if parts[0] == "api" else parts[3:]
        parts = parts[2:] if parts[0] == "namespaces" else parts
        plural, name = parts[0], parts[1] if len(parts) > 1 else ""
        if request.is_watch:
            self._watch(plural, request.query["fieldSelector"].removeprefix("metadata.name="))
        elif request.method == "POST":
            self.say(201, self.cluster.put(plural, request.body))
        elif not name:
            self.say(200, {"items": self._find(plural, request.query.get("labelSelector", ""))})
        elif (plural, name) not in self.cluster.objects:
            self.refuse(404, f'{plural} "{name}" not found')
        elif request.method == "GET":
            self.say(200, self.cluster.get(plural, name))
        else:
            self._patch(plural, name, request.body)

    def _find(self, plural: str, selector: str) -> list[Object]:
        wanted = dict(term.split("=", 1) for term in selector.split(",") if term)
        with self.cluster.lock:
            return [
                copy.deepcopy(found)
                for (kind, _), found in self.cluster.objects.items()
                if kind == plural and wanted.items() <= found["metadata"].get("labels", {}).items()
            ]

    def _patch(self, plural: str, name: str, patch: Object) -> None:
        assert self.headers["Content-Type"] == "application/merge-patch+json"
        with self.cluster.lock:
            found = self.cluster.get(plural, name)
            meta = patch.get("metadata", {})
            if meta.get("uid", found["metadata"].get("uid")) != found["metadata"].get("uid"):
                self.refuse(422, "metadata.uid: field is immutable")
                return
            if (
                meta.get("resourceVersion", found["metadata"]["resourceVersion"])
                != found["metadata"]["resourceVersion"]
            ):
                self.refuse(409, "the object has been modified")
                return
            changed = merged(found, patch)
            self.say(200, changed if changed == found else self.cluster.put(plural, changed))

    def _watch(self, plural: str, name: str) -> None:
        events: queue.Queue[tuple[str, Object] | None] = queue.Queue()
        with self.cluster.lock:
            self.cluster.watchers.append((plural, name, events))
            if (plural, name) in self.cluster.objects:
                events.put(("ADDED", self.cluster.get(plural, name)))
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while (event := events.get()) is not None:
                self.chunk(json.dumps({"type": event[0], "object": event[1]}).encode() + b"\n")
            self.chunk(b"")
        finally:
            self.cluster.watchers = [one for one in self.cluster.watchers if one[2] is not events]

    def chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


class Server(ThreadingHTTPServer):
    connections: list[Any]
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.append(request)
        super().process_request(request, client_address)

    def handle_error(self, request: object, client_address: object) -> None:
        """Broken connections are what is tested here."""


@contextmanager
def serving(cluster: Cluster, port: int = 0) -> Iterator[str]:
    """The cluster's URL. What is asked after the end is refused; watches are cut."""
    handler = type("BoundHandler", (Handler,), {"cluster": cluster})
    server = Server(("127.0.0.1", port), handler)
    server.connections = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        cluster.end_watches()
        for one in server.connections:
            with suppress(OSError):
                one.shutdown(2)
            one.close()
        thread.join()
