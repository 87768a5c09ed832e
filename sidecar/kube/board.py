"""Wires the notice board's threads together: one that writes, three that watch. The heavy import happens here."""

import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from sidecar.kube.api import DAEMONSET, NODE, POD, Api
from sidecar.kube.client import Client, Server
from sidecar.kube.facts import daemonset_of, node_of, pod_of
from sidecar.kube.mailbox import Mailbox
from sidecar.kube.scope import EVERYTHING, Scope
from sidecar.kube.speaker import Speaker
from sidecar.kube.teller import Identity, Teller
from sidecar.kube.watcher import Watcher
from sidecar.kube.wire import Notice
from sidecar.kube.worker import Worker

_AUTHORITY: Final = "ca.crt"
Draw = Callable[[], float]


def identity_of(environ: Mapping[str, str], credentials: Path) -> Identity:
    """Who we are, by the downward API."""
    namespace = environ.get("POD_NAMESPACE") or (credentials / "namespace").read_text().strip()
    return Identity(namespace, environ["POD_NAME"], environ.get("POD_UID", ""))


class Board:
    """``start`` once, then ``put`` notices."""

    def __init__(
        self,
        url: str,
        credentials: Path,
        identity: Identity,
        speaker: Speaker,
        draw: Draw,
        scope: Scope = EVERYTHING,
    ) -> None:
        self._mailbox = Mailbox()
        self._draw = draw
        self._speaker = speaker
        self._identity = identity
        authority = credentials / _AUTHORITY
        self._server = Server(url, credentials / "token", authority if url.startswith("https:") else None)
        self._scope = scope
        teller = Teller(self._identity, draw, silent=not self._scope.events)
        self._worker = Worker(self._api(), self._mailbox, teller, draw, speaker.hint, nodes=self._scope.nodes)

    def _api(self) -> Api:
        return Api(Client(self._server), self._identity.namespace)

    def put(self, notice: Notice) -> None:
        """The latest notice of the parent."""
        self._mailbox.put(notice)

    def beat(self) -> float:
        """When the writing thread was last well, in monotonic seconds."""
        return self._worker.beat

    def start(self) -> None:
        """Let the threads run."""
        threads = {"write": self._write, "pod": self._watch_pod, "daemonset": self._watch_daemonset}
        if self._scope.nodes:
            threads["node"] = self._watch_node
        for name, run in threads.items():
            threading.Thread(target=run, name=name, daemon=True).start()

    def _write(self) -> None:
        self._worker.run()
        time.sleep(0.05)
        os._exit(0)

    def _watch_pod(self) -> None:
        watcher = Watcher(
            self._api(), POD, lambda found: self._mailbox.put(pod_of(found)), self._mailbox, self._speaker.say
        )
        watcher.run(self._identity.pod, self._draw)

    def _watch_node(self) -> None:
        name = self._mailbox.wait_for_pod().node or os.environ.get("CARP_NODE", "")
        if name:
            watcher = Watcher(
                self._api(), NODE, lambda found: self._mailbox.put(node_of(found)), self._mailbox, self._speaker.say
            )
            watcher.run(name, self._draw)

    def _watch_daemonset(self) -> None:
        name = self._mailbox.wait_for_pod().daemonset
        if name:
            put = self._mailbox.put
            watcher = Watcher(
                self._api(), DAEMONSET, lambda found: put(daemonset_of(found)), self._mailbox, self._speaker.say
            )
            watcher.run(name, self._draw)
