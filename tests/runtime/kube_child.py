"""A real notice board process, and a test in its parent's place."""

import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from sidecar.kube.wire import Hints, Line, Notice, Say, VhostNotice, decode, encode
from tests.runtime.kube_server import Cluster

POD, NODE, DAEMONSET = "carp-abcde", "node1", "carp"
LABELS = {
    "app.kubernetes.io/instance": "ntp",
    "app.kubernetes.io/name": "carp-sidecar",
    "controller-revision-hash": "abc",
    "pod-template-generation": "1",
}


def cluster() -> Cluster:
    """One pod on one node, its DaemonSet complete and settled long ago."""
    found = Cluster()
    add_pod(found, POD, NODE, annotations={"carp-sidecar.io/settled": "abc.1"})
    add_node(found, NODE)
    found.put(
        "daemonsets",
        {
            "metadata": {
                "name": DAEMONSET,
                "generation": 1,
                "annotations": {
                    "carp-sidecar.io/release": "1",
                    "deprecated.daemonset.template.generation": "1",
                },
            },
            "status": {
                "observedGeneration": 1,
                "desiredNumberScheduled": 3,
                "updatedNumberScheduled": 3,
                "numberAvailable": 3,
            },
        },
    )
    return found


def add_pod(
    found: Cluster,
    name: str,
    node: str,
    annotations: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
) -> None:
    meta = {
        "name": name,
        "uid": f"uid-{name}",
        "labels": {**LABELS, **(labels or {})},
        "annotations": annotations or {},
        "ownerReferences": [{"kind": "DaemonSet", "name": DAEMONSET}],
    }
    found.put("pods", {"metadata": meta, "spec": {"nodeName": node}})


def add_node(
    found: Cluster, name: str, labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None
) -> None:
    meta = {"name": name, "uid": f"uid-{name}", "labels": labels or {}, "annotations": annotations or {}}
    found.put("nodes", {"metadata": meta, "spec": {}})


def vhost(role: str = "backup", vhid: int = 10, **changes: object) -> VhostNotice:
    values: dict[str, object] = {
        "vhid": vhid,
        "role": role,
        "addresses": ("10.0.0.9",),
        "since": "2026-01-01T00:00:00.000Z",
        "reason": "started",
        "advskew": 20,
        "demotion": 0,
        "interval_s": 0.1,
        "alone": role == "master",
        **changes,
    }
    return VhostNotice(**values)  # type: ignore[arg-type]


@dataclass
class Child:
    """The process and our end of its socket."""

    process: subprocess.Popen[bytes]
    channel: socket.socket
    number: int = 0
    hints: Hints = field(default_factory=Hints)
    said: list[str] = field(default_factory=list)
    told: bytes = b""
    told_at: float = 0.0

    def tell(self, *vhosts: VhostNotice, **changes: object) -> Notice:
        self.number += 1
        notice = Notice(self.number, vhosts, healthy=True, **changes)  # type: ignore[arg-type]
        self.told = encode(notice)
        self.tell_again()
        return notice

    def tell_again(self) -> None:
        """What a living parent does every second."""
        self.told_at = time.monotonic()
        self.channel.send(self.told)

    def hear(self) -> None:
        """Everything that waits."""
        while select.select([self.channel], [], [], 0)[0]:
            packet = self.channel.recv(70000)
            if not packet:
                return
            line: Line = decode(packet)
            if isinstance(line, Hints):
                self.hints = line
            elif isinstance(line, Say):
                self.said.append(line.text)

    def until(self, condition: Callable[[], bool], what: str, seconds: float = 20.0) -> float:
        """Wait for it as a living parent does; how long it took."""
        began = time.monotonic()
        while True:
            if self.told and time.monotonic() - self.told_at > 0.5:
                with suppress(OSError):  # it has ended, or is frozen and reads nothing
                    self.tell_again()
            self.hear()
            if condition():
                return time.monotonic() - began
            assert time.monotonic() - began < seconds, f"{what}: not within {seconds} s; {self.hints}; {self.said}"
            assert self.process.poll() is None, f"{what}: the child ended with {self.process.returncode}"
            time.sleep(0.01)

    @property
    def rss_mib(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


def credentials(folder: Path, token: str = "good") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "token").write_text(token)
    return folder


@contextmanager
def running(
    url: str, folder: Path, namespace: str = "time", pod: str = POD, uid: str = f"uid-{POD}", words: Sequence[str] = ()
) -> Iterator[Child]:
    """A notice board that talks to this server. A folder without a token gets the good one. ``words``: arguments."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environ = {"POD_NAME": pod, "POD_NAMESPACE": namespace, "POD_UID": uid, "PYTHONPATH": str(Path.cwd())}
    if not (folder / "token").exists():
        credentials(folder)
    command = [sys.executable, "-m", "sidecar.kube", str(theirs.fileno()), "--server", url]
    process = subprocess.Popen(
        [*command, "--credentials", str(folder), "--parent", str(os.getpid()), *words],
        pass_fds=[theirs.fileno()],
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
    )
    theirs.close()
    with ours:
        try:
            yield Child(process, ours)
        finally:
            process.kill()
            process.wait()
