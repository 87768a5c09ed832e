"""What is read from the API's objects, odd ones too."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.kube.facts import DaemonSet, Pod, daemonset_of, meta_of, node_of, pod_of

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
known = st.sampled_from(["metadata", "spec", "status", "labels", "annotations", "ownerReferences", "name", "kind"])
odd = st.dictionaries(known, st.dictionaries(known, anything, max_size=4) | anything, max_size=4)


@given(odd)
def test_an_odd_object_gives_odd_facts(found: dict[str, object]) -> None:
    assert isinstance(pod_of(found), Pod)
    assert isinstance(daemonset_of(found), DaemonSet)
    assert isinstance(node_of(found).cordoned, bool)


@pytest.mark.parametrize(
    ("value", "asked"), [("true", True), (" ON ", True), ("1", True), ("yes", True), ("false", False), ("", False)]
)
def test_maintenance_is_asked_for_by_any_spelling_of_yes(value: str, asked: bool) -> None:
    meta = meta_of({"metadata": {"annotations": {"carp-sidecar.io/maintenance": value}}})
    assert meta.maintenance is asked


def test_the_owner_is_the_daemonset() -> None:
    owners = [{"kind": "Node", "name": "x"}, {"kind": "DaemonSet", "name": "carp"}]
    assert pod_of({"metadata": {"ownerReferences": owners}}).daemonset == "carp"
    assert pod_of({"metadata": {"ownerReferences": [{"kind": "ReplicaSet", "name": "x"}]}}).daemonset == ""


def test_an_older_template_is_told_by_the_generations_where_both_are_known() -> None:
    old = pod_of({"metadata": {"labels": {"pod-template-generation": "1"}}})
    assert DaemonSet(template="2").is_newer_than(old)
    assert not DaemonSet(template="1").is_newer_than(old)
    assert not DaemonSet().is_newer_than(old)
    assert not DaemonSet(template="2").is_newer_than(pod_of({}))
