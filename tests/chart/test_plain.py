"""k8s/: rendered from the chart, and each folder is a whole that kustomize builds."""

import importlib.util
import shutil
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.chart.render import ROOT, containers, render

OVERLAYS = sorted(path.parent for path in (ROOT / "k8s").rglob("kustomization.yaml"))


@pytest.fixture(scope="module")
def plain() -> ModuleType:
    spec = importlib.util.spec_from_file_location("plain_manifests", ROOT / "tools" / "plain_manifests.py")
    assert spec is not None and spec.loader is not None  # noqa: PT018 - for mypy
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build(folder: Path) -> list[dict[str, Any]]:
    cached = Path.home() / ".cache" / "carp-sidecar" / "bin" / "kubectl"
    kubectl = str(cached) if cached.exists() else shutil.which("kubectl")
    if kubectl is None:
        pytest.skip(f"no kubectl: neither {cached} (tools/kubernetes/build makes it) nor on the PATH")
    done = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def daemonset(objects: list[dict[str, Any]]) -> dict[str, Any]:
    found = [one for one in objects if one["kind"] == "DaemonSet"]
    assert len(found) == 1
    return found[0]


def test_they_are_what_the_chart_renders(plain: ModuleType) -> None:
    render("-f", str(ROOT / "k8s" / "values.yaml"))  # skips where there is no Helm
    wrong = [str(path) for path, text in plain.files().items() if path.read_text() != text]
    assert wrong == [], "python tools/plain_manifests.py --write"


def test_release_and_namespace_stand_in_the_first_comments(plain: ModuleType) -> None:
    assert (ROOT / "k8s" / "values.yaml").read_text().splitlines()[:2] == ["# release: ntp", "# namespace: ntp"]
    assert (plain.named("release"), plain.named("namespace")) == ("ntp", "ntp")


@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda path: path.name)
def test_each_folder_is_one_daemonset_with_one_sidecar_in_its_own_namespace(folder: Path) -> None:
    objects = build(folder)
    pod = daemonset(objects)["spec"]["template"]["spec"]
    assert [one["name"] for one in containers(pod)].count("carp") == 1
    assert {one["metadata"].get("namespace", "ntp") for one in objects} == {"ntp"}
    assert not [one for one in objects if one["kind"] == "Secret"]
    space = next(one for one in objects if one["kind"] == "Namespace")
    assert space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"
    maps = {one["metadata"]["name"] for one in objects if one["kind"] == "ConfigMap"}
    assert {volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume} <= maps


def test_an_overlays_configuration_is_the_one_that_pods_mount_and_a_change_makes_new_pods() -> None:
    for name in ("bare-metal", "dual-stack"):
        objects = build(ROOT / "k8s" / "overlays" / name)
        volumes = daemonset(objects)["spec"]["template"]["spec"]["volumes"]
        mounted = next(volume["configMap"]["name"] for volume in volumes if volume["name"] == "config")
        assert mounted.startswith("carp-sidecar-own-")
        text = next(one["data"]["config.yaml"] for one in objects if one["metadata"]["name"] == mounted)
        assert text == (ROOT / "k8s" / "overlays" / name / "config.yaml").read_text()


def test_the_sidecar_joins_an_existing_daemonset_with_its_rights_and_services() -> None:
    objects = build(ROOT / "k8s" / "overlays" / "existing-ntp")
    found = daemonset(objects)
    assert found["metadata"]["name"] == "ntp-server"
    template = found["spec"]["template"]
    assert [one["name"] for one in containers(template["spec"])] == ["carp", "ntp"]
    role = next(one for one in objects if one["kind"] == "Role")
    assert [rule.get("resourceNames") for rule in role["rules"]] == [None, ["ntp-server"], None]
    service = next(one for one in objects if one["metadata"]["name"] == "carp-sidecar-ntp")
    assert service["spec"]["selector"].items() <= {**template["metadata"]["labels"], "carp-role": "master"}.items()
    assert found["metadata"]["annotations"]["carp-sidecar.io/release"] == "1"
