"""A real API server with its etcd on the loopback, and nothing else: no controllers, no kubelets."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

BIN = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "carp-sidecar" / "bin"
START_SECONDS = 90.0


@dataclass(frozen=True)
class Server:
    """Where it is, and the token of its administrator."""

    url: str
    token: str
    home: Path

    def kubectl(self, *arguments: str, token: str = "", stdin: str = "") -> subprocess.CompletedProcess[str]:
        """As the administrator, or with another token."""
        command = [str(BIN / "kubectl"), f"--server={self.url}", "--insecure-skip-tls-verify=true"]
        command += [f"--token={token or self.token}", "--kubeconfig=/dev/null", f"--cache-dir={self.home / 'cache'}"]
        return subprocess.run(
            [*command, *arguments], input=stdin, capture_output=True, text=True, check=False, timeout=120
        )

    def apply(self, manifest: str, *arguments: str) -> None:
        """Server-side, strictly: an unknown field fails. Fails the test when refused."""
        done = self.kubectl("apply", "--server-side", "--validate=strict", *arguments, "-f", "-", stdin=manifest)
        assert done.returncode == 0, done.stderr

    def get(self, *arguments: str) -> Any:
        done = self.kubectl("get", "-o", "json", *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out, subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out) as started:
        try:
            yield started
        finally:
            started.terminate()
            try:
                started.wait(10)
            except subprocess.TimeoutExpired:
                started.kill()


def etcd_command(home: Path, client: int, peer: int) -> list[str]:
    url, peers = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
    return [
        *(str(BIN / "etcd"), "--data-dir", str(home / "etcd"), "--unsafe-no-fsync", "--name", "default"),
        *("--listen-client-urls", url, "--advertise-client-urls", url, "--listen-peer-urls", peers),
        *("--initial-advertise-peer-urls", peers, "--initial-cluster", f"default={peers}"),
    ]


def apiserver_command(home: Path, port: int, etcd: int) -> list[str]:
    key = str(home / "sa.key")
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    return [
        *(str(BIN / "kube-apiserver"), "--bind-address=127.0.0.1", f"--secure-port={port}"),
        *(f"--etcd-servers=http://127.0.0.1:{etcd}", f"--cert-dir={home / 'certs'}", "--authorization-mode=RBAC"),
        *(f"--token-auth-file={home / 'tokens.csv'}", "--service-account-issuer=https://kubernetes.default.svc"),
        *(f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}"),
        *("--service-cluster-ip-range=10.96.0.0/16", "--allow-privileged=false", "--profiling=false"),
    ]


def wait_until_ready(server: Server, started: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while server.kubectl("get", "--raw", "/readyz").stdout != "ok":
        assert started.poll() is None, log.read_text()[-2000:]
        assert time.monotonic() < until, log.read_text()[-2000:]
        time.sleep(0.3)
    while server.kubectl("get", "namespace/default", "priorityclass/system-node-critical").returncode:
        assert time.monotonic() < until
        time.sleep(0.3)


@contextmanager
def api_server(home: Path) -> Iterator[Server]:
    """Started and stopped. Skips where it has not been built."""
    missing = [name for name in ("etcd", "kube-apiserver", "kubectl") if not (BIN / name).exists()]
    if missing or shutil.which("openssl") is None:
        pytest.skip(f"no {', '.join(missing) or 'openssl'} here: tools/kubernetes/build makes the first")
    etcd, peer, port = (free_port() for _ in range(3))
    server = Server(f"https://127.0.0.1:{port}", secrets.token_urlsafe(24), home)
    tokens = home / "tokens.csv"
    tokens.touch(mode=0o600)
    tokens.write_text(f"{server.token},admin,admin,system:masters\n")
    with ExitStack() as stack:
        stack.enter_context(process(etcd_command(home, etcd, peer), home / "etcd.log"))
        log = home / "apiserver.log"
        started = stack.enter_context(process(apiserver_command(home, port, etcd), log))
        wait_until_ready(server, started, log)
        yield server
