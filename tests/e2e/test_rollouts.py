"""Kubernetes sees one master, and a client outside of it always finds the time at the address."""

from typing import Any

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.cluster.client import Asking
from tests.e2e.cluster.shell import wait_for
from tests.e2e.product import SECRET, Product, pass_time, show

LOST_MAX = 5  # of a client at 50 per second


def test_one_pod_is_master_and_labels_readiness_and_kernel_agree(product: Product, cluster: Cluster) -> None:
    node = product.wait_until_settled()
    assert [product.masters(), product.master_nodes(), product.owners(), product.ready()] == [[node]] * 4
    assert cluster.get("secret", SECRET)["data"]


@pytest.mark.usefixtures("master")
@pytest.mark.parametrize("version", [3, 4])
def test_an_upgrade_replaces_every_pod_and_loses_nothing(
    product: Product, asking: Asking, record_property: Any, version: int
) -> None:
    before = {pod["metadata"]["uid"] for pod in product.pods()}
    product.upgrade(version=version, turn=f"helm{version}")
    product.wait_until_settled()
    show(record_property, asking)
    assert not before & {pod["metadata"]["uid"] for pod in product.pods()}
    assert asking.outcomes.unanswered <= LOST_MAX


def test_deleting_the_masters_pod_hands_over_first(
    product: Product, cluster: Cluster, master: str, asking: Asking, record_property: Any
) -> None:
    cluster.kubectl("delete", "pod", "-l", "carp-role=master", "--wait=false")
    wait_for("another master", lambda: product.masters() not in ([], [master]), 20)
    pass_time(asking)
    show(record_property, asking)
    assert asking.outcomes.unanswered <= LOST_MAX


def test_draining_the_masters_node_hands_over_first(
    product: Product, cluster: Cluster, master: str, asking: Asking, record_property: Any
) -> None:
    cluster.kubectl("drain", master, "--ignore-daemonsets")
    try:
        wait_for("another master", lambda: product.masters() not in ([], [master]), 20)
        pass_time(asking)
        show(record_property, asking)
        assert asking.outcomes.unanswered <= LOST_MAX
    finally:
        cluster.kubectl("uncordon", master)
