"""Two segments, a virtual host for each: a DaemonSet on the nodes that a label says are on it. None disturbs the other.

By Helm 4. Nodes 1 and 2 are on the segment that all share, node 3 serves one of its own; the vhid is the same on both.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.cluster.shell import holds, ip
from tests.e2e.product import ADDRESS, Product
from tests.e2e.rolling import client, roll

LOST_MAX = 2
LABEL = "example.com/segment"
SEGMENTS = {"a": ["node1", "node2"], "b": ["node3"]}
ADDRESS_B = "10.78.0.200"
UNDISTURBED_SECONDS = 12.0  # longer than a new master waits before it clears others' labels
MACHINES = {"node3": "10.78.0.13", "client": "10.78.0.100"}


@pytest.fixture(scope="module")
def wired(cluster: Cluster) -> Iterator[None]:
    """A second bridge in the switch, with node 3 and the client on it."""
    places = {"node3": cluster.node("node3").namespace, "client": cluster.layout.client}
    ip(cluster.layout.switch, "link add br1 type bridge forward_delay 0 mcast_snooping 0", "link set br1 up")
    for name, address in MACHINES.items():
        cable = f"link add b-{name} type veth peer name eth1 netns {places[name]}"
        ip(cluster.layout.switch, cable, f"link set b-{name} master br1 up")
        ip(places[name], f"address add {address}/24 brd + dev eth1", "link set eth1 up")
    yield
    ip(cluster.layout.switch, *(f"link del b-{name}" for name in MACHINES), "link del br1")


@pytest.fixture(scope="module")
def segments(cluster: Cluster, wired: None, images: None) -> Iterator[dict[str, Product]]:
    """A release for each segment."""
    for segment, nodes in SEGMENTS.items():
        cluster.kubectl("label", "node", *nodes, f"{LABEL}={segment}", "--overwrite")
    made = {
        segment: Product(
            cluster,
            {"carp.addresses": [address], "nodeSelector": {LABEL: segment}},
            name=f"segment-{segment}",
            nodes=len(SEGMENTS[segment]),
        )
        for segment, address in (("a", ADDRESS), ("b", ADDRESS_B))
    }
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda one: one.install(version=4), made.values()))
        yield made
    finally:
        for product in made.values():
            product.remove()
        cluster.kubectl("label", "node", "--all", f"{LABEL}-")


def masters(segments: dict[str, Product]) -> dict[str, list[list[str]]]:
    """Of each segment: the nodes by their pods' label, by their own, and by their kernel."""
    return {name: [one.masters(), one.master_nodes(), one.owners()] for name, one in segments.items()}


def test_each_segment_has_a_master_of_its_own_and_keeps_it(segments: dict[str, Product]) -> None:
    found = {name: product.wait_until_settled() for name, product in segments.items()}
    assert {name: node in SEGMENTS[name] for name, node in found.items()} == {"a": True, "b": True}
    expected = {name: [[node]] * 3 for name, node in found.items()}
    assert not holds(lambda: masters(segments) != expected, UNDISTURBED_SECONDS, 1)


def test_a_rollout_on_one_segment_leaves_the_other_alone(segments: dict[str, Product], record_property: Any) -> None:
    a, b = segments["a"], segments["b"]
    before = [pod["metadata"]["uid"] for pod in b.pods()]
    with client(b) as lost:
        rolled = roll(a, lambda: a.upgrade({"image.tag": "NEXT"}, version=4), record_property)
    assert rolled.at_once == 1
    assert rolled.lost.at_most(LOST_MAX)
    assert lost.at_most(0)
    assert [pod["metadata"]["uid"] for pod in b.pods()] == before
    assert b.masters() == ["node3"]


def test_the_hooks_mark_is_in_nobodys_way_when_helm_4_applies_without_it(segments: dict[str, Product]) -> None:
    """Server-side apply refuses to change a field that another has written."""
    a = segments["a"]
    managers = a.cluster.get("daemonset", a.daemonset, "--show-managed-fields")["metadata"]["managedFields"]
    assert {"Apply"} == {each["operation"] for each in managers if each["manager"] == "helm"}
    assert "carp-sidecar-hook" in {each["manager"] for each in managers}
    a.upgrade({"rollout.unsettleFirst": False}, version=4)
