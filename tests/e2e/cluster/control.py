"""The control plane in the switch's namespace: etcd, API server, controllers and scheduler, always all together.

Together because controllers that outlive the API server for a minute stay blind for another after it is back.
"""

import signal
from pathlib import Path

from tests.e2e.cluster import pki
from tests.e2e.cluster.layout import API_PORT, API_SERVICE, SWITCH_ADDRESS, ClusterError, Layout, program
from tests.e2e.cluster.network import on_switch
from tests.e2e.cluster.shell import run, running, send, start, stop, wait_for

NAMES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
SERVICES = API_SERVICE.rpartition(".")[0].rpartition(".")[0] + ".0.0/16"
READY_SECONDS = 120.0
ETCD = "http://127.0.0.1:2379"
FORWARD = Path(__file__).with_name("forward.py")


class Control:
    """`grace_seconds`: how long a silent node stays Ready."""

    def __init__(self, layout: Layout, grace_seconds: int = 12) -> None:
        self.layout = layout
        self.grace_seconds = grace_seconds

    def start(self) -> None:
        """Start all four; returns when the API answers that it is ready."""
        for name in NAMES:
            self._start(name)
            if name == "kube-apiserver":
                wait_for(f"the API server (see {self.layout.logs}/{name}.log)", self._comes, READY_SECONDS, 0.2)

    def _comes(self) -> bool:
        """Whether the API is ready; no use waiting for it when what it is made of has ended."""
        for name in ("etcd", "kube-apiserver"):
            if not running(self._pidfile(name)):
                said = (self.layout.logs / f"{name}.log").read_text()[-1000:]
                raise ClusterError(f"{name} ended: {said}")
        return self.ready()

    def stop(self) -> None:
        """End all four; pods run on."""
        stop([self._pidfile(name) for name in reversed(NAMES)], patience=1.0)

    def hang(self) -> None:
        """Stop them in their tracks: connections stay open and nothing answers any more."""
        for name in reversed(NAMES):
            send(self._pidfile(name), signal.SIGSTOP)

    def resume(self) -> None:
        """The end of `hang`."""
        for name in NAMES:
            send(self._pidfile(name), signal.SIGCONT)

    def ready(self) -> bool:
        """Whether the API server says that it is ready."""
        kubeconfig = f"--kubeconfig={self.layout.inner_kubeconfig}"
        asked = [
            *on_switch(self.layout),
            program("kubectl"),
            kubeconfig,
            "get",
            "--raw=/readyz",
            "--request-timeout=5s",
        ]
        return run(asked, check=False, timeout=15).stdout.strip() == "ok"

    def running(self) -> dict[str, bool]:
        return {name: running(self._pidfile(name)) is not None for name in NAMES}

    def forward(self) -> None:
        """Make the API reachable from this machine's loopback, and write the kubeconfig that says where."""
        said = self.layout.folder / "forward.port"
        said.unlink(missing_ok=True)
        namespace = f"/run/netns/{self.layout.switch}"
        start(
            ["python3", str(FORWARD), namespace, SWITCH_ADDRESS, str(API_PORT), str(said)],
            log=self.layout.logs / "forward.log",
            pidfile=self._pidfile("forward"),
        )
        wait_for(f"the forwarder (see {self.layout.logs}/forward.log)", said.exists, 20)
        pki.write_kubeconfig(self.layout, "admin", f"127.0.0.1:{said.read_text()}", self.layout.kubeconfig)

    def _pidfile(self, name: str) -> Path:
        return self.layout.pids / name

    def _start(self, name: str) -> None:
        words = [f"--{key}={value}" for key, value in getattr(self, f"_{name.replace('-', '_')}")().items()]
        command = [*on_switch(self.layout), program(name), *words]
        start(command, log=self.layout.logs / f"{name}.log", pidfile=self._pidfile(name))

    def _etcd(self) -> dict[str, str]:
        return {
            "data-dir": str(self.layout.folder / "etcd"),
            "unsafe-no-fsync": "true",
            "listen-client-urls": ETCD,
            "advertise-client-urls": ETCD,
            "listen-peer-urls": "http://127.0.0.1:2380",
        }

    def _kube_apiserver(self) -> dict[str, str]:
        keys = self.layout.pki
        return {
            "advertise-address": SWITCH_ADDRESS,
            "secure-port": str(API_PORT),
            "etcd-servers": ETCD,
            "service-cluster-ip-range": SERVICES,
            "authorization-mode": "Node,RBAC",
            "enable-admission-plugins": "NodeRestriction",
            "allow-privileged": "true",
            "client-ca-file": f"{keys}/ca.crt",
            "tls-cert-file": f"{keys}/apiserver.crt",
            "tls-private-key-file": f"{keys}/apiserver.key",
            "kubelet-client-certificate": f"{keys}/apiserver-kubelet.crt",
            "kubelet-client-key": f"{keys}/apiserver-kubelet.key",
            "kubelet-preferred-address-types": "InternalIP",
            "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
            "service-account-key-file": f"{keys}/sa.pub",
            "service-account-signing-key-file": f"{keys}/sa.key",
            "cert-dir": f"{self.layout.folder}/apiserver",
            "profiling": "false",
        }

    def _kube_controller_manager(self) -> dict[str, str]:
        return {
            "kubeconfig": f"{self.layout.pki}/kube-controller-manager.kubeconfig",
            "root-ca-file": f"{self.layout.pki}/ca.crt",
            "service-account-private-key-file": f"{self.layout.pki}/sa.key",
            "use-service-account-credentials": "true",
            "leader-elect": "false",
            "allocate-node-cidrs": "false",
            "node-monitor-period": "1s",
            "node-monitor-grace-period": f"{self.grace_seconds}s",
            "cert-dir": f"{self.layout.folder}/controllers",
            "bind-address": "127.0.0.1",
        }

    def _kube_scheduler(self) -> dict[str, str]:
        return {
            "kubeconfig": f"{self.layout.pki}/kube-scheduler.kubeconfig",
            "leader-elect": "false",
            "cert-dir": f"{self.layout.folder}/scheduler",
            "bind-address": "127.0.0.1",
        }
