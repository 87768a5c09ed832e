"""Rollouts of every kind: they end, every pod is new, and a client outside loses nothing. One release for all.

What is asserted of lost queries is 2 of a client at 50 per second, and the machine's own noise (`rolling.Lost`).
"""

import json
import statistics
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.cluster.shell import wait_for
from tests.e2e.inside import wait_until_sound
from tests.e2e.masters import changes, lasting
from tests.e2e.moves import Move, cordon, delete, drain, evict, hands_over_first, leads_to, master_pod
from tests.e2e.product import PASSPHRASE, SECRET, Product
from tests.e2e.rolling import client, roll
from tests.e2e.watching import Watching

LOST_MAX = 2
MOVES_MAX = 2  # away from the best member when it is replaced, and back
CHANGES = 12
REST_SECONDS = 2
QUIET_SECONDS = 10.0  # in which nobody more becomes Ready
HELM_SECONDS = 30.0
LABEL_SECONDS = 0.3
UNSYNCHRONISED = {"ntp.chrony.servers": [], "ntp.chrony.localStratum": 10}
SERVICE_SECONDS = 1.0
RELOADED_SECONDS = 60.0
HOOK = "system:serviceaccount:default:carp-carp-sidecar-unsettle"
REFUSAL = [
    {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "refuse-the-hook"},
        "spec": {
            "matchConstraints": {
                "resourceRules": [
                    {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["daemonsets"]}
                ]
            },
            "validations": [{"expression": f"request.userInfo.username != '{HOOK}'"}],
        },
    },
    {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "refuse-the-hook"},
        "spec": {"policyName": "refuse-the-hook", "validationActions": ["Deny"]},
    },
]


@pytest.fixture
def refused(cluster: Cluster) -> Iterator[None]:
    """The API refuses whatever the hook asks for."""
    manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": REFUSAL})
    cluster.kubectl("apply", "-f", "-", stdin=manifest)
    time.sleep(3)  # until it is in force
    yield
    cluster.kubectl("delete", "-f", "-", stdin=manifest)


def uids(product: Product) -> set[str]:
    return {pod["metadata"]["uid"] for pod in product.pods()}


def mark(product: Product) -> str:
    """What the hook last wrote on the DaemonSet."""
    found = product.cluster.get("daemonset", product.daemonset)["metadata"]["annotations"]
    return str(found.get("carp-sidecar.io/rollout", ""))


def unchanged(product: Product, version: int, record: Any) -> None:
    """`helm upgrade --wait` with the same values ends, and no pod is another."""
    before, began = uids(product), time.monotonic()
    product.upgrade({}, version=version)
    record("upgrade", f"{time.monotonic() - began:.1f} s")
    print(f"helm {version} upgrade without a change: {time.monotonic() - began:.1f} s")
    assert uids(product) == before


def test_an_install_ends_with_one_master_and_labels_readiness_and_kernel_agree(
    product: Product, cluster: Cluster, record_property: Any
) -> None:
    record_property("install", f"{product.installed_seconds:.1f} s")
    print(f"helm install --wait: {product.installed_seconds:.1f} s")
    node = product.wait_until_settled()
    assert [product.masters(), product.master_nodes(), product.owners(), product.ready()] == [[node]] * 4
    assert cluster.get("secret", SECRET)["data"]


@pytest.mark.usefixtures("master")
def test_an_upgrade_without_a_change_ends_also_without_the_hook(product: Product, record_property: Any) -> None:
    before = mark(product)
    product.values["rollout"] = {"unsettleFirst": False}
    unchanged(product, 3, record_property)
    product.values["rollout"] = {}
    assert mark(product) == before


@pytest.mark.usefixtures("refused")
def test_an_upgrade_goes_on_when_the_api_refuses_its_hook(product: Product, record_property: Any) -> None:
    before = mark(product)
    unchanged(product, 3, record_property)
    assert mark(product) == before


def test_an_upgrade_waits_ten_seconds_and_no_more_for_a_member_that_stays_unready(
    product: Product, master: str, record_property: Any
) -> None:
    """It is under maintenance, so it cannot be Ready; without the rule of the hook Helm would wait for two minutes."""
    before, marked = uids(product), mark(product)
    unready = next(one["metadata"]["name"] for one in product.pods() if one["spec"]["nodeName"] != master)
    product.carp(unready, "maintenance", "on")
    began = time.monotonic()
    try:
        product.upgrade({"rollout.waitSeconds": 120})
    finally:
        product.values["rollout"] = {}
        product.carp(unready, "maintenance", "off")
    took = time.monotonic() - began
    record_property("upgrade", f"{took:.1f} s")
    print(f"helm upgrade without a change, one member under maintenance: {took:.1f} s")
    assert QUIET_SECONDS <= took <= QUIET_SECONDS + HELM_SECONDS
    assert uids(product) == before
    assert mark(product) != marked
    wait_until_sound(product)


def test_a_role_change_is_in_the_api_and_in_the_service_at_once(
    product: Product, cluster: Cluster, record_property: Any
) -> None:
    service = f"kubernetes.io/service-name={product.daemonset}-ntp"
    began = time.time()
    with Watching(cluster, "pods", "-l", product.selector) as pods:
        with Watching(cluster, "endpointslices", "-l", service) as slices:
            while len(lasting(changes(pods.events, began))) < CHANGES and time.time() < began + 90:
                product.carp(master_pod(product)[0], "resign", "--for", str(REST_SECONDS))
                time.sleep(REST_SECONDS + 1)  # the best one takes over again
            found = lasting(changes(pods.events, began))
            services = [
                slices.first(f"{node} in the Service", lambda one, node=node: leads_to(one) == [node], at) - at  # type: ignore[misc]
                for at, node, _ in found
            ]
    labels = [label for _, _, label in found]
    for name, figures in (("label", labels), ("service", services)):
        said = f"{statistics.median(figures):.3f} s, at most {max(figures):.3f} s (n={len(figures)})"
        record_property(name, said)
        print(f"to the {name}: median {said}")
    assert len(found) >= CHANGES
    assert statistics.median(labels) <= LABEL_SECONDS
    assert statistics.median(services) <= SERVICE_SECONDS


def test_passphrases_are_rotated_without_a_transition(product: Product, cluster: Cluster, record_property: Any) -> None:
    before = {node: status["vhosts"][0]["transitions"] for node, status in product.statuses().items()}
    with client(product) as lost:
        for step, lines in enumerate((f"{PASSPHRASE}\nnew", f"new\n{PASSPHRASE}", "new"), 1):
            patch = json.dumps({"stringData": {"passphrases": lines}})
            cluster.kubectl("patch", "secret", SECRET, "--type=merge", f"--patch={patch}")
            touch = [f"kubelet-look-again={step}", "--overwrite"]  # or it looks once a minute
            cluster.kubectl("annotate", "pods", "-l", product.selector, *touch)
            wait_until_reloaded(product, step)
            time.sleep(3)  # of advertisements by the new set
    record_property("rotation", str(lost))
    print(lost)
    statuses = product.statuses()
    assert {node: status["vhosts"][0]["transitions"] for node, status in statuses.items()} == before
    assert not any(status["vhosts"][0]["counters"]["dropped"].get("badauth") for status in statuses.values())
    assert lost.at_most(0)


def wait_until_reloaded(product: Product, times: int) -> None:
    wait_for(f"every pod to have reloaded {times} times", lambda: reloads(product) == {times}, RELOADED_SECONDS)


def reloads(product: Product) -> set[int]:
    """How many times each pod says that it has taken up a changed file."""
    names = [pod["metadata"]["name"] for pod in product.pods()]
    return {product.cluster.kubectl("logs", name, "-c", "carp").stdout.count("reloaded: ") for name in names}


@pytest.mark.usefixtures("master")
def test_an_upgrade_without_a_change_ends_with_helm_4(product: Product, record_property: Any) -> None:
    before = mark(product)
    unchanged(product, 4, record_property)
    assert mark(product) != before


@pytest.mark.parametrize("move", [cordon, drain])
def test_a_master_whose_node_is_taken_away_hands_over_first(product: Product, record_property: Any, move: Move) -> None:
    hands_over_first(product, record_property, move)


@pytest.mark.usefixtures("master")
def test_an_upgrade_of_the_image_replaces_pods_one_at_a_time_and_loses_nothing(
    product: Product, record_property: Any
) -> None:
    rolled = roll(product, lambda: product.upgrade({"image.tag": "NEXT"}), record_property)
    assert {pod["spec"]["initContainers"][0]["image"] for pod in product.pods()} == {"localhost/carp-sidecar:NEXT"}
    assert rolled.at_once == 1
    assert rolled.lost.at_most(LOST_MAX)
    assert len(rolled.moves) <= MOVES_MAX


@pytest.mark.parametrize("move", [delete, evict])
def test_a_master_whose_pod_is_taken_away_hands_over_first(product: Product, record_property: Any, move: Move) -> None:
    hands_over_first(product, record_property, move)


def test_an_image_that_does_not_exist_stops_at_the_first_pod_and_a_rollback_ends_it(
    product: Product, record_property: Any
) -> None:
    before = product.values["image"]["tag"]
    with client(product) as lost:
        assert not product.upgrade({"image.tag": "MISSING"}, check=False, seconds=15)
        assert len(product.ready()) == product.nodes - 1
        product.rollback()
        product.values["image"]["tag"] = before
        wait_for("every pod to be Ready", lambda: len(product.ready()) == product.nodes, 60)
    record_property("stuck", str(lost))
    print(lost)
    assert lost.at_most(LOST_MAX)


@pytest.mark.usefixtures("master")
def test_a_rollout_that_nobody_announced_ends_and_loses_nothing(
    product: Product, cluster: Cluster, record_property: Any
) -> None:
    def restart() -> None:
        name = f"daemonset/{product.daemonset}"
        cluster.kubectl("rollout", "restart", name)
        cluster.kubectl("rollout", "status", name, "--timeout=120s", timeout=150)

    rolled = roll(product, restart, record_property)
    assert rolled.lost.at_most(LOST_MAX)
    assert len(rolled.moves) <= MOVES_MAX


def test_a_switch_to_readiness_by_health_is_announced_too_and_loses_nothing(
    product: Product, record_property: Any
) -> None:
    before = mark(product)
    values = {"sidecar.readiness": "health", "image.tag": "TEST", **UNSYNCHRONISED}
    rolled = roll(product, lambda: product.upgrade(values, version=4), record_property)
    assert mark(product) != before
    assert rolled.at_once == 1
    assert rolled.lost.at_most(LOST_MAX)


@pytest.mark.parametrize("move", [drain, delete])
def test_a_master_that_is_taken_away_hands_over_first_by_health(
    product: Product, record_property: Any, move: Move
) -> None:
    hands_over_first(product, record_property, move)
    assert set(product.ready()) >= {master_pod(product)[1]}


@pytest.mark.usefixtures("master")
def test_a_rollback_takes_members_that_are_all_without_a_time_source_one_at_a_time(
    product: Product, record_property: Any
) -> None:
    """Each is demoted by that and, by being of an older template, once more: together that is no ill health."""
    assert len(product.ready()) == product.nodes
    for status in product.statuses().values():
        assert status["vhosts"][0]["demotion"]["causes"]["ntp"]
    rolled = roll(product, lambda: product.rollback(version=4), record_property)
    assert rolled.at_once == 1
    assert rolled.lost.at_most(LOST_MAX)
    assert len(rolled.moves) <= MOVES_MAX
