"""Kubernetes sees one master, and a client outside of it always finds the time at the address.

What is asserted of time is the protocol's arithmetic and slack for a noisy machine; the figures are in the report.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.cluster.client import Asking
from tests.e2e.cluster.shell import wait_for
from tests.e2e.product import ADDRESS, SECRET, Product, archives

TAKEOVER_SECONDS = 4.0  # 3 x advbase and the slowest advskew's 254/256 s
SLACK_SECONDS = 1.5
LABELS_SECONDS = 10.0
LOST_MAX = 5  # of a client at 50 per second
AFTERWARDS_SECONDS = 5.0


@pytest.fixture(scope="module")
def product(cluster: Cluster) -> Iterator[Product]:
    """Installed by `helm install --wait`, taken away in the end."""
    for archive in archives():
        cluster.load_image(archive)
    made = Product(cluster)
    try:
        made.install()
        yield made
    finally:
        made.remove()


@pytest.fixture
def master(product: Product) -> str:
    """The master's node, after everything has settled."""
    return product.wait_until_settled()


@pytest.fixture
def asking(cluster: Cluster, master: str) -> Iterator[Asking]:
    """A client outside of the cluster that asks 50 times a second; counts from when it has heard the first answer."""
    with cluster.client.ask(ADDRESS) as client:
        client.wait_until_heard(ADDRESS)
        client.reset()
        yield client


def show(record: Any, asking: Asking) -> None:
    """Put the figures into the report (`pytest -rA`, junit)."""
    seconds, outcomes = asking.longest_silence(ADDRESS), asking.outcomes
    record("silence", f"{seconds:.2f} s")
    record("unanswered", f"{outcomes.unanswered} of {outcomes.sent}")
    print(f"longest silence {seconds:.2f} s, unanswered {outcomes.unanswered} of {outcomes.sent}")


def pass_time(asking: Asking) -> None:
    """Let the client ask on for a while."""
    until = asking.outcomes.now + AFTERWARDS_SECONDS
    wait_for("the client to ask on", lambda: asking.outcomes.now > until, 30)


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


def test_when_the_masters_node_loses_power_a_backup_answers_and_the_api_learns_it(
    product: Product, cluster: Cluster, master: str, asking: Asking, record_property: Any
) -> None:
    node = cluster.node(master)
    node.power_off()
    try:
        wait_for("one other master label", lambda: only_other(product.masters(), master), LABELS_SECONDS)
        wait_for("one other node label", lambda: only_other(product.master_nodes(), master), LABELS_SECONDS)
        show(record_property, asking)
        assert asking.longest_silence(ADDRESS) <= TAKEOVER_SECONDS + SLACK_SECONDS
    finally:
        node.boot()
        cluster.wait_until_ready()


def test_the_election_goes_on_without_the_api_and_the_labels_are_right_when_it_is_back(
    product: Product, cluster: Cluster, master: str, asking: Asking, record_property: Any
) -> None:
    node = cluster.node(master)
    cluster.api.stop()
    try:
        node.power_off()
        pass_time(asking)
        show(record_property, asking)
        assert asking.longest_silence(ADDRESS) <= TAKEOVER_SECONDS + SLACK_SECONDS
    finally:
        cluster.api.start()
    try:
        wait_for("one other master label", lambda: only_other(product.masters(), master), LABELS_SECONDS)
    finally:
        node.boot()
        cluster.wait_until_ready()


def only_other(found: list[str], than: str) -> bool:
    return len(found) == 1 and found != [than]
