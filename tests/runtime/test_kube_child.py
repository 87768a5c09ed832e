"""The notice board as a real process against a real HTTP server: what it shows, and that no fault keeps it from it."""

import signal
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from sidecar.kube.scope import Scope
from sidecar.kube.wire import Happening
from tests.runtime import kube_child
from tests.runtime.kube_child import NODE, POD, cluster, running, vhost
from tests.runtime.kube_server import Cluster, Fault, Handler, serving


def shows(found: Cluster, role: str, name: str = POD) -> bool:
    return found.label("pods", name, "carp-role") == role


def test_a_role_stands_on_pod_and_node_soon_after_it_changed(tmp_path: Path) -> None:
    found = cluster()
    with serving(found) as url, running(url, tmp_path / "sa") as child:
        child.tell(vhost("backup"))
        child.until(lambda: child.hints.written == 1, "first role")
        child.tell(vhost("master", reason="master_down: nothing heard", demotion=0))
        took = child.until(lambda: shows(found, "master"), "master on the pod")
        child.until(lambda: found.label("nodes", NODE, "carp-sidecar.io/vhid-10") == "master", "master on the node")
        child.until(lambda: child.hints.labelled == "master", "told so")
        annotations = found.get("pods", POD)["metadata"]["annotations"]
        print(f"role to label {1000 * took:.0f} ms, RSS {child.rss_mib:.1f} MiB")
        assert took < 2.0
        assert child.rss_mib <= 75
    assert annotations == {
        "carp-sidecar.io/addresses": "10.0.0.9",
        "carp-sidecar.io/since": "2026-01-01T00:00:00.000Z",
        "carp-sidecar.io/reason": "master_down: nothing heard",
        "carp-sidecar.io/advskew": "20",
        "carp-sidecar.io/demotion": "0",
        "carp-sidecar.io/settled": "abc.1",
    }


def test_who_leaves_takes_its_node_label_along_and_ends(tmp_path: Path) -> None:
    found = cluster()
    with serving(found) as url, running(url, tmp_path / "sa") as child:
        child.tell(vhost("master"))
        child.until(lambda: found.label("nodes", NODE, "carp-sidecar.io/vhid-10") == "master", "master")
        child.tell(vhost("init"), leaving=True)
        assert child.process.wait(10) == 0
        assert shows(found, "init")
        assert found.label("nodes", NODE, "carp-sidecar.io/vhid-10") is None


def test_what_is_out_of_scope_is_never_asked_for_and_counts_as_done(tmp_path: Path) -> None:
    found = cluster()
    happened = (Happening(1, "2026-01-01T00:00:00.000Z", "BecameMaster", "holds 10.0.0.9"),)
    scope = Scope(nodes=False, events=False)
    with serving(found) as url, running(url, tmp_path / "sa", words=scope.words) as child:
        child.tell(vhost("master", interval_s=0.1), happened=happened)
        child.until(lambda: shows(found, "master"), "master")
        child.until(lambda: child.hints.told == 1, "the happening to count as told")
        child.until(lambda: any("labelSelector" in one.query for one in found.asked("GET", "pods")), "a look at peers")
        child.tell(vhost("init"), leaving=True)
        assert child.process.wait(10) == 0
    asked = {one.path.partition("/namespaces/time/")[2].partition("/")[0] for one in found.requests}
    assert asked == {"pods", "daemonsets"}
    assert shows(found, "init")


def refusing(status: int, **headers: str) -> Fault:
    def fault(handler: Handler) -> bool:
        handler.refuse(status, "no", **headers)
        return True

    return fault


def silent(handler: Handler) -> bool:
    time.sleep(15)
    return True


def slow(handler: Handler) -> bool:
    time.sleep(1.0)
    return False


def cut(handler: Handler) -> bool:
    handler.connection.shutdown(2)
    handler.close_connection = True
    return True


def nonsense(handler: Handler) -> bool:
    handler.send_response(200)
    handler.send_header("Content-Length", "9")
    handler.end_headers()
    handler.wfile.write(b"<html>no>")
    return True


def dripping(handler: Handler) -> bool:
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.5)
    return True


FAULTS: dict[str, Fault] = {
    "404": refusing(404),
    "409": refusing(409),
    "410": refusing(410),
    "429": refusing(429, Retry_After="1"),
    "500": refusing(500),
    "503": refusing(503, Retry_After="1"),
    "silent": silent,
    "slow": slow,
    "cut": cut,
    "nonsense": nonsense,
    "dripping": dripping,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_request_that_fails_is_made_again_and_counted(tmp_path: Path, fault: str) -> None:
    found = cluster()
    with serving(found) as url, running(url, tmp_path / "sa") as child:
        child.tell(vhost("backup"))
        child.until(lambda: child.hints.written == 1, "first role")
        found.fail(FAULTS[fault], "PATCH", "pods")
        child.tell(vhost("master"))
        child.until(lambda: child.hints.written == 2, fault, 30)
        assert shows(found, "master")
        assert child.hints.errors == (0 if fault == "slow" else 1)
        assert fault == "slow" or child.hints.last_error


@pytest.mark.parametrize("status", [403, 422])
def test_what_is_forbidden_is_tried_more_rarely_but_at_once_for_a_new_role(tmp_path: Path, status: int) -> None:
    found = cluster()
    with serving(found) as url, running(url, tmp_path / "sa") as child:
        found.fail_always(refusing(status), "PATCH", "pods")
        child.tell(vhost("backup"))
        child.until(lambda: child.hints.errors == 1, "refused")
        child.until(lambda: len(found.asked("PATCH", "pods")) == 4, "ever more rarely")
        found.heal()
        child.tell(vhost("master"))
        assert child.until(lambda: child.hints.written == 2, "allowed") < 2


def test_a_token_that_was_rotated_is_read_again(tmp_path: Path) -> None:
    found = cluster()
    with serving(found) as url, running(url, tmp_path / "sa") as child:
        child.tell(vhost("backup"))
        child.until(lambda: child.hints.written == 1, "first role")
        found.tokens = {"new"}
        child.tell(vhost("master"))
        child.until(lambda: child.hints.errors > 0, "401")
        assert "401" in child.hints.last_error
        kube_child.credentials(tmp_path / "sa", "new")
        child.until(lambda: child.hints.written == 2, "written with the new token")


def test_only_the_latest_of_many_roles_is_written(tmp_path: Path) -> None:
    found = cluster()
    with serving(found) as url, running(url, tmp_path / "sa") as child:
        child.tell(vhost("backup"))
        child.until(lambda: child.hints.written == 1, "first role")
        found.fail(slow, "PATCH", "pods")
        before = time.monotonic()
        for number in range(50):
            child.tell(vhost("master" if number % 2 else "backup"))
        child.until(lambda: child.hints.written == 51, "the last")
        assert shows(found, "master")
        assert len(found.asked("PATCH", "pods", before)) <= 3


def test_labels_are_right_within_ten_seconds_of_the_servers_return(tmp_path: Path) -> None:
    found = cluster()
    with ExitStack() as server, ExitStack() as process:
        url = server.enter_context(serving(found))
        child = process.enter_context(running(url, tmp_path / "sa"))
        child.tell(vhost("backup"))
        child.until(lambda: child.hints.written == 1, "first role")
        server.close()
        child.tell(vhost("master"))
        child.until(lambda: child.hints.errors >= 8, "refused for a while", 60)
        server.enter_context(serving(found, int(url.rpartition(":")[2])))
        took = child.until(lambda: child.hints.written == 2, "written after the return", 10)
        print(f"right {took:.1f} s after the return")
        found.change("nodes", NODE, {"spec": {"unschedulable": True}})
        child.until(lambda: child.hints.cordoned, "watches again", 20)


def test_what_somebody_else_removed_is_put_back(tmp_path: Path) -> None:
    found = cluster()
    with serving(found) as url, running(url, tmp_path / "sa") as child:
        child.tell(vhost("master"))
        child.until(lambda: child.hints.written == 1, "written")
        found.change("pods", POD, {"metadata": {"labels": {"carp-role": "backup"}}})
        child.until(lambda: shows(found, "master"), "put back on the pod")
        found.change("nodes", NODE, {"metadata": {"labels": {"carp-sidecar.io/vhid-10": None}}})
        child.until(lambda: found.label("nodes", NODE, "carp-sidecar.io/vhid-10") == "master", "put back on the node")


def test_steady_state_asks_nothing_for_a_while(tmp_path: Path) -> None:
    found = cluster()
    with serving(found) as url, running(url, tmp_path / "sa") as child:
        child.tell(vhost("backup"))
        child.until(lambda: child.hints.written == 1, "written")
        time.sleep(1)
        before = time.monotonic()
        child.tell(vhost("backup", alone=False))
        time.sleep(5)
        assert found.asked("", since=before) == []
        assert {one.path for one in found.requests if one.is_watch} == {
            "/api/v1/namespaces/time/pods",
            "/api/v1/nodes",
            "/apis/apps/v1/namespaces/time/daemonsets",
        }
        assert len([one for one in found.requests if one.is_watch]) == 3


def test_maintenance_cordon_and_an_old_revision_are_hinted(tmp_path: Path) -> None:
    found = cluster()
    with serving(found) as url, running(url, tmp_path / "sa") as child:
        child.tell(vhost("backup"))
        child.until(lambda: child.hints.known and child.hints.settled, "settled")
        assert (child.hints.maintenance, child.hints.cordoned, child.hints.outdated) == ((), False, False)
        found.change("pods", POD, {"metadata": {"annotations": {"carp-sidecar.io/maintenance": "true"}}})
        child.until(lambda: child.hints.maintenance == ("pod",), "by the pod")
        found.change("nodes", NODE, {"metadata": {"annotations": {"carp-sidecar.io/maintenance": "on"}}})
        child.until(lambda: child.hints.maintenance == ("pod", "node"), "by both")
        found.change("nodes", NODE, {"spec": {"unschedulable": True}})
        child.until(lambda: child.hints.cordoned, "cordoned")
        changed = {"metadata": {"generation": 2, "annotations": {"deprecated.daemonset.template.generation": "2"}}}
        found.change("daemonsets", kube_child.DAEMONSET, changed)
        child.until(lambda: not child.hints.settled, "unsettled")
        assert not child.hints.outdated
        one_new = {"observedGeneration": 2, "updatedNumberScheduled": 1}
        found.change("daemonsets", kube_child.DAEMONSET, {"status": one_new})
        child.until(lambda: child.hints.outdated, "outdated")
        child.tell(vhost("master"))
        child.until(lambda: not child.hints.outdated, "the master serves on")
        child.until(lambda: "carp-sidecar.io/settled" not in found.get("pods", POD)["metadata"]["annotations"], "mark")


def test_a_watch_that_ends_or_is_refused_begins_again(tmp_path: Path) -> None:
    found = cluster()
    with serving(found) as url, running(url, tmp_path / "sa") as child:
        child.tell(vhost("backup"))
        child.until(lambda: child.hints.known, "seen")
        for fault in (refusing(410), refusing(500), nonsense, cut):
            found.fail(fault, "GET", "nodes")
            found.end_watches()
            cordoned = not child.hints.cordoned
            child.until(lambda: not found.faults, "the fault was met")
            found.change("nodes", NODE, {"spec": {"unschedulable": cordoned}})
            child.until(lambda wanted=cordoned: child.hints.cordoned is wanted, "seen again")  # type: ignore[misc]


def test_where_a_watch_is_forbidden_it_asks(tmp_path: Path) -> None:
    found = cluster()
    found.change("nodes", NODE, {"spec": {"unschedulable": True}})
    found.fail(refusing(403), "GET", "nodes", times=4)
    with serving(found) as url, running(url, tmp_path / "sa") as child:
        child.tell(vhost("backup"))
        child.until(lambda: child.hints.cordoned, "asked", 30)
        assert "instead" in child.said[0]


def test_a_server_that_forbids_everything_for_a_moment_costs_only_that_moment(tmp_path: Path) -> None:
    found = cluster()
    found.fail_always(refusing(403))
    with serving(found) as url, running(url, tmp_path / "sa") as child:
        child.tell(vhost("backup"))
        child.until(lambda: len(found.requests) >= 2, "forbidden")
        found.heal()
        child.until(lambda: child.hints.written == 1, "written", 10)
        found.change("nodes", NODE, {"spec": {"unschedulable": True}})
        child.until(lambda: child.hints.cordoned, "watched", 10)
        assert child.said == []


def test_happenings_become_events_and_the_same_again_a_series(tmp_path: Path) -> None:
    found = cluster()
    first, again = (Happening(n, "2026-01-01T00:00:00.5Z", "BecameMaster", "vhid 10: holds it") for n in (1, 2))
    with serving(found) as url, running(url, tmp_path / "sa") as child:
        child.tell(vhost("master"), happened=(first,))
        child.until(lambda: child.hints.told == 1, "told")
        child.tell(vhost("master"), happened=(first, again))
        child.until(lambda: child.hints.told == 2, "told again")
        events = [one for (plural, _), one in found.objects.items() if plural == "events"]
    assert len(events) == 1
    assert events[0]["reason"] == "BecameMaster"
    assert events[0]["regarding"]["uid"] == f"uid-{POD}"
    assert events[0]["eventTime"] == "2026-01-01T00:00:00.500000Z"
    assert events[0]["series"]["count"] == 2


STALE = {"carp-role": "master", "carp-sidecar.io/vhid": "10"}
OURS = {"carp-sidecar.io/vhid-10-instance": "time.ntp"}


def dead_master(found: Cluster) -> None:
    kube_child.add_pod(found, "dead", "node2", labels=STALE)
    kube_child.add_node(found, "node2", {"carp-sidecar.io/vhid-10": "master"}, OURS)


def test_a_new_master_takes_the_label_of_a_dead_one_on_pod_and_node(tmp_path: Path) -> None:
    found = cluster()
    dead_master(found)
    other = {"app.kubernetes.io/instance": "another"}
    kube_child.add_pod(found, "stranger", "node3", labels={**STALE, **other})
    kube_child.add_pod(found, "segment", "node3", labels={**STALE, "carp-sidecar.io/vhid": "11"})
    kube_child.add_node(found, "node3", {"carp-sidecar.io/vhid-10": "master"}, {next(iter(OURS)): "time.another"})
    with serving(found) as url, running(url, tmp_path / "sa") as child:
        child.tell(vhost("master"))
        child.until(lambda: found.label("pods", "dead", "carp-role") == "backup", "pod cleared")
        child.until(lambda: found.label("nodes", "node2", "carp-sidecar.io/vhid-10") == "backup", "node cleared")
        time.sleep(2)
        child.hear()
        assert found.label("pods", "stranger", "carp-role") == "master"
        assert found.label("pods", "segment", "carp-role") == "master"
        assert found.label("nodes", "node3", "carp-sidecar.io/vhid-10") == "master"
        assert child.hints.other_masters == ()
        reasons = [one["reason"] for (plural, _), one in found.objects.items() if plural == "events"]
        assert reasons == ["StaleMasterCleared", "StaleMasterCleared"]


def test_nobody_is_relieved_while_another_master_is_heard(tmp_path: Path) -> None:
    found = cluster()
    dead_master(found)
    with serving(found) as url, running(url, tmp_path / "sa") as child:
        for _ in range(15):
            child.tell(vhost("master", alone=False))
            time.sleep(0.1)
        assert found.label("pods", "dead", "carp-role") == "master"


def test_who_claims_again_is_let_be_and_reported(tmp_path: Path) -> None:
    found = cluster()
    dead_master(found)
    with serving(found) as url, running(url, tmp_path / "sa") as child:
        child.tell(vhost("master"))
        child.until(lambda: found.label("pods", "dead", "carp-role") == "backup", "cleared")
        found.change("pods", "dead", {"metadata": {"labels": {"carp-role": "master"}}})
        child.until(lambda: child.hints.other_masters == ("pod dead (vhid 10)",), "reported")
        child.until(
            lambda: any(
                one["reason"] == "SplitBrainSuspected" for (kind, _), one in found.objects.items() if kind == "events"
            ),
            "Event",
        )
        time.sleep(3)
        assert found.label("pods", "dead", "carp-role") == "master"


def test_a_master_whose_label_was_taken_reports_the_other_one_and_lets_him_be(tmp_path: Path) -> None:
    found = cluster()
    kube_child.add_pod(found, "alive", "node2")
    with serving(found) as url, running(url, tmp_path / "sa") as child:
        child.tell(vhost("master"))
        child.until(lambda: len(found.asked("GET", "pods")) > 0, "looked")
        found.change("pods", "alive", {"metadata": {"labels": STALE}})
        found.change("pods", POD, {"metadata": {"labels": {"carp-role": "backup"}}})
        child.until(lambda: child.hints.other_masters == ("pod alive (vhid 10)",), "reported")
        assert shows(found, "master")
        assert found.label("pods", "alive", "carp-role") == "master"


def test_for_a_parent_that_is_silent_nothing_is_put_back_and_nobody_suspected(tmp_path: Path) -> None:
    found = cluster()
    kube_child.add_pod(found, "successor", "node2")
    with serving(found) as url, running(url, tmp_path / "sa") as child:
        child.tell(vhost("master"))
        child.until(lambda: len(found.asked("GET", "pods")) > 1, "looked")
        found.change("pods", "successor", {"metadata": {"labels": STALE}})
        found.change("pods", POD, {"metadata": {"labels": {"carp-role": "backup"}}})
        since = time.monotonic()
        time.sleep(4)
        child.hear()
        assert found.asked("PATCH", since=since) == []
        assert child.hints.other_masters == ()
        child.until(lambda: shows(found, "master"), "put back once the parent has spoken")
        child.until(lambda: child.hints.other_masters == ("pod successor (vhid 10)",), "suspected")


def test_for_a_parent_that_is_silent_its_successor_is_not_relieved(tmp_path: Path) -> None:
    found = cluster()
    kube_child.add_pod(found, "successor", "node2")
    with serving(found) as url, running(url, tmp_path / "sa") as child:
        child.tell(vhost("master"))
        child.until(lambda: len(found.asked("GET", "pods")) > 2, "looked for the third time; the next is 6 s later")
        child.tell_again()
        time.sleep(3)
        found.change("pods", "successor", {"metadata": {"labels": STALE}})
        time.sleep(4.5)
        assert found.label("pods", "successor", "carp-role") == "master"
        child.until(lambda: found.label("pods", "successor", "carp-role") == "backup", "relieved when it speaks again")


def test_a_peer_that_changed_meanwhile_is_looked_at_again(tmp_path: Path) -> None:
    found = cluster()
    dead_master(found)

    def meanwhile(handler: Handler) -> bool:
        found.change("pods", "dead", {"metadata": {"annotations": {"x": "y"}}})
        return False

    found.fail(meanwhile, "PATCH", "pods/dead")
    with serving(found) as url, running(url, tmp_path / "sa") as child:
        child.tell(vhost("master"))
        child.until(lambda: found.label("pods", "dead", "carp-role") == "backup", "cleared in the end")
        assert len(found.asked("PATCH", "pods/dead")) == 2


def test_the_child_ends_with_its_parents_end_of_the_socket(tmp_path: Path) -> None:
    with serving(cluster()) as url, running(url, tmp_path / "sa") as child:
        child.tell(vhost("backup"))
        child.until(lambda: child.hints.written == 1, "runs")
        child.channel.close()
        assert child.process.wait(5) == 0


def test_a_signal_to_the_whole_group_does_not_keep_it_from_showing_the_last_role(tmp_path: Path) -> None:
    found = cluster()
    with serving(found) as url, running(url, tmp_path / "sa") as child:
        child.tell(vhost("master"))
        child.until(lambda: child.hints.written == 1, "runs")
        child.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        child.tell(vhost("init"), leaving=True)
        assert child.process.wait(10) == 0
        assert shows(found, "init")


def test_a_master_of_two_addresses_relieves_the_dead_one_of_that_which_it_took_over(tmp_path: Path) -> None:
    found = cluster()
    both = {"carp-role": "master", "carp-sidecar.io/vhid": "10", "carp-role-10": "master", "carp-role-11": "master"}
    kube_child.add_pod(found, "dead", "node2", labels=both)
    with serving(found) as url, running(url, tmp_path / "sa") as child:
        child.tell(vhost("master", 10), vhost("backup", 11))
        child.until(lambda: found.label("pods", "dead", "carp-role-10") == "backup", "cleared")
        assert found.label("pods", "dead", "carp-role") == "backup"
        assert found.label("pods", "dead", "carp-role-11") == "master"
        assert found.label("pods", POD, "carp-role") == "master"
        assert found.label("pods", POD, "carp-role-11") == "backup"
        child.tell(vhost("master", 10), vhost("master", 11))
        child.until(lambda: found.label("pods", "dead", "carp-role-11") == "backup", "cleared too")


def test_garbage_from_the_parent_is_no_harm(tmp_path: Path) -> None:
    found = cluster()
    with serving(found) as url, running(url, tmp_path / "sa") as child:
        for packet in (b"{", b"\xff" * 100, b'{"v":2}', b"x" * 66000, b"[" * 50000):
            child.channel.send(packet)
        child.tell(vhost("master"))
        child.until(lambda: shows(found, "master"), "written all the same")
        assert len(child.said) == 5


def test_the_child_has_no_capability_and_no_descriptor_but_its_own(tmp_path: Path) -> None:
    with serving(cluster()) as url, running(url, tmp_path / "sa") as child:
        child.tell(vhost("backup"))
        child.until(lambda: child.hints.written == 1, "runs")
        status = Path(f"/proc/{child.process.pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines())
        assert {fields[name].strip() for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {"0" * 16}
        assert fields["NoNewPrivs"].strip() == "1"
