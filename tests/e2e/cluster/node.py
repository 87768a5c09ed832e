"""A machine of the cluster: namespaces of its own held by a process 1, its own containerd and kubelet.

Its disk outlives it: power_off and boot are what pulling the plug and pressing the button are to a real one.
"""

import json
import shlex
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.e2e.cluster import groups, network
from tests.e2e.cluster.layout import API_PORT, API_SERVICE, SWITCH_ADDRESS, ClusterError, Layout, node_address, program
from tests.e2e.cluster.shell import child_of, environment, in_network, kill, run, running, start, wait_for

INIT = Path(__file__).with_name("node_init.sh")
UNSHARE = ["unshare", "--mount", "--uts", "--ipc", "--cgroup", "--pid", "--fork", "--kill-child", "--mount-proc"]
ENTER = ["-m", "-u", "-i", "-n", "-p", "-C"]
JOIN = (
    'IFS=: read -ra groups <<<"$1"; for g in "${groups[@]}"; do echo $$ >"$g/cgroup.procs" || exit 126; done; shift; '
)
SERVICES = ("containerd", "kubelet", "kube-proxy")
BOOT_SECONDS = 60.0


class Node:
    """Node `number` (from 1) of a cluster; `name` is its name in Kubernetes too, `address` that of its eth0."""

    def __init__(self, layout: Layout, number: int) -> None:
        self.layout = layout
        self.number = number
        self.name = f"node{number}"
        self.address = node_address(number)
        self.namespace = layout.node(number)
        self.folder = layout.folder / self.name
        self.port = f"p{number}"
        self._pidfile = layout.pids / self.name

    @property
    def init(self) -> int:
        """Process 1 of the node as seen from here. Raises `ClusterError` when the node is off."""
        parent = running(self._pidfile)
        pid = child_of(parent) if parent else None
        if pid is None:
            raise ClusterError(f"{self.name} is off")
        return pid

    @property
    def is_on(self) -> bool:
        return running(self._pidfile) is not None

    @property
    def groups(self) -> dict[str, Path]:
        return groups.make(self.layout.prefix, self.name)

    # ------------------------------------------------------------------------------------------------ power

    def boot(self, *, kubelet: bool = True) -> None:
        """Start the machine, its containerd and, unless told otherwise, its kubelet."""
        if self.is_on:
            raise ClusterError(f"{self.name} is on already")
        for group in self.groups.values():
            groups.remove_below(group)
        network.remove_machine(self.layout, self.namespace, self.port)
        network.add_machine(self.layout, self.namespace, self.port, self.address)
        start(
            [*in_network(self.namespace), *UNSHARE, "--propagation", "private", "bash", str(INIT)],
            log=self.layout.logs / f"{self.name}.log",
            pidfile=self._pidfile,
            groups=self.groups.values(),
            env=self._environment(),
        )
        wait_for(f"{self.name} to boot (see {self.layout.logs}/{self.name}.log)", self._booted, BOOT_SECONDS, 0.02)
        self.start("containerd")
        if kubelet:
            self.start("kubelet")

    def _environment(self) -> dict[str, str]:
        return {
            "NODE": self.name,
            "NUMBER": str(self.number),
            "FOLDER": str(self.folder),
            "API_SERVICE": API_SERVICE,
            "API": f"{SWITCH_ADDRESS}:{API_PORT}",
            "CONTROLLERS": " ".join(self.groups),
        }

    def _booted(self) -> bool:
        if not self.is_on:
            raise ClusterError(
                f"{self.name} did not boot: {(self.layout.logs / f'{self.name}.log').read_text()[-1000:]}"
            )
        pid = child_of(running(self._pidfile) or 0)
        return pid is not None and Path(f"/proc/{pid}/root/run/node/booted").exists()

    def power_off(self) -> None:
        """Pull the plug: not one instruction and not one frame more, and the network state is gone."""
        kill(self.init, signal.SIGKILL)
        network.remove_machine(self.layout, self.namespace, self.port)
        self.thaw()  # it may have been frozen: the kill waits for this
        own = list(self.groups.values())
        wait_for(f"{self.name}'s processes to be gone", lambda: not any(map(groups.members, own)), BOOT_SECONDS, 0.02)
        for group in own:
            groups.remove_below(group)

    def freeze(self) -> None:
        """Stop every process at once, as a stalled hypervisor does; the kernel still answers ARP and ping."""
        self._freezer("FROZEN")

    def thaw(self) -> None:
        self._freezer("THAWED")

    def _freezer(self, state: str) -> None:
        (self.groups["freezer"] / "freezer.state").write_text(state)

    def link(self, *, up: bool) -> None:
        """Plug the cable in or pull it out, at the switch."""
        network.set_link(self.layout, self.port, up=up)

    # ------------------------------------------------------------------------------------------------ processes

    def command(self, argv: Sequence[str]) -> list[str]:
        """The command here that runs `argv` on the node, in its namespaces and its control groups."""
        own = self.groups
        if (own["freezer"] / "freezer.state").read_text().strip() != "THAWED":
            raise ClusterError(f"{self.name} is frozen: it would freeze the command too")
        joined = ":".join(map(str, own.values()))
        enter = ["nsenter", "-t", str(self.init), *ENTER, "--", *argv]
        return ["bash", "-c", f'{JOIN}cd / && exec "$@"', "enter", joined, *enter]

    def exec(
        self, *argv: str, timeout: float = 60.0, check: bool = True, stdin: str = ""
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command on the node to its end. Raises `ClusterError` when it fails (unless `check` is False)."""
        return run(self.command(argv), timeout=timeout, check=check, stdin=stdin)

    def popen(self, *argv: str) -> "subprocess.Popen[str]":
        """Start a command on the node with a pipe from its output."""
        return subprocess.Popen(self.command(argv), stdout=subprocess.PIPE, text=True, env=environment())

    def start(self, service: str) -> None:
        """Start `containerd`, `kubelet` or `kube-proxy` on the node (a boot starts the first two)."""
        inner = f"/run/{service}.pid"
        script = f"echo $$ >{inner}; ulimit -n $(ulimit -Hn); exec {shlex.join(self._service(service))}"
        start(
            self.command(["bash", "-c", script]),
            log=self.layout.logs / f"{self.name}-{service}.log",
            pidfile=self._service_pidfile(service),
        )
        if service == "containerd":
            socket = Path(f"/proc/{self.init}/root/run/containerd/containerd.sock")
            wait_for(f"containerd of {self.name}", socket.exists, BOOT_SECONDS, 0.02)

    def send(self, service: str, number: int) -> None:
        """A signal to a service of this node."""
        self.exec("bash", "-c", f"kill -{int(number)} $(cat /run/{service}.pid)")

    def restart(self, service: str, number: int = signal.SIGTERM) -> None:
        """End a service by a signal and start it again; containers run on."""
        self.send(service, number)
        pidfile = self._service_pidfile(service)
        wait_for(f"{service} of {self.name} to end", lambda: not running(pidfile), BOOT_SECONDS)
        self.start(service)

    def _service_pidfile(self, service: str) -> Path:
        return self.layout.pids / f"{self.name}-{service}"

    def _service(self, service: str) -> list[str]:
        if service == "containerd":
            return ["containerd", "--config", "/run/node/containerd.toml"]
        if service == "kube-proxy":
            return [program("kube-proxy"), f"--config={self._write('kube-proxy', self._proxy())}"]
        if service != "kubelet":
            raise ClusterError(f"no service {service!r} on a node: {', '.join(SERVICES)}")
        config, kubeconfig = self._write("kubelet", self._kubelet()), self.layout.pki / f"{self.name}.kubeconfig"
        options = {"config": config, "kubeconfig": kubeconfig, "hostname-override": self.name, "node-ip": self.address}
        return [program("kubelet"), *(f"--{name}={value}" for name, value in options.items())]

    def _write(self, service: str, config: dict[str, object]) -> Path:
        path = self.folder / f"{service}.json"
        path.write_text(json.dumps(config, indent=1))
        return path

    def _proxy(self) -> dict[str, object]:
        return {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "hostnameOverride": self.name,
            "clientConnection": {"kubeconfig": f"{self.layout.pki}/kube-proxy.kubeconfig"},
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
            "detectLocalMode": "BridgeInterface",
            "detectLocal": {"bridgeInterface": "cni0"},
        }

    def _kubelet(self) -> dict[str, object]:
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "failCgroupV1": False,
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": "/",
            "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
            "address": self.address,
            "failSwapOn": False,
            "oomScoreAdj": 0,  # and maxOpenFiles: what needs no CAP_SYS_RESOURCE
            "maxOpenFiles": 20000,
            "protectKernelDefaults": True,
            "makeIPTablesUtilChains": False,
            "enforceNodeAllocatable": [],
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "maxPods": 20,
            "nodeStatusUpdateFrequency": "2s",
            "nodeLeaseDurationSeconds": 8,
            "readOnlyPort": 0,
            "volumePluginDir": "/var/lib/kubelet/volume-plugins",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(self.layout.pki / "ca.crt")},
            },
            "authorization": {"mode": "Webhook"},
        }
