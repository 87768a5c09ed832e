"""The place that the ci files and the overlays speak of, laid over the cluster: 192.0.2.0/24 on every machine's eth0.

Also the images by the names that they use there, the kinds of the Prometheus operator and of OpenShift, the nodes'
labels, and servers of time by name. Everything is taken back in the end.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.cluster import Cluster, Node
from tests.e2e.cluster.clock import chronyd
from tests.e2e.cluster.layout import ClusterError
from tests.e2e.cluster.shell import ip

CLOCK = ("192.0.2.1", "192.0.2.71", "192.0.2.72")
CLIENT = 100
VLAN = "bond0.7"
NAMES = ("ntp1.example.com", "ntp2.example.com", "ntp3.example.com")
LABELS = ("example.com/segment=a", "example.com/ntp=true")
OURS = "localhost/carp-sidecar:TEST"
CHRONY = "localhost/carp-sidecar-chrony:TEST"
IMAGES = {
    "docker.io/library/carp-sidecar:0.1.0": OURS,
    "docker.io/library/carp-sidecar-chrony:0.1.0": CHRONY,
    "registry.example/carp-sidecar:0.1.0": OURS,
    "registry.example/carp-sidecar-chrony:0.1.0": CHRONY,
    f"registry.example:5000/carp-sidecar@sha256:{1:064d}": OURS,
    "registry.example:5000/carp-sidecar-chrony:0.1.0": CHRONY,
}
KINDS = {
    "PodMonitor": ("monitoring.coreos.com", "podmonitors", "Namespaced"),
    "ServiceMonitor": ("monitoring.coreos.com", "servicemonitors", "Namespaced"),
    "PrometheusRule": ("monitoring.coreos.com", "prometheusrules", "Namespaced"),
    "SecurityContextConstraints": ("security.openshift.io", "securitycontextconstraints", "Cluster"),
}
HOST_NTP = """
server 192.0.2.1 iburst
allow all
cmdport 0
bindcmdaddress /
user root
pidfile /run/host-ntp.pid
"""


class Site:
    """`machines` are the namespaces with an address in 192.0.2.0/24 by the last part of it."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.machines = {node.namespace: 10 + node.number for node in cluster.nodes.values()}
        self.machines[cluster.layout.client] = CLIENT

    @contextmanager
    def laid_out(self, archives: Sequence[Path]) -> Iterator["Site"]:
        """For as long as the `with`."""
        for archive in archives:
            self.cluster.load_image(archive)
        try:
            self._lay_out()
            yield self
        finally:
            self._clear()

    def _lay_out(self) -> None:
        for machine, number in self.machines.items():
            ip(machine, f"address replace 192.0.2.{number}/24 dev eth0")
            ip(machine, f"address replace 2001:db8::{number}/64 dev eth0 nodad")
        ip(self.cluster.layout.clock, *(f"address replace {address}/24 dev eth0" for address in CLOCK))
        for node in self.cluster.nodes.values():
            for name, image in IMAGES.items():
                node.exec("ctr", "-n", "k8s.io", "images", "tag", "--force", image, name)
            node.exec("sh", "-c", f"echo '{CLOCK[0]} {' '.join(NAMES)}' >>/etc/hosts")
            self.cluster.kubectl("label", "node", node.name, "--overwrite", *LABELS)
        kinds = [_kind(name, *about) for name, about in KINDS.items()]
        self.cluster.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": kinds}))
        names = [f"crd/{plural}.{group}" for group, plural, _ in KINDS.values()]
        self.cluster.kubectl("wait", "--for=condition=Established", *names, "--timeout=60s")

    def _clear(self) -> None:
        """What other tests might see: addresses, labels, kinds. Machines that are off have nothing to clear."""
        names = [f"{plural}.{group}" for group, plural, _ in KINDS.values()]
        self.cluster.kubectl("delete", "crd", *names, "--ignore-not-found", check=False)
        for machine, number in self.machines.items():
            for address in (f"192.0.2.{number}/24", f"2001:db8::{number}/64"):
                _try(machine, f"address del {address} dev eth0")
        for address in CLOCK:
            _try(self.cluster.layout.clock, f"address del {address}/24 dev eth0")
        for node in self.cluster.nodes.values():
            self.cluster.kubectl("label", "node", node.name, *(f"{one.partition('=')[0]}-" for one in LABELS))
            node.exec("sh", "-c", "grep -v example.com /etc/hosts >/run/hosts && cat /run/hosts >/etc/hosts")

    @contextmanager
    def on_vlan(self) -> Iterator[None]:
        """The same segment on an interface with a VLAN's name instead: a second cable, not every kernel has VLANs."""
        with_clock = self.machines | {self.cluster.layout.clock: 1}
        switch = self.cluster.layout.switch
        ip(switch, "link add br7 type bridge forward_delay 0 stp_state 0 mcast_snooping 0", "link set br7 up")
        for machine, number in with_clock.items():
            ip(switch, f"link add seven{number} type veth peer name {VLAN} netns {machine}")
            ip(switch, f"link set seven{number} master br7 up")
            ip(machine, f"address del 192.0.2.{number}/24 dev eth0", f"address add 192.0.2.{number}/24 dev {VLAN}")
            ip(machine, f"link set {VLAN} up")
        try:
            yield
        finally:
            for machine, number in with_clock.items():
                _try(switch, f"link del seven{number}")
                ip(machine, f"address replace 192.0.2.{number}/24 dev eth0")
            _try(switch, "link del br7")

    def start_host_ntp(self) -> None:
        """An NTP server of each node's own, on port 123."""
        for node in self.cluster.nodes.values():
            node.exec("sh", "-c", "cat >/run/host-ntp.conf", stdin=HOST_NTP)
            command = f"setsid --fork {chronyd()} -x -d -f /run/host-ntp.conf >/run/host-ntp.log 2>&1 </dev/null"
            node.exec("sh", "-c", command)

    def stop_host_ntp(self) -> None:
        for node in self.cluster.nodes.values():
            node.exec("sh", "-c", "! test -e /run/host-ntp.pid || kill $(cat /run/host-ntp.pid)", check=False)

    def owners(self, address: str) -> list[str]:
        """The nodes whose kernel has the address."""
        return [name for name, node in self.cluster.nodes.items() if _has(node, address)]


def _has(node: Node, address: str) -> bool:
    said: list[dict[str, Any]] = json.loads(node.exec("ip", "-json", "address", "show").stdout)
    return any(each.get("local") == address for interface in said for each in interface.get("addr_info", []))


def _try(machine: str, line: str) -> None:
    try:
        ip(machine, line)
    except ClusterError:
        return


def _kind(name: str, group: str, plural: str, scope: str) -> dict[str, Any]:
    """A kind without rules, as if whoever brings it had been installed."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    spec = {
        "group": group,
        "scope": scope,
        "names": {"kind": name, "plural": plural, "singular": name.lower()},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
    }
    metadata = {"name": f"{plural}.{group}"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": metadata,
        "spec": spec,
    }
