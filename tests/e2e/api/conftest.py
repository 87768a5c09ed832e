"""A real API server without nodes for the tests in this folder."""

from collections.abc import Iterator

import pytest

from tests.e2e.api.plane import Plane, running


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """etcd and kube-apiserver on the loopback."""
    with running(tmp_path_factory.mktemp("plane")) as made:
        yield made
