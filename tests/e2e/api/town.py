"""A namespace with what the chart would make, and pods with their own bound tokens; by the API alone."""

import itertools
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.api.plane import Object, Plane

ACCOUNT = "carp"
DAEMONSET = "carp"
LABELS = {"app.kubernetes.io/instance": "ntp", "app.kubernetes.io/name": "carp-sidecar"}
_numbers = itertools.count(1)
RULES = [
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch", "patch"]},
    {
        "apiGroups": ["apps"],
        "resources": ["daemonsets"],
        "resourceNames": [DAEMONSET],
        "verbs": ["get", "list", "watch"],
    },
    {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]},
]
NODE_RULES = [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch", "patch"]}]


@dataclass
class Town:
    """One namespace."""

    plane: Plane
    namespace: str

    @property
    def pods(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods"

    @property
    def daemonset(self) -> str:
        return f"/apis/apps/v1/namespaces/{self.namespace}/daemonsets/{DAEMONSET}"

    def add_node(self, name: str) -> None:
        self.plane.ask("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})

    def add_pod(self, name: str, node: str, labels: dict[str, str] | None = None) -> None:
        owner = self.plane.ask("GET", self.daemonset)["metadata"]
        meta = {
            "name": name,
            "labels": {**LABELS, "controller-revision-hash": "abc", "pod-template-generation": "1", **(labels or {})},
            "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": DAEMONSET, "uid": owner["uid"]},
            ],
        }
        spec = {
            "nodeName": node,
            "serviceAccountName": ACCOUNT,
            "containers": [{"name": "carp", "image": "localhost/none:1"}],
        }
        self.plane.ask("POST", self.pods, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})

    def pod(self, name: str) -> Object:
        return self.plane.ask("GET", f"{self.pods}/{name}")

    def label(self, path: str, label: str) -> str | None:
        labels: dict[str, str] = self.plane.ask("GET", path)["metadata"].get("labels", {})
        return labels.get(label)

    def role(self, pod: str) -> str | None:
        return self.label(f"{self.pods}/{pod}", "carp-role")

    def node_role(self, node: str, vhid: int = 10) -> str | None:
        return self.label(f"/api/v1/nodes/{node}", f"carp-sidecar.io/vhid-{vhid}")

    def status(self, **status: int) -> None:
        """What the DaemonSet's controller would say."""
        self.plane.merge(f"{self.daemonset}/status", {"status": status})

    def credentials(self, folder: Path, pod: str) -> Path:
        """Token and authority as kubelet would mount them."""
        folder.mkdir(exist_ok=True)
        bound = {"apiVersion": "v1", "kind": "Pod", "name": pod, "uid": self.pod(pod)["metadata"]["uid"]}
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"boundObjectRef": bound, "expirationSeconds": 3600},
        }
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{ACCOUNT}/token"
        (folder / "token").write_text(self.plane.ask("POST", path, request)["status"]["token"])
        (folder / "ca.crt").write_text(self.plane.authority.read_text())
        return folder


def found(plane: Plane) -> Town:
    """A new namespace with account, rights and DaemonSet."""
    namespace = f"time-{next(_numbers)}"
    town = Town(plane, namespace)
    plane.ask("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    plane.ask("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": ACCOUNT}})
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}
    group = "rbac.authorization.k8s.io"
    for scope, kind, rules in (
        (f"/namespaces/{namespace}", "Role", RULES),
        ("", "ClusterRole", NODE_RULES),
    ):
        name = f"carp-{namespace}"
        plural = f"{kind.lower()}s"
        plane.ask("POST", f"{rbac}{scope}/{plural}", {"metadata": {"name": name}, "rules": rules})
        binding = {
            "metadata": {"name": name},
            "subjects": [subject],
            "roleRef": {"apiGroup": group, "kind": kind, "name": name},
        }
        plane.ask("POST", f"{rbac}{scope}/{kind.lower()}bindings", binding)
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "carp", "image": "localhost/none:1"}]}}
    plane.ask(
        "POST",
        f"/apis/apps/v1/namespaces/{namespace}/daemonsets",
        {
            "metadata": {"name": DAEMONSET, "annotations": {"carp-sidecar.io/release": "1"}},
            "spec": {"selector": {"matchLabels": LABELS}, "template": template},
        },
    )
    return town
