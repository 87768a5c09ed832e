"""What our own pod and node carry, and when it is worth a request."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sidecar.kube.facts import Meta
from sidecar.kube.keeper import Assertion, Patch, demotion_patch, node_patch, owner_of, pod_patch, stands, without
from sidecar.kube.wire import Notice, VhostNotice

ONE = VhostNotice(10, "master", ("10.0.0.9", "fd00::9"), "2026-01-01T00:00:00.000Z", "master_down: silence", 20, 0)
TWO = replace(ONE, vhid=11, role="backup")


def patch(role: str) -> Patch:
    return pod_patch(Notice(1, (replace(ONE, role=role),), healthy=True), "abc.1")


def applied(patch: Patch, version: str = "") -> Meta:
    parts = patch["metadata"]
    labels = {name: value for name, value in parts["labels"].items() if value is not None}
    annotations = {name: value for name, value in parts["annotations"].items() if value is not None}
    return Meta(labels=labels, annotations=annotations, version=version)


def test_a_pod_with_one_virtual_host_has_one_role() -> None:
    assert pod_patch(Notice(1, (ONE,), healthy=True), "abc.1") == {
        "metadata": {
            "labels": {"carp-role": "master", "carp-sidecar.io/vhid": "10"},
            "annotations": {
                "carp-sidecar.io/settled": "abc.1",
                "carp-sidecar.io/addresses": "10.0.0.9,fd00::9",
                "carp-sidecar.io/since": "2026-01-01T00:00:00.000Z",
                "carp-sidecar.io/reason": "master_down: silence",
                "carp-sidecar.io/advskew": "20",
                "carp-sidecar.io/demotion": "0",
            },
        }
    }


def test_a_pod_with_several_has_each_besides_the_first() -> None:
    labels = pod_patch(Notice(1, (ONE, TWO), healthy=True), "")["metadata"]["labels"]
    assert labels == {
        "carp-role": "master",
        "carp-sidecar.io/vhid": "10",
        "carp-role-10": "master",
        "carp-role-11": "backup",
    }


def test_who_is_not_settled_has_no_mark() -> None:
    assert pod_patch(Notice(1, (ONE,), healthy=True), "")["metadata"]["annotations"]["carp-sidecar.io/settled"] is None
    assert (
        "carp-sidecar.io/settled" not in without(patch("master"), "carp-sidecar.io/settled")["metadata"]["annotations"]
    )


def test_a_node_says_role_and_whose_it_is_until_one_leaves() -> None:
    assert node_patch(Notice(1, (ONE,), healthy=True), "time.ntp")["metadata"] == {
        "labels": {"carp-sidecar.io/vhid-10": "master"},
        "annotations": {"carp-sidecar.io/vhid-10-instance": "time.ntp"},
    }
    assert node_patch(Notice(1, (ONE,), healthy=True, leaving=True), "time.ntp")["metadata"] == {
        "labels": {"carp-sidecar.io/vhid-10": None},
        "annotations": {"carp-sidecar.io/vhid-10-instance": None},
    }
    assert owner_of("time", Meta(labels={"app.kubernetes.io/instance": "ntp"})) == "time.ntp"


def test_a_peer_is_relieved_only_as_it_was_read() -> None:
    meta = Meta("dead", "uid-1", "77")
    assert demotion_patch(meta, ["carp-role"]) == {
        "metadata": {"uid": "uid-1", "resourceVersion": "77", "labels": {"carp-role": "backup"}}
    }


def test_nothing_is_due_before_something_is_wanted() -> None:
    assertion = Assertion()
    assert assertion.due(0.0) is None
    assert assertion.next_at() is None


def test_a_new_patch_is_due_at_once_and_a_confirmed_one_after_a_while() -> None:
    assertion = Assertion()
    assertion.want(patch("master"))
    assert assertion.due(0.0) == patch("master")
    assertion.confirmed(patch("master"), "5", again_at=60.0)
    assert assertion.due(59.0) is None
    assert assertion.next_at() == 60.0
    assert assertion.due(60.0) == patch("master")


def test_what_somebody_undid_is_due_again_but_not_what_was_before() -> None:
    assertion = Assertion()
    assertion.want(patch("master"))
    assertion.confirmed(patch("master"), "5", again_at=60.0)
    assertion.saw(applied(patch("backup"), "4"))
    assert assertion.due(1.0) is None
    assertion.saw(applied(patch("master"), "6"))
    assert assertion.due(1.0) is None
    assertion.saw(applied(patch("backup"), "7"))
    assert assertion.due(1.0) == patch("master")


def test_a_failure_holds_until_its_time_or_until_a_new_role() -> None:
    assertion = Assertion()
    assertion.want(patch("master"))
    assertion.hold(30.0)
    assert assertion.due(29.0) is None
    assertion.want(patch("backup"))
    assert assertion.due(29.0) is None
    assertion.urge()
    assert assertion.due(29.0) == patch("backup")


@given(st.lists(st.sampled_from(["master", "backup", "init"]), min_size=1), st.data())
def test_the_server_ends_with_the_last_role_whatever_was_undone_meanwhile(
    roles: list[str], data: st.DataObject
) -> None:
    assertion, server, now = Assertion(), applied(patch("init"), "0"), 0.0
    for number, role in enumerate(roles):
        assertion.want(patch(role))
        if data.draw(st.booleans()):
            server = applied(patch(data.draw(st.sampled_from(["master", "backup"]))), f"{3 * number + 1}")
            assertion.saw(server)
        due = assertion.due(now)
        if due is not None and data.draw(st.booleans()):
            server = applied(due, f"{3 * number + 2}")
            assertion.confirmed(due, server.version, now + 60)
    assertion.saw(server)
    due = assertion.due(now)
    server = applied(due) if due is not None else server
    assert stands(patch(roles[-1]), server)
