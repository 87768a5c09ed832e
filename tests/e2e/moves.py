"""The master moves on purpose: how it is made to, and what is seen of it outside and in the API."""

import datetime as dt
import json
import math
from collections.abc import Callable
from typing import Any

from tests.e2e.cluster.shell import holds, wait_for
from tests.e2e.product import Product
from tests.e2e.rolling import client
from tests.e2e.watching import Event

LOST_MAX = 2
MOVED_SECONDS = 20.0
Change = tuple[float, str, float]
"""When a node became master, which, and how many seconds later its pod's label said so here."""


Move = Callable[[Product, str, str], None]
"""Gets the master's pod and its node."""


def master_pod(product: Product) -> tuple[str, str]:
    """Name and node of the pod labelled master."""
    pods = [pod for pod in product.pods() if pod["metadata"]["labels"]["carp-role"] == "master"]
    return pods[0]["metadata"]["name"], pods[0]["spec"]["nodeName"]


def changes(events: list[Event], since: float) -> list[Change]:
    """What the watch of the pods tells of new masters."""
    found: dict[tuple[float, str], Change] = {}
    for seen, pod in events:
        said = pod["metadata"].get("annotations", {}).get("carp-sidecar.io/since")
        if said and pod["metadata"]["labels"].get("carp-role") == "master":
            at = dt.datetime.fromisoformat(said).timestamp()
            if at > since:
                found.setdefault((at, pod["spec"]["nodeName"]), (at, pod["spec"]["nodeName"], seen - at))
    return sorted(found.values())


def lasting(found: list[Change]) -> list[Change]:
    """Those that were no mere moment: several that hear a bow-out may take over at once, until they hear each other."""
    return [one for one, after in zip(found, [*found[1:], (math.inf, "", 0.0)], strict=False) if after[0] - one[0] > 1]


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
