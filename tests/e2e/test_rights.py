"""What a pod may do on the real cluster, by its own token and to the kernel, and its cost: no more than it uses."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.e2e.cluster import Cluster, ClusterError
from tests.e2e.cluster.layout import API_PORT, SWITCH_ADDRESS, program
from tests.e2e.cluster.network import on_switch
from tests.e2e.cluster.shell import run, wait_for
from tests.e2e.inside import NTP, SIDECAR, Member, members, proc_status, started_at
from tests.e2e.product import NODE_LABEL, SECRET, Product

TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"
CAPABILITIES = {10: "NET_BIND_SERVICE", 12: "NET_ADMIN", 13: "NET_RAW", 23: "SYS_NICE"}
NETWORK = {"NET_ADMIN", "NET_RAW"}
USER = "65532"
MEMORY_MIB = 75
START_SECONDS = 30.0  # most of it is a busy machine's
IMAGE_MIB = 300


@dataclass(frozen=True)
class Own:
    """A backup's pod and node, and requests with the token that is mounted in it. `peer` is the master's."""

    cluster: Cluster
    token: str
    pod: str
    node: str
    peer_pod: str
    peer_node: str
    daemonset: str

    def ask(self, *words: str) -> "CompletedProcess[str]":
        server = [f"--server=https://{SWITCH_ADDRESS}:{API_PORT}", f"--token={self.token}", "--kubeconfig=/dev/null"]
        authority = f"--certificate-authority={self.cluster.layout.pki}/ca.crt"
        kubectl = [program("kubectl"), *server, authority, f"--cache-dir={self.cluster.folder}/kubectl"]
        return run([*on_switch(self.cluster.layout), *kubectl, *words], check=False)

    def patch(self, kind: str, name: str, patch: object, *words: str) -> "CompletedProcess[str]":
        return self.ask("patch", kind, name, "--type=merge", "-p", json.dumps(patch), *words)


@pytest.fixture(scope="module")
def own(product: Product, cluster: Cluster) -> Own:
    product.wait_until_settled()
    pods = {pod["metadata"]["labels"]["carp-role"]: pod for pod in product.pods()}
    backup, master = pods["backup"], pods["master"]
    name = backup["metadata"]["name"]
    token = cluster.kubectl("exec", name, "-c", SIDECAR, "--", "cat", TOKEN).stdout
    places = (name, backup["spec"]["nodeName"], master["metadata"]["name"], master["spec"]["nodeName"])
    return Own(cluster, token, *places, product.daemonset)


def labels(**values: str) -> dict[str, Any]:
    return {"metadata": {"labels": {key.replace("__", "-"): value for key, value in values.items()}}}


ROLE, IMAGE = "carp-role", {"spec": {"initContainers": [{"name": SIDECAR, "image": "example.com/other"}]}}
Request = Callable[[Own], "CompletedProcess[str]"]
FORBIDDEN: dict[str, Request] = {
    "make a peer a fault": lambda own: own.patch("pod", own.peer_pod, labels(**{ROLE: "fault"})),
    "make a peer master of another vhid": lambda own: own.patch("pod", own.peer_pod, labels(carp__role__9="master")),
    "change a peer's image": lambda own: own.patch("pod", own.peer_pod, IMAGE),
    "change its own image": lambda own: own.patch("pod", own.pod, IMAGE),
    "change its own deadline": lambda own: own.patch("pod", own.pod, {"spec": {"activeDeadlineSeconds": 1}}),
    "set a foreign label": lambda own: own.patch("pod", own.pod, labels(app="other")),
    "set a foreign annotation": lambda own: own.ask("annotate", "pod", own.pod, "example.com/a=b"),
    "be king": lambda own: own.patch("pod", own.pod, labels(**{ROLE: "king"})),
    "patch its own status": lambda own: own.patch(
        "pod", own.pod, {"status": {"phase": "Failed"}}, "--subresource=status"
    ),
    "label another node": lambda own: own.patch("node", own.peer_node, labels(**{NODE_LABEL: "init"})),
    "cordon its own node": lambda own: own.patch("node", own.node, {"spec": {"unschedulable": True}}),
    "taint its own node": lambda own: own.ask("taint", "node", own.node, "example.com/a=b:NoExecute"),
    "read the passphrases": lambda own: own.ask("get", "secret", SECRET),
    "list secrets": lambda own: own.ask("get", "secrets", "--all-namespaces"),
    "read configuration": lambda own: own.ask("get", "configmap", own.daemonset),
    "delete a peer": lambda own: own.ask("delete", "pod", own.peer_pod, "--wait=false"),
    "delete itself": lambda own: own.ask("delete", "pod", own.pod, "--wait=false"),
    "run a command in a peer": lambda own: own.ask("exec", own.peer_pod, "-c", SIDECAR, "--", "true"),
    "make a pod": lambda own: own.ask("run", "other", "--image=example.com/other"),
    "see pods elsewhere": lambda own: own.ask("get", "pods", "--namespace=kube-system"),
    "change its DaemonSet": lambda own: own.patch("daemonset", own.daemonset, labels(app="other")),
    "get another token": lambda own: own.ask("create", "token", own.daemonset),
    "give itself rights": lambda own: own.ask(
        "create",
        "clusterrolebinding",
        "mine",
        "--clusterrole=cluster-admin",
        f"--serviceaccount=default:{own.daemonset}",
    ),
}
ALLOWED: dict[str, Request] = {
    "change its role": lambda own: own.patch("pod", own.pod, labels(**{ROLE: "init"}), "--dry-run=server"),
    "annotate itself": lambda own: own.ask("annotate", "pod", own.pod, "carp-sidecar.io/x=y", "--dry-run=server"),
    "label its own node": lambda own: own.patch("node", own.node, labels(**{NODE_LABEL: "init"}), "--dry-run=server"),
    "relieve a peer": lambda own: own.patch("pod", own.peer_pod, labels(**{ROLE: "backup"}), "--dry-run=server"),
    "relieve a node": lambda own: own.patch(
        "node", own.peer_node, labels(**{NODE_LABEL: "backup"}), "--dry-run=server"
    ),
    "see its DaemonSet": lambda own: own.ask("get", "daemonset", own.daemonset),
    "find masters": lambda own: own.ask("get", "pods,nodes", "--selector=carp-role=master"),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_by_its_own_token_a_pod_may_not(own: Own, what: str) -> None:
    done = FORBIDDEN[what](own)
    assert done.returncode, "it was allowed"
    assert "forbidden" in done.stderr.lower() or "ValidatingAdmissionPolicy" in done.stderr, done.stderr


@pytest.mark.parametrize("what", ALLOWED)
def test_by_its_own_token_a_pod_may(own: Own, what: str) -> None:
    done = ALLOWED[what](own)
    assert done.returncode == 0, done.stderr


# ------------------------------------------------------------------------------------------------ to the kernel


def sets(pid: int) -> dict[str, set[str]]:
    """The capability sets of a process, by their names in `/proc/PID/status`."""
    found = {name: int(value, 16) for name, value in proc_status(pid).items() if name.startswith("Cap")}
    return {
        name: {CAPABILITIES.get(bit, str(bit)) for bit in range(64) if mask >> bit & 1} for name, mask in found.items()
    }


def assert_has(pid: int, wanted: set[str], given: set[str]) -> None:
    """Exactly these of those that it was given, none to hand on; an ordinary user who cannot become another."""
    assert sets(pid) == {"CapInh": set(), "CapPrm": wanted, "CapEff": wanted, "CapBnd": given, "CapAmb": set()}
    said = proc_status(pid)
    assert (said["Uid"].split(), said["NoNewPrivs"], said["Seccomp"]) == ([USER] * 4, "1", "2")


def test_each_process_has_exactly_the_capabilities_that_it_uses(product: Product) -> None:
    for member in members(product).values():
        assert_has(member.main(SIDECAR), NETWORK, NETWORK)
        assert_has(member.main(NTP), {"NET_BIND_SERVICE"}, {"NET_BIND_SERVICE"})
        board = sets(member.board())
        assert board["CapEff"] | board["CapPrm"] | board["CapInh"] | board["CapAmb"] == set()
        spec = member.pod["spec"]
        every = [*spec["initContainers"], *spec["containers"]]
        assert not any(one["securityContext"]["privileged"] for one in every)
        assert all(one["securityContext"]["readOnlyRootFilesystem"] for one in every)


def test_a_member_is_small_and_a_backup_soon(
    product: Product, cluster: Cluster, own: Own, record_property: Any
) -> None:
    member = Member(product, own.node)
    cluster.kubectl("delete", "pod", own.pod, "--wait")
    wait_for("a new one that is backup", lambda: is_backup(member), 60)
    wait_for("its NTP server", lambda: runs(member, NTP), 60)
    what = {"election": member.main(SIDECAR), "board": member.board(), "ntp": member.main(NTP)}
    memory = {name: int(proc_status(pid)["VmRSS"].split()[0]) // 1024 for name, pid in what.items()}
    backup_at = unix(member.vhost()["transitions"][0]["at"])
    after_process, after_pod = (
        backup_at - started_at(what["election"]),
        backup_at - unix(member.pod["status"]["startTime"]),
    )
    images = {one["names"][-1]: one["sizeBytes"] >> 20 for one in cluster.get("node", own.node)["status"]["images"]}
    ours = {name: size for name, size in images.items() if "carp-sidecar" in name}
    record_property("rss_mib", str(memory))
    record_property("to_backup", f"{after_process:.2f} s after its process began, {after_pod:.1f} s after its pod")
    record_property("image_mib", str(ours))
    print(memory, ours, f"backup {after_process:.2f} s after its process began, {after_pod:.1f} s after its pod")
    assert max(memory.values()) <= MEMORY_MIB
    assert after_pod <= START_SECONDS
    assert ours
    assert max(ours.values()) <= IMAGE_MIB


def is_backup(member: Member) -> bool:
    """Whether it is, in a container that runs."""
    with suppress(ClusterError):
        return bool(member.vhost()["state"] == "BACKUP" and member.boards())
    return False


def runs(member: Member, container: str) -> bool:
    """Whether it does: the NTP server comes after the sidecar."""
    with suppress(ClusterError):
        return bool(member.main(container))
    return False


def unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_for_real_time_it_is_given_one_capability_more_and_lays_it_down_when_it_began(
    product: Product, cluster: Cluster
) -> None:
    product.upgrade({"sidecar.realtime": True})
    cluster.kubectl("rollout", "status", "daemonset", product.daemonset, "--timeout=120s", timeout=150)
    for member in members(product).values():
        assert_has(member.main(SIDECAR), NETWORK, {*NETWORK, "SYS_NICE"})
