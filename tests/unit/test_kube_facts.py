"""What is read from the API's objects, odd ones too."""

from dataclasses import replace

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


def test_a_pod_of_an_older_template_is_to_be_replaced_while_a_rollout_is_under_way() -> None:
    old = pod_of({"metadata": {"labels": {"pod-template-generation": "1"}}})
    rolling = DaemonSet(generation=2, observed=2, desired=3, updated=1, template="2")
    assert rolling.replaces(old)
    assert not replace(rolling, template="1").replaces(old)
    assert not replace(rolling, template="").replaces(old)
    assert not rolling.replaces(pod_of({}))


@pytest.mark.parametrize(
    ("observed", "updated", "available", "new"),
    [
        pytest.param(1, 3, 3, False, id="its figures are of the template before"),
        pytest.param(2, 0, 3, False, id="none has been replaced"),
        pytest.param(2, 1, 2, False, id="the first new one starts"),
        pytest.param(2, 1, 3, True, id="it is available"),
        pytest.param(2, 2, 1, False, id="all but the master are replaced at once"),
        pytest.param(2, 2, 2, True, id="one of those is available"),
    ],
)
def test_a_new_pod_is_available_when_more_are_than_there_can_be_old_ones(
    observed: int, updated: int, available: int, new: bool
) -> None:
    assert DaemonSet(2, observed, 3, updated, available, template="2").has_new is new


def test_a_pod_that_a_rollback_kept_is_not_to_be_replaced() -> None:
    kept = pod_of({"metadata": {"labels": {"pod-template-generation": "1"}}})
    assert not DaemonSet(generation=3, observed=3, desired=3, updated=3, template="3").replaces(kept)


def test_what_a_person_writes_on_the_daemonset_counts_beside_what_helm_writes() -> None:
    def release(**annotations: str) -> str:
        named = {f"carp-sidecar.io/{name}": value for name, value in annotations.items()}
        return daemonset_of({"metadata": {"annotations": named}}).release

    assert release() == ""
    assert release(release="1") == "1"
    assert release(rollout="now") == "now"
    assert release(release="1", rollout="now") == "1.now"
