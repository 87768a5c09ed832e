"""The cluster itself: what every other end-to-end test stands on, by the smallest workload there is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.e2e.cluster import Cluster, ClusterError
from tests.e2e.cluster.images import PAUSE
from tests.e2e.cluster.shell import holds, wait_for

NAME = "idle"
DAEMONSET = {
    "apiVersion": "apps/v1",
    "kind": "DaemonSet",
    "metadata": {"name": NAME},
    "spec": {
        "selector": {"matchLabels": {"app": NAME}},
        "template": {
            "metadata": {"labels": {"app": NAME}},
            "spec": {
                "hostNetwork": True,
                "terminationGracePeriodSeconds": 1,
                "containers": [{"name": NAME, "image": PAUSE, "imagePullPolicy": "Never"}],
            },
        },
    },
}


def chart(folder: Path) -> Path:
    """The smallest chart that rolls something out."""
    (folder / "templates").mkdir(parents=True)
    about = {"apiVersion": "v2", "name": NAME, "version": "1.0.0", "kubeVersion": ">=1.28.0-0"}
    (folder / "Chart.yaml").write_text(yaml.safe_dump(about))
    (folder / "templates" / "daemonset.yaml").write_text(yaml.safe_dump(DAEMONSET))
    return folder


def ready_pods(cluster: Cluster) -> int:
    return int(cluster.get("daemonset", NAME)["status"].get("numberReady", 0))


def test_three_nodes_are_ready(cluster: Cluster) -> None:
    assert cluster.ready_nodes() == ["node1", "node2", "node3"]


def test_a_pod_of_the_host_network_runs_on_every_node(cluster: Cluster) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(DAEMONSET))
    cluster.kubectl("rollout", "status", "daemonset", NAME, "--timeout=120s", timeout=150)
    pods = cluster.get("pods", "-l", f"app={NAME}")["items"]
    assert {(pod["spec"]["nodeName"], pod["status"]["podIP"]) for pod in pods} == {
        (node.name, node.address) for node in cluster.nodes.values()
    }
    cluster.kubectl("delete", "daemonset", NAME, "--cascade=foreground", "--wait")


def test_what_is_gone_has_left_its_logs_and_its_story(cluster: Cluster, tmp_path: Path) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(DAEMONSET))
    cluster.kubectl("rollout", "status", "daemonset", NAME, "--timeout=120s", timeout=150)
    pods = [pod["metadata"]["name"] for pod in cluster.get("pods", "-l", f"app={NAME}")["items"]]
    cluster.kubectl("delete", "daemonset", NAME, "--cascade=foreground", "--wait")
    kept = cluster.collect(tmp_path)
    assert {log.parent.name for log in kept.glob(f"records/pods/node*/*/{NAME}-0.log")} >= set(pods)
    story = (kept / "records" / "timeline.txt").read_text()
    assert all(f"default {pod} " in story for pod in pods)
    assert (kept / "events.txt").stat().st_size
    assert list(kept.glob("records/switch.pcap*"))
    assert (kept / "logs" / "node1-kubelet.log").stat().st_size


@pytest.mark.parametrize("version", [3, 4])
def test_helm_installs_and_removes_a_chart(cluster: Cluster, version: int, tmp_path: Path) -> None:
    assert f"v{version}." in cluster.helm("version", "--short", version=version).stdout
    cluster.helm("install", NAME, str(chart(tmp_path / NAME)), "--wait", "--timeout=120s", version=version)
    # Helm 3 waits for all but maxUnavailable of a DaemonSet.
    wait_for("three pods to be ready", lambda: ready_pods(cluster) == 3, 60)
    cluster.helm("uninstall", NAME, "--wait", "--cascade=foreground", version=version)
    assert cluster.kubectl("get", "daemonset", NAME, check=False).returncode != 0


def test_a_node_without_power_is_missed_and_comes_back(cluster: Cluster) -> None:
    node = cluster.node("node2")
    node.power_off()
    assert cluster.client.exec("ping", "-c1", "-W1", node.address, check=False).returncode != 0
    with pytest.raises(ClusterError, match="node2 is off"):
        node.exec("true")
    wait_for("the API to miss node2", lambda: cluster.ready_nodes() == ["node1", "node3"], 60)
    node.boot()
    cluster.wait_until_ready()


def test_the_api_goes_away_and_comes_back(cluster: Cluster) -> None:
    cluster.api.stop()
    assert cluster.kubectl("get", "nodes", "--request-timeout=2s", check=False).returncode != 0
    cluster.api.start()
    cluster.wait_until_ready()


def test_a_hanging_api_answers_nothing_until_it_goes_on(cluster: Cluster) -> None:
    cluster.api.hang()
    try:
        asked = cluster.kubectl("get", "nodes", "--request-timeout=2s", check=False)
        assert asked.returncode != 0
        assert "refused" not in asked.stderr
    finally:
        cluster.api.resume()
    cluster.wait_until_ready()


def test_a_pulled_cable_silences_a_node_and_a_frozen_one_still_answers_ping(cluster: Cluster) -> None:
    def answers() -> bool:
        return cluster.client.exec("ping", "-c1", "-W1", node.address, check=False).returncode == 0

    node = cluster.node("node3")
    node.link(up=False)
    assert not answers()
    node.link(up=True)
    assert holds(answers, 10)
    node.freeze()
    try:
        assert answers()
        with pytest.raises(ClusterError, match="node3 is frozen"):
            node.exec("true")
    finally:
        node.thaw()
    cluster.wait_until_ready()


@pytest.mark.parametrize("service", ["containerd", "kubelet"])
def test_pods_outlive_a_restart_of_what_started_them(cluster: Cluster, service: str) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(DAEMONSET))
    cluster.kubectl("rollout", "status", "daemonset", NAME, "--timeout=120s", timeout=150)
    before = cluster.node("node1").exec("pgrep", "-x", "pause").stdout
    cluster.node("node1").restart(service)
    wait_for("the pod to be ready again", lambda: ready_pods(cluster) == 3, 60)
    assert cluster.node("node1").exec("pgrep", "-x", "pause").stdout == before
    cluster.kubectl("delete", "daemonset", NAME, "--cascade=foreground", "--wait")


def test_a_program_of_this_machine_reaches_the_api(cluster: Cluster) -> None:
    script = "import kubernetes as k; k.config.load_kube_config(); print(len(k.client.CoreV1Api().list_node().items))"
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
    command = [sys.executable, "-c", script]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert found.stdout.strip() == "3", found.stderr


def test_a_cluster_in_use_is_not_taken_away(cluster: Cluster) -> None:
    other = [sys.executable, "-m", "tests.e2e.cluster", "--name", cluster.layout.name, "down"]
    done = subprocess.run(other, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 1
    assert f"in use by process {os.getpid()}" in done.stderr
