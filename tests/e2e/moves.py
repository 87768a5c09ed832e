"""The master moves on purpose: how it is made to, and what is seen of it outside and in the API."""

import json
from collections.abc import Callable
from typing import Any

from tests.e2e.cluster.shell import holds, wait_for
from tests.e2e.product import Product
from tests.e2e.rolling import client

LOST_MAX = 2
MOVED_SECONDS = 20.0
Move = Callable[[Product, str, str], None]
"""Gets the master's pod and its node."""


def master_pod(product: Product) -> tuple[str, str]:
    """Name and node of the pod labelled master."""
    pods = [pod for pod in product.pods() if pod["metadata"]["labels"]["carp-role"] == "master"]
    return pods[0]["metadata"]["name"], pods[0]["spec"]["nodeName"]


def leads_to(slice_: dict[str, Any]) -> list[str]:
    """The nodes that a client of the Service is sent to."""
    return [each["nodeName"] for each in slice_.get("endpoints") or [] if each["conditions"].get("ready")]


def cordon(product: Product, pod: str, node: str) -> None:
    product.cluster.kubectl("cordon", node)


def drain(product: Product, pod: str, node: str) -> None:
    product.cluster.kubectl("drain", node, "--ignore-daemonsets")


def delete(product: Product, pod: str, node: str) -> None:
    product.cluster.kubectl("delete", "pod", pod, "--wait=false")


def evict(product: Product, pod: str, node: str) -> None:
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": "default"}}
    path = f"/api/v1/namespaces/default/pods/{pod}/eviction"
    product.cluster.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))


def hands_over_first(product: Product, record: Any, move: Move) -> None:
    """Whatever state of readiness the others are in."""
    wait_for("every pod to be up", lambda: up(product) and not holds(lambda: not up(product), 4, 0.5), 60)
    pod, before = master_pod(product)
    try:
        with client(product) as lost:
            move(product, pod, before)
            wait_for("another master", lambda: product.masters() not in ([], [before]), MOVED_SECONDS)
    finally:
        product.cluster.kubectl("uncordon", before)
    record("moved", str(lost))
    print(lost)
    assert lost.at_most(LOST_MAX)


def up(product: Product) -> bool:
    """Whether every member takes part, one of them as master."""
    pods = product.pods()
    roles = sorted(pod["metadata"]["labels"]["carp-role"] for pod in pods)
    whole = not any("deletionTimestamp" in pod["metadata"] for pod in pods)
    return whole and roles == ["backup"] * (product.nodes - 1) + ["master"]
