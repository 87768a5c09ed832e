"""Real nodes for every test here: needs namespaces, so `make test` runs the whole of pytest inside a sandbox."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.lab.space import may_unshare
from tests.netns.group import V4, V6, Group, group_on, until


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is marked, and cannot run without the right to make namespaces."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.netns)


@pytest.fixture(autouse=True)
def _namespaces() -> None:
    if not may_unshare():
        pytest.skip("needs root or `python -m sidecar.lab.sandbox -- pytest`")


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Group]:
    """An empty group with one IPv4 address."""
    with group_on(tmp_path) as made:
        yield made


@pytest.fixture
def dual(tmp_path: Path) -> Iterator[Group]:
    """An empty group with an IPv4 and an IPv6 address."""
    with group_on(tmp_path, f"{V4},{V6}") as made:
        yield made


@pytest.fixture
def trio(group: Group) -> Group:
    """Three nodes at advskew 0, 20 and 40, settled: node1 is master."""
    for _ in range(3):
        group.add().start()
    group.wait_for_owner(group.members[0])
    return group


@pytest.fixture
def pair(group: Group) -> Group:
    """Two nodes at advskew 0 and 20, settled: node1 is master."""
    for _ in range(2):
        group.add().start()
    group.wait_for_owner(group.members[0])
    until(lambda: group.members[1].state() == "BACKUP", 5, "the second takes part")
    return group
