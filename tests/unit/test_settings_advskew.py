"""The advskew that a node's name makes: stable, small, distinct where it can be."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.settings.advskew import auto_advskew


@pytest.mark.parametrize("form", ["node-{}", "node-{:03}", "worker{}", "{}", "rack1-node{}.example.net", "10.0.0.{}"])
@pytest.mark.parametrize("first", [0, 1, 37, 98])
def test_nodes_that_are_numbered_never_collide(form: str, first: int) -> None:
    assert len({auto_advskew(form.format(number)) for number in range(first, first + 48)}) == 48


def test_the_value_is_the_same_for_ever() -> None:
    names = ("node-1", "node-2", "alpha", "10.0.0.5", "")
    assert [auto_advskew(name) for name in names] == [9, 10, 14, 26, 4]


def test_only_the_host_counts_not_its_domain_or_case() -> None:
    assert auto_advskew("Node-1.example.net") == auto_advskew("node-1")


@given(st.text())
def test_any_name_gives_a_value_below_the_least_demotion(name: str) -> None:
    assert 0 <= auto_advskew(name) < 48


def test_names_without_numbers_spread_over_all_values() -> None:
    names = [
        f"{letter}{other}-{number}-{letter}" for letter in "abcdefgh" for other in "klmnop" for number in range(50)
    ]
    counts = Counter(auto_advskew(name) for name in names)
    assert len(counts) == 48
    assert max(counts.values()) < 2 * len(names) / 48
