"""One cluster for all end-to-end tests of a process. What it looked like when a test failed is kept in build/e2e/TEST.

CARP_E2E_NAME names the cluster (default: test), so that several runs can have one each at the same time; with xdist
each worker's has the worker's number besides.
"""

import os
import re
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cluster import Cluster, ClusterError
from tests.e2e.cluster.client import Asking
from tests.e2e.product import ADDRESS, Product, another, archives

KEPT = Path(__file__).parents[2] / "build" / "e2e"
CLUSTER_SECONDS = 600  # a test may be the one that waits for the cluster


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "e2e" in item.path.parts and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(CLUSTER_SECONDS))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Three Ready nodes and nothing in them. A test leaves it as it found it."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    made = Cluster(name=os.environ.get("CARP_E2E_NAME", "test") + worker)
    try:
        made.up()
        yield made
    except ClusterError:
        made.collect(KEPT / "cluster-up")
        raise
    finally:
        made.down()


@pytest.fixture(scope="session")
def images(cluster: Cluster) -> None:
    """Our images on every node, and another sidecar with the tag NEXT."""
    for archive in [*archives(cluster.layout.name), another(cluster.layout.name)]:
        cluster.load_image(archive)


@pytest.fixture(scope="module")
def product(cluster: Cluster, images: None) -> Iterator[Product]:
    """Installed by `helm install --wait`, taken away in the end."""
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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    used: Any = getattr(item, "funcargs", {}).get("cluster")
    if report.failed and call.when != "teardown" and isinstance(used, Cluster):
        kept = used.collect(KEPT / re.sub(r"[^\w.-]+", "-", item.name))
        report.sections.append(("what the cluster looked like", str(kept)))
    return report
