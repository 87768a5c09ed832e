"""Failures on the real cluster: what a client outside sees of them, and what Kubernetes shows afterwards.

What is asserted of time is the protocol's arithmetic and slack for a noisy machine; the figures are in the report.
"""

from typing import Any

from tests.e2e.cluster import Cluster
from tests.e2e.cluster.client import Asking
from tests.e2e.cluster.shell import wait_for
from tests.e2e.product import ADDRESS, Product, only_other, pass_time, show

TAKEOVER_SECONDS = 4.0  # 3 x advbase and the slowest advskew's 254/256 s
SLACK_SECONDS = 1.5
LABELS_SECONDS = 10.0


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
