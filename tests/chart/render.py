"""The chart as the real Helm renders it: objects, notes and errors. No cluster."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "carp-sidecar"
POLICY = "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy"
KUBERNETES = "1.34.0"
RELEASE, NAMESPACE = "vip", "time"
LEAST = (
    *("--set-json", "carp.vhid=10", "--set-json", 'carp.addresses=["192.0.2.10"]'),
    *("--set-json", 'passphrase.existingSecret="keys"', "--set-json", 'ntp.chrony.servers=["ntp.example.net"]'),
)
CI = sorted((CHART / "ci").glob("*-values.yaml"))

Object = dict[str, Any]


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the Helm that tools/kubernetes built, or the machine's."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "carp-sidecar" / "bin" / "helm"
    program = str(cache) if cache.exists() else shutil.which("helm")
    if program is None:
        pytest.skip(f"no Helm: neither {cache} (tools/kubernetes/build makes it) nor on the PATH")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=60)


@dataclass(frozen=True)
class Rendered:
    """What one `helm template` made."""

    text: str

    @cached_property
    def objects(self) -> list[Object]:
        return [one for one in yaml.safe_load_all(self.text) if one]

    @property
    def kinds(self) -> set[str]:
        return {one["kind"] for one in self.objects}

    def all(self, kind: str, ending: str = "") -> list[Object]:
        return [one for one in self.objects if one["kind"] == kind and one["metadata"]["name"].endswith(ending)]

    def one(self, kind: str, ending: str = "") -> Object:
        found = self.all(kind, ending)
        assert len(found) == 1, f"{len(found)} objects {kind} *{ending}"
        return found[0]

    @property
    def pod(self) -> Object:
        """spec of the members' pods."""
        spec: Object = self.one("DaemonSet")["spec"]["template"]["spec"]
        return spec

    @property
    def carp(self) -> Object:
        """The container of `carp-sidecar run`."""
        return next(one for one in containers(self.pod) if one["name"] == "carp")

    @property
    def config(self) -> Object:
        """What the daemon reads."""
        maps = [one for one in self.all("ConfigMap") if "config.yaml" in one.get("data", {})]
        assert len(maps) == 1
        read: Object = yaml.safe_load(maps[0]["data"]["config.yaml"])
        return read


def containers(pod: Object) -> list[Object]:
    """All of a pod's containers."""
    return [*pod.get("initContainers", []), *pod["containers"]]


@cache
def template(*arguments: str, policies: bool = True, kubernetes: str = KUBERNETES) -> subprocess.CompletedProcess[str]:
    api = ("--api-versions", POLICY) if policies else ()
    return helm("template", RELEASE, str(CHART), "-n", NAMESPACE, "--kube-version", kubernetes, *api, *arguments)


def render(*arguments: str, policies: bool = True, kubernetes: str = KUBERNETES) -> Rendered:
    """With these arguments of Helm and nothing else; an error fails the test."""
    done = template(*arguments, policies=policies, kubernetes=kubernetes)
    assert done.returncode == 0, done.stderr
    return Rendered(done.stdout)


def render_values(**values: object) -> Rendered:
    """With the least values and these (`a__b=c` is --set-json a.b=c)."""
    return render(*LEAST, *sets(values))


def sets(values: dict[str, object]) -> list[str]:
    """Arguments of Helm."""
    return [
        part
        for key, value in values.items()
        for part in ("--set-json", f"{key.replace('__', '.')}={json.dumps(value)}")
    ]


def pods(rendered: Rendered) -> list[tuple[str, Object]]:
    """Every pod that the objects make: members, hooks, tests."""
    found = []
    for one in rendered.objects:
        if one["kind"] in ("DaemonSet", "Job"):
            found.append((one["metadata"]["name"], one["spec"]["template"]["spec"]))
        elif one["kind"] == "Pod":
            found.append((one["metadata"]["name"], one["spec"]))
    return found
