"""What the API tells whoever watches, with the moment it came here: for how soon and in which order things are seen."""

import json
import subprocess
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from tests.e2e.cluster import Cluster
from tests.e2e.cluster.layout import program
from tests.e2e.cluster.network import on_switch
from tests.e2e.cluster.shell import environment, wait_for

Event = tuple[float, dict[str, Any]]
FIRST_SECONDS = 30.0


class Watching:
    """`kubectl get WORDS --watch` for as long as the `with`. `events`: Unix seconds, and the object."""

    def __init__(self, cluster: Cluster, *words: str) -> None:
        kubectl = [program("kubectl"), f"--kubeconfig={cluster.layout.inner_kubeconfig}", "get", *words]
        self._command = [*on_switch(cluster.layout), *kubectl, "--watch", "--output=json"]
        self.events: list[Event] = []

    def _read(self) -> None:
        assert self._process.stdout is not None
        lines: list[str] = []
        for line in self._process.stdout:
            lines.append(line)
            if line == "}\n":  # the only one that is not indented
                self.events.append((time.time(), json.loads("".join(lines))))
                lines.clear()

    def first(self, what: str, wanted: Callable[[dict[str, Any]], bool], since: float, seconds: float = 30.0) -> float:
        """When it was first seen to be so, after `since`. Raises `ClusterError` naming `what` after `seconds`."""
        found: list[float] = []

        def look() -> bool:
            found[:] = [at for at, one in list(self.events) if at >= since and wanted(one)]
            return bool(found)

        wait_for(what, look, seconds, 0.02)
        return found[0]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True, env=environment())
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        wait_for("the first object of a watch", lambda: self.events, FIRST_SECONDS, 0.02)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._reader.join(20)
        if self._process.stdout is not None:
            self._process.stdout.close()
