"""The settled latch: what was measured on real controllers, as facts; and its laws under any history."""

from dataclasses import replace
from types import MappingProxyType

from hypothesis import given
from hypothesis import strategies as st

from sidecar.kube.facts import DaemonSet, Meta, Pod
from sidecar.kube.latch import CAP, SETTLE, Latch, Verdict

FRESH = DaemonSet(generation=1, observed=1, desired=3, updated=3, available=0, release="1", template="1")
COMPLETE = replace(FRESH, available=3)
STEADY = replace(FRESH, available=1)
"""As it is once everybody has settled: the master alone is available."""


def pod(mark: str = "", revision: str = "abc", template: str = "1", daemonset: str = "carp") -> Pod:
    labels = {"controller-revision-hash": revision, "pod-template-generation": template}
    annotations = {"carp-sidecar.io/settled": mark} if mark else {}
    return Pod(Meta("p", "u", "1", MappingProxyType(labels), MappingProxyType(annotations)), "n", daemonset)


def settled(latch: Latch, daemonset: DaemonSet | None, now: float, of: Pod | None = None) -> bool:
    return latch.see(of or pod(), daemonset, now).settled


def test_on_a_first_install_it_settles_a_while_after_completeness() -> None:
    latch = Latch(0.0)
    assert not settled(latch, FRESH, 1.0)
    assert not settled(latch, COMPLETE, 5.0)
    assert not settled(latch, COMPLETE, 5.0 + SETTLE - 0.1)
    assert latch.see(pod(), COMPLETE, 5.0 + SETTLE) == Verdict(known=True, settled=True, mark="abc.1")


def test_others_that_settle_first_and_turn_unready_do_not_stop_it() -> None:
    latch = Latch(0.0)
    settled(latch, COMPLETE, 5.0)
    settled(latch, STEADY, 6.0)
    assert settled(latch, STEADY, 5.0 + SETTLE)


def test_the_mark_carries_it_over_a_restart() -> None:
    assert settled(Latch(0.0), STEADY, 0.1, pod(mark="abc.1"))


def test_the_mark_of_another_revision_or_release_does_not() -> None:
    assert not settled(Latch(0.0), STEADY, 0.1, pod(mark="old.1"))
    assert not settled(Latch(0.0), replace(STEADY, release="2"), 0.1, pod(mark="abc.1"))


def test_a_mark_that_comes_later_is_no_mark() -> None:
    latch = Latch(0.0)
    settled(latch, STEADY, 0.1)
    assert not settled(latch, STEADY, 0.2, pod(mark="abc.1"))


def test_an_upgrade_without_change_unsettles_and_settles_again() -> None:
    latch = Latch(0.0)
    assert settled(latch, STEADY, 0.1, pod(mark="abc.1"))
    upgraded = replace(STEADY, release="2")
    assert not settled(latch, upgraded, 10.0)
    assert not settled(latch, replace(upgraded, available=3), 12.0)
    assert latch.see(pod(), replace(upgraded, available=1), 12.0 + SETTLE) == Verdict(True, True, "abc.2")


def test_a_rollout_unsettles_the_old_pod() -> None:
    latch = Latch(0.0)
    assert settled(latch, STEADY, 0.1, pod(mark="abc.1"))
    assert not settled(latch, replace(STEADY, generation=2, template="2"), 1.0)


def test_an_old_pod_does_not_settle_while_it_is_to_be_replaced() -> None:
    latch = Latch(0.0)
    left_over = replace(COMPLETE, generation=2, observed=2, template="2", updated=2)
    settled(latch, left_over, 1.0)
    assert not settled(latch, left_over, 1.0 + SETTLE)


def test_a_pod_that_a_rollback_kept_settles_though_its_generation_is_old() -> None:
    latch = Latch(0.0)
    rolled_back = replace(COMPLETE, generation=3, observed=3, template="3")
    settled(latch, rolled_back, 1.0)
    assert settled(latch, rolled_back, 1.0 + SETTLE)


def test_a_pod_that_was_replaced_unsettles_the_others_so_that_all_settle_together() -> None:
    latch = Latch(0.0)
    assert settled(latch, STEADY, 0.1, pod(mark="abc.1"))
    assert not settled(latch, replace(STEADY, updated=2), 1.0)
    settled(latch, COMPLETE, 4.0)
    assert settled(latch, STEADY, 4.0 + SETTLE)


def test_the_cap_settles_whoever_never_saw_completeness() -> None:
    latch = Latch(0.0)
    assert not settled(latch, STEADY, 1.0)
    assert not settled(latch, STEADY, CAP)
    assert settled(latch, STEADY, 1.0 + CAP)


def test_a_rollout_that_hangs_does_not_make_it_come_and_go() -> None:
    latch = Latch(0.0)
    hung = replace(STEADY, updated=2)
    settled(latch, hung, 0.0)
    assert settled(latch, hung, CAP + 1)
    assert settled(latch, hung, CAP + 2)
    assert not settled(latch, replace(hung, generation=2), CAP + 3)


def test_nothing_is_known_before_the_daemonset_was_seen_and_the_mark_stays() -> None:
    assert Latch(0.0).see(pod(mark="abc.1"), None, 1.0) == Verdict(known=False, settled=False)


def test_a_pod_without_a_daemonset_is_settled() -> None:
    assert Latch(0.0).see(pod(daemonset=""), None, 0.0) == Verdict(known=True, settled=True)


states = st.builds(
    DaemonSet,
    generation=st.integers(1, 2),
    observed=st.integers(1, 2),
    desired=st.just(3),
    updated=st.integers(0, 3),
    available=st.integers(0, 3),
    release=st.sampled_from("12"),
    template=st.sampled_from(["", "1", "2"]),
)
histories = st.lists(st.tuples(st.floats(0.1, 60), states), min_size=1, max_size=30)


@given(histories)
def test_whoever_is_settled_was_quiet_for_long_enough(history: list[tuple[float, DaemonSet]]) -> None:
    latch, now, moved = Latch(0.0), 0.0, 0.0
    key = None
    for pause, state in history:
        now += pause
        moved = now if state.release != key else moved
        key = state.release
        verdict = latch.see(pod(), state, now)
        assert verdict.known
        assert bool(verdict.mark) == verdict.settled
        assert not verdict.settled or now - moved >= SETTLE - 1e-6
        assert not verdict.settled or verdict.mark == f"abc.{key}"


@given(histories)
def test_quiet_always_ends_in_settling(history: list[tuple[float, DaemonSet]]) -> None:
    latch, now = Latch(0.0), 0.0
    for pause, state in history:
        now += pause
        latch.see(pod(), state, now)
    last = history[-1][1]
    latch.see(pod(), last, now + CAP + 1)
    assert latch.see(pod(), last, now + 2 * CAP + 2).settled
    assert latch.due is None
