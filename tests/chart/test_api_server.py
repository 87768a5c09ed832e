"""What a real API server says of our manifests, and what a pod's own token may do there and what not."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.apiserver import Server
from tests.chart.render import CI, LEAST, ROOT, render
from tests.chart.test_plain import OVERLAYS, build

FOREIGN = ("monitoring.coreos.com", "security.openshift.io")
NAMESPACE = "time"


def without_foreign_kinds(objects: list[dict[str, Any]]) -> str:
    """Without what needs the Prometheus operator or OpenShift."""
    return yaml.safe_dump_all(one for one in objects if not one["apiVersion"].startswith(FOREIGN))


@pytest.fixture(scope="session")
def namespace(server: Server) -> str:
    server.apply(json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}))
    return NAMESPACE


@pytest.mark.parametrize("values", CI, ids=lambda path: path.stem)
def test_the_server_takes_each_way_of_use_without_an_unknown_field(
    server: Server, namespace: str, values: Path
) -> None:
    objects = [one for one in render("-f", str(values)).objects if one["metadata"].get("namespace", "") in ("", "time")]
    accounts = [one for one in objects if one["kind"] == "ServiceAccount"]  # a pod is refused without its own
    server.apply(yaml.safe_dump_all(accounts))
    server.apply(without_foreign_kinds(objects), "--dry-run=server", "--namespace", namespace)


@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda path: path.name)
def test_the_server_takes_each_folder_of_plain_manifests(server: Server, folder: Path) -> None:
    space = yaml.safe_load((ROOT / "k8s" / "base" / "namespace.yaml").read_text())
    server.apply(json.dumps(space))
    server.apply(yaml.safe_dump_all(build(folder)), "--dry-run=server")


@dataclass(frozen=True)
class Member:
    """A pod of the release as the API knows it, with the token that its kubelet would have mounted."""

    server: Server
    name: str
    node: str
    token: str

    def patch(self, kind: str, name: str, patch: object, *arguments: str) -> str:
        """The server's answer: empty when it was done, else why not."""
        done = self.server.kubectl(
            *("patch", kind, name, "-n", NAMESPACE, "--type=merge", "-p", json.dumps(patch), *arguments),
            token=self.token,
        )
        return done.stderr if done.returncode else ""

    def may(self, *arguments: str) -> bool:
        return self.server.kubectl("auth", "can-i", *arguments, "-n", NAMESPACE, token=self.token).returncode == 0


def pod(name: str, node: str, role: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/instance": "vip", "carp-role": role, "controller-revision-hash": "1"}
    spec = {
        "nodeName": node,
        "serviceAccountName": "vip-carp-sidecar",
        "containers": [{"name": "carp", "image": "carp-sidecar:1"}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}


def node(name: str, role: str) -> dict[str, Any]:
    labels = {"kubernetes.io/hostname": name, "carp-sidecar.io/vhid-10": role}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


def token_of(server: Server, *arguments: str) -> str:
    done = server.kubectl("create", "token", "vip-carp-sidecar", "-n", NAMESPACE, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def member(server: Server, namespace: str) -> Member:
    """Member `a` on node `one`; `b` on node `two` is its peer, labelled master."""
    kept = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
    policies = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
    objects = [one for one in render(*LEAST).objects if one["kind"] in (*kept, *policies)]
    server.apply(yaml.safe_dump_all(objects), "--namespace", namespace)
    for one in (node("one", "backup"), node("two", "master")):
        server.apply(json.dumps(one))
    for one in (pod("a", "one", "backup"), pod("b", "two", "master")):
        server.apply(json.dumps(one), "--namespace", namespace)
    bound = token_of(server, "--bound-object-kind=Pod", "--bound-object-name=a")
    made = Member(server, "a", "one", bound)
    until = time.monotonic() + 60
    while "frozen" not in made.patch("pod", "a", {"spec": {"activeDeadlineSeconds": 99}}, "--dry-run=server"):
        assert time.monotonic() < until, "the policies do not come into force"
        time.sleep(0.3)
    return made


def labels(**values: str | None) -> dict[str, Any]:
    return {"metadata": {"labels": {key.replace("__", "/"): value for key, value in values.items()}}}


def annotations(name: str, value: str) -> dict[str, Any]:
    return {"metadata": {"annotations": {name: value}}}


OURS = annotations("carp-sidecar.io/since", "now")
VHID = "carp-sidecar.io/vhid-10"
TAINT = {"spec": {"taints": [{"key": "x", "effect": "NoExecute"}]}}
OWNER = {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "one", "uid": "x"}]}}
IMAGE = {"spec": {"containers": [{"name": "carp", "image": "evil"}]}}
FORBIDDEN: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a peer made master": ("pod", "b", labels(**{"carp-role": "backup", "carp-role-11": "master"})),
    "a peer called a fault": ("pod", "b", labels(**{"carp-role": "fault"})),
    "a peer's role taken away": ("pod", "b", labels(**{"carp-role": None})),
    "a peer's annotation": ("pod", "b", OURS),
    "a peer's image": ("pod", "b", IMAGE),
    "its own image": ("pod", "a", IMAGE),
    "its own foreign label": ("pod", "a", labels(app="x")),
    "its own label removed": ("pod", "a", labels(**{"controller-revision-hash": None})),
    "its own foreign annotation": ("pod", "a", annotations("kubernetes.io/x", "y")),
    "its own unknown role": ("pod", "a", labels(**{"carp-role": "king"})),
    "its own finalizer": ("pod", "a", {"metadata": {"finalizers": ["example.com/x"]}}),
    "its own owner": ("pod", "a", OWNER),
    "its own node cordoned": ("node", "one", {"spec": {"unschedulable": True}}),
    "its own node tainted": ("node", "one", TAINT),
    "its own node's name": ("node", "one", labels(**{"kubernetes.io/hostname": "x"})),
    "another node made master": ("node", "two", labels(**{VHID: "master", "carp-sidecar.io/vhid-11": "master"})),
    "another node's annotation": ("node", "two", OURS),
    "another node tainted": ("node", "two", TAINT),
}
ALLOWED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "its own role": (
        "pod",
        "a",
        labels(**{"carp-role": "master", "carp-role-11": "backup", "carp-sidecar.io/vhid": "10"}),
    ),
    "its own annotation": ("pod", "a", OURS),
    "its own role removed": ("pod", "a", labels(**{"carp-role-11": None})),
    "its own node's role": ("node", "one", labels(**{VHID: "master"})),
    "its own node's annotation": ("node", "one", annotations(f"{VHID}-instance", "time.vip")),
    "a stale peer's role": ("pod", "b", labels(**{"carp-role": "backup"})),
    "a stale node's role": ("node", "two", labels(**{VHID: "backup"})),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_a_pods_token_may_not_change(member: Member, what: str) -> None:
    refused = member.patch(*FORBIDDEN[what])
    assert "ValidatingAdmissionPolicy" in refused or "is invalid" in refused, refused or "it was allowed"
    assert "expression" not in refused, "a rule that could not be evaluated is no rule"


@pytest.mark.parametrize("what", ALLOWED)
def test_a_pods_token_may_change(member: Member, what: str) -> None:
    assert member.patch(*ALLOWED[what], "--dry-run=server") == ""


def test_a_token_that_is_not_a_pods_changes_nothing(member: Member) -> None:
    unbound = Member(member.server, "a", "one", token_of(member.server))
    for kind, name, patch in ALLOWED.values():
        assert "not bound" in unbound.patch(kind, name, patch, "--dry-run=server")


@pytest.mark.parametrize(
    "what",
    [
        ("get", "secrets"),
        ("list", "secrets"),
        ("delete", "pods"),
        ("create", "pods"),
        ("create", "pods", "--subresource=exec"),
        ("update", "pods"),
        ("patch", "pods", "--subresource=status"),
        ("patch", "nodes", "--subresource=status"),
        ("delete", "nodes"),
        ("update", "nodes"),
        ("patch", "daemonsets"),
        ("get", "daemonsets/other"),
        ("get", "configmaps"),
        ("create", "serviceaccounts", "--subresource=token"),
        ("delete", "events.events.k8s.io"),
    ],
    ids=" ".join,
)
def test_rbac_gives_no_more_than_is_used(member: Member, what: tuple[str, ...]) -> None:
    assert not member.may(*what)


@pytest.mark.parametrize(
    "what",
    [
        ("get", "pods"),
        ("watch", "pods"),
        ("patch", "pods"),
        ("get", "daemonsets/vip-carp-sidecar"),
        ("watch", "daemonsets/vip-carp-sidecar"),
        ("patch", "nodes"),
        ("list", "nodes"),
        ("create", "events.events.k8s.io"),
        ("patch", "events.events.k8s.io"),
    ],
    ids=" ".join,
)
def test_rbac_gives_what_is_used(member: Member, what: tuple[str, str]) -> None:
    assert member.may(*what)
