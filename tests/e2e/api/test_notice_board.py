"""The notice board against the real API server, with a pod's own bound token and least rights; no kubelet needed."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.kube.latch import SETTLE
from sidecar.kube.wire import Happening
from tests.e2e.api import town as towns
from tests.e2e.api.plane import Plane
from tests.e2e.api.town import Town
from tests.runtime import kube_child
from tests.runtime.kube_child import Child, vhost

COMPLETE = {
    "observedGeneration": 1,
    "desiredNumberScheduled": 1,
    "currentNumberScheduled": 1,
    "updatedNumberScheduled": 1,
    "numberReady": 1,
    "numberAvailable": 1,
    "numberMisscheduled": 0,
}


@pytest.fixture
def town(plane: Plane) -> Town:
    made = towns.found(plane)
    made.add_node(f"{made.namespace}-node1")
    made.add_pod("carp-1", f"{made.namespace}-node1")
    return made


def until(condition: Callable[[], bool], what: str, seconds: float = 20.0) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"{what}: not within {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - began


def board(town: Town, folder: Path, pod: str = "carp-1"):  # type: ignore[no-untyped-def] # a context manager
    return kube_child.running(
        town.plane.url, town.credentials(folder, pod), namespace=town.namespace, pod=pod,
        uid=town.pod(pod)["metadata"]["uid"],
    )  # fmt: skip


def events(town: Town) -> list[str]:
    found = town.plane.ask("GET", f"/apis/events.k8s.io/v1/namespaces/{town.namespace}/events")
    return [one["reason"] for one in found["items"]]


def test_role_annotations_node_and_event_are_shown_with_the_pods_own_token(town: Town, tmp_path: Path) -> None:
    node = f"{town.namespace}-node1"
    with board(town, tmp_path / "sa") as child:
        child.tell(vhost("backup"))
        child.until(lambda: child.hints.written == 1, "backup")
        told = Happening(1, "2026-01-01T00:00:00.5Z", "BecameMaster", "vhid 10: holds 10.0.0.9")
        times = []
        for role in ("master", "backup") * 10:
            child.tell(vhost(role), happened=(told,))
            times.append(child.until(lambda: child.hints.written == child.number, role))
        assert town.role("carp-1") == "backup"
        until(lambda: town.node_role(node) == "backup", "node")
        child.until(lambda: child.hints.told == 1, "told")
        assert events(town) == ["BecameMaster"]
        assert child.hints.errors == 0, child.hints.last_error
        times.sort()
        print(f"role to confirmed label: median {1000 * times[10]:.0f} ms, worst {1000 * times[-1]:.0f} ms")
        print(f"RSS {child.rss_mib:.1f} MiB")
        assert times[10] <= 0.3
        assert child.rss_mib <= 75


def test_it_settles_when_the_daemonset_is_complete_and_a_release_unsettles_it(town: Town, tmp_path: Path) -> None:
    with board(town, tmp_path / "sa") as child:
        child.tell(vhost("master"))
        child.until(lambda: child.hints.known, "known")
        assert not child.hints.settled
        town.status(**COMPLETE)
        took = child.until(lambda: child.hints.settled, "settled", SETTLE + 20)
        assert took >= SETTLE - 1
        mark = "carp-sidecar.io/settled"
        until(lambda: town.pod("carp-1")["metadata"]["annotations"].get(mark) == "abc.1", "the mark")
        town.plane.merge(town.daemonset, {"metadata": {"annotations": {"carp-sidecar.io/release": "2"}}})
        took = child.until(lambda: not child.hints.settled, "unsettled", 5)
        print(f"unsettled {1000 * took:.0f} ms after the release changed")
        until(lambda: mark not in town.pod("carp-1")["metadata"]["annotations"], "no mark")


def test_a_restarted_one_is_settled_at_once(town: Town, tmp_path: Path) -> None:
    town.status(**{**COMPLETE, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3})
    town.plane.merge(f"{town.pods}/carp-1", {"metadata": {"annotations": {"carp-sidecar.io/settled": "abc.1"}}})
    with board(town, tmp_path / "sa") as child:
        child.tell(vhost("backup"))
        child.until(lambda: child.hints.known, "known")
        assert child.hints.settled


def test_cordon_and_maintenance_arrive_by_watch(town: Town, tmp_path: Path) -> None:
    node = f"/api/v1/nodes/{town.namespace}-node1"
    with board(town, tmp_path / "sa") as child:
        child.tell(vhost("backup"))
        child.until(lambda: child.hints.known, "known")
        town.plane.merge(node, {"spec": {"unschedulable": True}})
        took = child.until(lambda: child.hints.cordoned, "cordoned", 5)
        print(f"cordon heard after {1000 * took:.0f} ms")
        town.plane.merge(f"{town.pods}/carp-1", {"metadata": {"annotations": {"carp-sidecar.io/maintenance": "true"}}})
        child.until(lambda: child.hints.maintenance == ("pod",), "maintenance", 5)
        town.plane.merge(node, {"spec": {"unschedulable": None}})
        child.until(lambda: not child.hints.cordoned, "uncordoned", 5)


def test_a_dead_masters_labels_are_cleared_and_a_living_one_is_left(town: Town, tmp_path: Path) -> None:
    dead = f"{town.namespace}-node2"
    town.add_node(dead)
    town.add_pod("carp-2", dead, {"carp-role": "master", "carp-sidecar.io/vhid": "10"})
    owned = {"carp-sidecar.io/vhid-10-instance": f"{town.namespace}.ntp"}
    town.plane.merge(
        f"/api/v1/nodes/{dead}", {"metadata": {"labels": {"carp-sidecar.io/vhid-10": "master"}, "annotations": owned}}
    )
    with board(town, tmp_path / "sa") as child:
        child.tell(vhost("master", interval_s=1.0))
        took = until(lambda: town.role("carp-2") == "backup" and town.node_role(dead) == "backup", "cleared")
        print(f"stale labels cleared after {took:.1f} s")
        assert took <= 10
        town.plane.merge(f"{town.pods}/carp-2", {"metadata": {"labels": {"carp-role": "master"}}})
        child.until(lambda: child.hints.other_masters == ("pod carp-2 (vhid 10)",), "reported")
        until(lambda: "SplitBrainSuspected" in events(town), "Event")
        assert town.role("carp-2") == "master"
        assert child.hints.errors == 0, child.hints.last_error


def test_an_api_that_was_away_has_right_labels_ten_seconds_after_its_return(
    plane: Plane, town: Town, tmp_path: Path
) -> None:
    with board(town, tmp_path / "sa") as child:
        child.tell(vhost("backup"))
        child.until(lambda: child.hints.written == 1, "backup")
        plane.stop()
        child.tell(vhost("master"))
        before = child.hints.errors
        child.until(lambda: child.hints.errors > before + 4, "refused", 60)
        plane.start()
        took = child.until(lambda: town.role("carp-1") == "master", "label", 10)
        print(f"label right {took:.1f} s after the API was ready")
        hears_again(town, child)


def hears_again(town: Town, child: Child) -> None:
    town.plane.merge(f"{town.pods}/carp-1", {"metadata": {"annotations": {"carp-sidecar.io/maintenance": "true"}}})
    child.until(lambda: child.hints.maintenance == ("pod",), "watches again", 25)


def test_a_new_authority_and_a_new_token_are_taken_without_a_restart(plane: Plane, town: Town, tmp_path: Path) -> None:
    with board(town, tmp_path / "sa") as child:
        child.tell(vhost("backup"))
        child.until(lambda: child.hints.written == 1, "backup")
        plane.stop()
        shutil.rmtree(plane.folder / "certs")
        plane.start()
        child.tell(vhost("master"))
        child.until(lambda: "CERTIFICATE_VERIFY_FAILED" in child.hints.last_error, "refuses the unknown authority", 30)
        town.credentials(tmp_path / "sa", "carp-1")
        child.until(lambda: town.role("carp-1") == "master", "label", 15)
        hears_again(town, child)
