"""A whole Kubernetes on this machine: three nodes, a control plane, a switch between them and a client outside.

    with Cluster() as cluster:                                    # about 15 s, and 3 s to remove
        cluster.helm("install", "carp", "charts/carp-sidecar", "--wait")
        cluster.kubectl("get", "pods", "-o", "wide").stdout
        cluster.node("node2").power_off()                         # boot(), freeze(), thaw(), link(up=False)
        with cluster.split("node1"): ...                          # it and the others do not hear each other
        cluster.api.stop(); cluster.api.start()                   # etcd, API server, controllers and scheduler
        with cluster.client.ask("10.77.0.200") as asking: ...     # NTP from outside; asking.longest_silence(...)

Whatever a killed run of the same name has left is removed at the next start.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.e2e.cluster import groups, images, network, pki, preflight, records
from tests.e2e.cluster.client import Client
from tests.e2e.cluster.clock import Clock
from tests.e2e.cluster.control import Control
from tests.e2e.cluster.layout import ClusterError, Layout, default_folder, program
from tests.e2e.cluster.node import Node
from tests.e2e.cluster.register import Register
from tests.e2e.cluster.shell import run, running, stop, wait_for

READY_SECONDS = 120.0
AWAY = {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}
HELM = {3: "helm", 4: "helm4"}


class Cluster:
    """`folder`: its files, removed with it (default: in the user's cache). `images`: archives its nodes start with.

    `name` tells clusters apart that are up at the same time. `grace_seconds`: how long a silent node stays Ready.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        name: str = "test",
        nodes: int = 3,
        images: Sequence[Path] = (),
        grace_seconds: int = 12,
    ) -> None:
        self.layout = Layout(name, (folder or Register(name).folder() or default_folder(name)).absolute())
        self.nodes = {node.name: node for node in (Node(self.layout, number) for number in range(1, nodes + 1))}
        self.api = Control(self.layout, grace_seconds)
        self.client = Client(self.layout)
        self.clock = Clock(self.layout)
        self._archives = list(images)
        self._register = Register(name)

    @property
    def folder(self) -> Path:
        return self.layout.folder

    @property
    def kubeconfig(self) -> Path:
        """For programs of this machine: reaches the API server by the loopback."""
        return self.layout.kubeconfig

    def node(self, name: str) -> Node:
        if name not in self.nodes:
            raise ClusterError(f"no node {name!r}: there are {', '.join(self.nodes)}")
        return self.nodes[name]

    # ------------------------------------------------------------------------------------------------ life

    def up(self) -> None:
        """From nothing to three Ready nodes. Raises `ClusterError`, with the logs left in the folder."""
        preflight.check()
        seeded = images.seed(self._archives)
        with self._register.locked():
            self._register.check_free()
            self._remove()
            self._register.write(self.layout)
            for folder in (self.layout.logs, self.layout.pids, self.layout.records):
                folder.mkdir(parents=True)
            pki.make(self.layout, list(self.nodes))
            network.add_switch(self.layout, len(self.nodes))
        self.client.plug_in()
        self.clock.plug_in()
        with ThreadPoolExecutor(len(self.nodes) + 1) as pool:
            started = [pool.submit(self.api.start)]
            started += [pool.submit(self._first_boot, node, seeded) for node in self.nodes.values()]
            for each in started:
                each.result()
        self.api.forward()
        records.begin(self.layout)
        for node in self.nodes.values():
            node.start("kubelet")
        self.wait_until_ready()

    def _first_boot(self, node: Node, seeded: Path) -> None:
        (node.folder / "lib").mkdir(parents=True)
        images.plant(seeded, node.folder / "lib" / "containerd")
        node.boot(kubelet=False)

    def wait_until_ready(self, seconds: float = READY_SECONDS) -> None:
        """Every node Ready, and pods can be made: the default ServiceAccount comes seconds after the API."""
        wait_for("all nodes to be Ready", lambda: self.ready_nodes() == sorted(self.nodes), seconds, 0.3)
        wait_for("the default ServiceAccount", self._has_account, seconds, 0.3)

    def _has_account(self) -> bool:
        return self.kubectl("get", "serviceaccount", "default", check=False).returncode == 0

    def ready_nodes(self) -> list[str]:
        """The nodes that the API calls Ready and lets pods go to: the taint goes a moment after the condition comes."""
        got = self.kubectl("get", "nodes", "-o", "json", check=False)
        items = json.loads(got.stdout)["items"] if got.returncode == 0 else []
        return sorted(item["metadata"]["name"] for item in items if _is_ready(item))

    def down(self) -> None:
        """End everything and remove every trace, whoever made it. May be repeated."""
        with self._register.locked():
            self._register.check_free()
            self._remove()
            self._register.forget()

    def leave_standing(self) -> None:
        """Let the cluster outlive this process; `down` of the same name removes it."""
        self._register.leave_standing()

    def _remove(self) -> None:
        places = {self.folder, self._register.folder() or self.folder}
        for place in places:
            if self._register.is_of_this_boot():  # else the numbers in its files mean other processes
                stop(sorted(path for path in (place / "pids").glob("*") if running(path) and "node" not in path.name))
        groups.remove(self.layout.prefix)
        network.remove_all(self.layout)
        for place in places:
            if (place / "pids").is_dir():  # it was a cluster's
                shutil.rmtree(place)

    def __enter__(self) -> Self:
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.down()

    @contextmanager
    def split(self, name: str) -> Iterator[None]:
        """The node `name` and all others cannot hear each other; API server, client and clock hear all of them."""
        near = [self.node(name).port]
        far = [node.port for node in self.nodes.values() if node.name != name]
        network.split(self.layout, near, far)
        try:
            yield
        finally:
            network.join(self.layout, near, far)

    # ------------------------------------------------------------------------------------------------ use

    def kubectl(
        self, *words: str, check: bool = True, timeout: float = 120.0, stdin: str = ""
    ) -> "subprocess.CompletedProcess[str]":
        """kubectl as cluster administrator. Raises `ClusterError` with what it said if it fails and `check` is set."""
        command = [program("kubectl"), f"--kubeconfig={self.layout.inner_kubeconfig}", *words]
        return run([*network.on_switch(self.layout), *command], check=check, timeout=timeout, stdin=stdin)

    def get(self, *words: str) -> Any:
        """`kubectl get ... -o json`, as Python values."""
        return json.loads(self.kubectl("get", *words, "-o", "json").stdout)

    def helm(
        self, *words: str, version: int = 3, check: bool = True, timeout: float = 600.0
    ) -> "subprocess.CompletedProcess[str]":
        """Helm 3 or 4 as cluster administrator; its own files are the cluster's."""
        own = {f"HELM_{place}_HOME": str(self.folder / "helm") for place in ("CACHE", "CONFIG", "DATA")}
        command = [program(HELM[version]), f"--kubeconfig={self.layout.inner_kubeconfig}", *words]
        return run([*network.on_switch(self.layout), *command], check=check, timeout=timeout, env=own)

    def load_image(self, archive: Path) -> None:
        """Put an image (docker or OCI archive) on every node that is on: about 4 s each. See also `images`."""
        if not archive.is_file():
            raise ClusterError(f"no image archive {archive}")
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            list(pool.map(lambda node: _load(node, archive), [node for node in self.nodes.values() if node.is_on]))

    def collect(self, into: Path) -> Path:
        """Copy logs, captures, events, objects and the pods' timeline to `into`."""
        return records.collect(self.layout, into)


def _is_ready(item: dict[str, Any]) -> bool:
    conditions = {each["type"]: each["status"] for each in item["status"].get("conditions", [])}
    taints = {taint["key"] for taint in item["spec"].get("taints", [])}
    return conditions.get("Ready") == "True" and not taints & AWAY


def _load(node: Node, archive: Path) -> None:
    node.exec("ctr", "-n", "k8s.io", "images", "import", str(archive), timeout=300)
