"""Who ranks behind whom in a rollout, as its pods see it."""

from dataclasses import replace

from sidecar.kube.facts import DaemonSet, Meta, Pod
from sidecar.kube.succession import Succession

OLD = Pod(Meta(labels={"pod-template-generation": "1"}), "node1", "carp")
NEW = Pod(Meta(labels={"pod-template-generation": "2"}), "node2", "carp")
CALM = DaemonSet(1, 1, 3, 3, 3, template="1")
ANNOUNCED = DaemonSet(2, 1, 3, 3, 3, template="2")
BEGUN = DaemonSet(2, 2, 3, 0, 3, template="2")
FIRST_STARTS = DaemonSet(2, 2, 3, 1, 2, template="2")
FIRST_THERE = DaemonSet(2, 2, 3, 1, 3, template="2")
SECOND_STARTS = DaemonSet(2, 2, 3, 2, 2, template="2")
WHOLE = [CALM, ANNOUNCED, BEGUN, FIRST_STARTS, FIRST_THERE, FIRST_STARTS, SECOND_STARTS]


def told(pod: Pod, seen: list[DaemonSet], *, master: bool) -> list[bool]:
    succession = Succession()
    return [succession.gives_way(pod, one, master=master) for one in seen]


def test_an_old_backup_gives_way_from_the_first_available_new_pod_on_and_not_before() -> None:
    assert told(OLD, WHOLE, master=False) == [False] * 4 + [True] * 3


def test_an_old_master_serves_until_it_is_replaced() -> None:
    assert not any(told(OLD, WHOLE, master=True))


def test_a_backup_that_gave_way_and_has_to_serve_serves_as_any_other() -> None:
    succession = Succession()
    assert succession.gives_way(OLD, FIRST_THERE, master=False)
    assert not succession.gives_way(OLD, FIRST_STARTS, master=True)
    assert succession.gives_way(OLD, FIRST_STARTS, master=False)


def test_a_new_pod_never_gives_way() -> None:
    assert not any(told(NEW, WHOLE, master=False))


def test_after_a_rollout_it_is_over_and_the_next_one_begins_anew() -> None:
    next_one = replace(BEGUN, generation=3, observed=3, template="3")
    assert told(OLD, [FIRST_THERE, next_one], master=False) == [True, False]
    assert told(OLD, [FIRST_THERE, replace(FIRST_THERE, updated=3)], master=False) == [True, False]


def test_without_a_daemonset_there_is_no_rollout() -> None:
    assert not Succession().gives_way(OLD, None, master=False)
    assert not Succession().gives_way(None, FIRST_THERE, master=False)
