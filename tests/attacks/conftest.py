"""Real nodes for every test here: needs namespaces, so `make test` runs the whole of pytest inside a sandbox."""

from pathlib import Path

import pytest

from sidecar.lab.space import may_unshare


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is marked."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.netns)


@pytest.fixture
def namespaces() -> None:
    """The right to make them."""
    if not may_unshare():
        pytest.skip("needs root or `python -m sidecar.lab.sandbox -- pytest`")
