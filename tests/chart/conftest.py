"""One API server for all tests that need one."""

from collections.abc import Iterator

import pytest

from tests.chart.apiserver import Server, api_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with api_server(tmp_path_factory.mktemp("apiserver")) as started:
        yield started
