"""etcd and kube-apiserver alone, on this machine's loopback and without root: enough for whoever only talks to the API.

There are no controllers and no kubelets: a test makes pods, nodes and the status of a DaemonSet by itself.
"""

import contextlib
import json
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.cluster.layout import program

Object = dict[str, Any]
ADMIN = "admin-token-of-a-test"
READY_SECONDS = 120.0


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class RefusedError(Exception):
    """The API said no."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(f"{status}: {message}")


@dataclass
class Plane:
    """Start, ask, stop. Everything is in ``folder``."""

    folder: Path
    ports: list[int] = field(default_factory=lambda: free_ports(3))
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.ports[2]}"

    @property
    def authority(self) -> Path:
        return self.folder / "certs" / "apiserver.crt"

    def prepare(self) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / "tokens.csv").write_text(f'{ADMIN},admin,admin,"system:masters"\n')
        key = ["openssl", "genrsa", "-out", str(self.folder / "sa.key"), "2048"]
        subprocess.run(key, check=True, capture_output=True)

    def start(self) -> None:
        """Both, and wait until the API is ready."""
        client, peer, secure = self.ports
        etcd = f"http://127.0.0.1:{client}"
        self._spawn(
            "etcd",
            data_dir=self.folder / "etcd",
            unsafe_no_fsync="true",
            listen_client_urls=etcd,
            advertise_client_urls=etcd,
            listen_peer_urls=f"http://127.0.0.1:{peer}",
        )
        self._spawn(
            "kube-apiserver",
            etcd_servers=etcd,
            bind_address="127.0.0.1",
            advertise_address="127.0.0.1",
            endpoint_reconciler_type="none",
            secure_port=secure,
            cert_dir=self.folder / "certs",
            token_auth_file=self.folder / "tokens.csv",
            service_cluster_ip_range="10.96.0.0/16",
            authorization_mode="Node,RBAC",
            enable_admission_plugins="NodeRestriction",
            disable_admission_plugins="ServiceAccount",
            service_account_issuer="https://kubernetes.default.svc",
            service_account_key_file=self.folder / "sa.key",
            service_account_signing_key_file=self.folder / "sa.key",
            profiling="false",
        )
        self.wait()

    def _spawn(self, name: str, **flags: object) -> None:
        words = [f"--{flag.replace('_', '-')}={value}" for flag, value in flags.items()]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes.append(subprocess.Popen([program(name), *words], stdout=log, stderr=log))

    def wait(self) -> None:
        until = time.monotonic() + READY_SECONDS
        while True:
            with contextlib.suppress(OSError, RefusedError):
                if self.raw("GET", "/readyz") == b"ok":
                    return
            dead = [one.args for one in self.processes if one.poll() is not None]
            assert not dead, f"{dead}: see {self.folder}"
            assert time.monotonic() < until, f"not ready: see {self.folder}"
            time.sleep(0.2)

    def stop(self, number: int = signal.SIGTERM) -> None:
        for process in reversed(self.processes):
            process.send_signal(number)
        for process in reversed(self.processes):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()

    def raw(
        self, method: str, path: str, body: object = None, kind: str = "application/json", token: str = ADMIN
    ) -> bytes:
        context = ssl.create_default_context(cafile=str(self.authority))
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
        request = urllib.request.Request(f"{self.url}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10, context=context) as answer:
                found: bytes = answer.read()
                return found
        except urllib.error.HTTPError as error:
            raise RefusedError(error.code, error.read().decode()) from error

    def ask(self, method: str, path: str, body: object = None, kind: str = "application/json", **more: str) -> Object:
        found: Object = json.loads(self.raw(method, path, body, kind, **more))
        return found

    def merge(self, path: str, patch: Mapping[str, object]) -> Object:
        return self.ask("PATCH", path, patch, "application/merge-patch+json")


@contextmanager
def running(folder: Path) -> Iterator[Plane]:
    """A ready API; its files are removed afterwards unless the test failed."""
    plane = Plane(folder)
    plane.prepare()
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()
    shutil.rmtree(folder / "etcd", ignore_errors=True)
