"""The plain manifests under k8s/, rendered from the chart by the real Helm, so that the two never differ.

``python tools/plain_manifests.py --write`` renews them; without ``--write`` a difference is an error. Release and
namespace stand in the first comments of k8s/values.yaml.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
PLAIN = ROOT / "k8s"
KUBERNETES = "1.34.0"
POLICY = "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy"
_HEAD = "# Made by `python tools/plain_manifests.py --write`. Do not edit.\n"


def helm() -> str:
    """The Helm that tools/kubernetes built, or the machine's."""
    built = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "carp-sidecar" / "bin" / "helm"
    found = str(built) if built.exists() else shutil.which("helm")
    return found or sys.exit("no Helm here: tools/kubernetes/build makes one")


def named(key: str) -> str:
    """The word after `# KEY:` in k8s/values.yaml."""
    found = re.search(rf"^# {key}: (\S+)$", (PLAIN / "values.yaml").read_text(), re.MULTILINE)
    return found[1] if found else sys.exit(f"k8s/values.yaml has no comment `# {key}: NAME`")


def manifests() -> str:
    """Everything but hooks and tests."""
    command = [helm(), "template", named("release"), str(ROOT / "charts" / "carp-sidecar"), "-n", named("namespace")]
    command += ["--kube-version", KUBERNETES, "--api-versions", POLICY, "--no-hooks", "-f", str(PLAIN / "values.yaml")]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def sidecar_patch(rendered: str) -> str:
    """What an NTP DaemonSet of somebody else's lacks: the sidecar, its volumes, its account, the members' labels."""
    daemonset: dict[str, Any] = next(one for one in yaml.safe_load_all(rendered) if one and one["kind"] == "DaemonSet")
    template = daemonset["spec"]["template"]
    pod = template["spec"]
    keys = ("hostNetwork", "enableServiceLinks", "serviceAccountName", "automountServiceAccountToken", "initContainers")
    spec = {key: pod[key] for key in (*keys, "securityContext")}
    mounted = {mount["name"] for one in pod["initContainers"] for mount in one["volumeMounts"]}
    spec["volumes"] = [volume for volume in pod["volumes"] if volume["name"] in mounted]
    release = {"carp-sidecar.io/release": "1"}
    patch = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "any", "annotations": release},
        "spec": {"template": {"metadata": {"labels": template["metadata"]["labels"]}, "spec": spec}},
    }
    return yaml.safe_dump(patch, sort_keys=False)


def files() -> dict[Path, str]:
    """Every file that is made, as it should be."""
    rendered = manifests()
    return {
        PLAIN / "base" / "carp-sidecar.yaml": _HEAD + rendered,
        PLAIN / "overlays" / "existing-ntp" / "sidecar.yaml": _HEAD + sidecar_patch(rendered),
    }


def main() -> int:
    """Write or compare."""
    wrong = []
    for path, text in files().items():
        if "--write" in sys.argv[1:]:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            wrong.append(str(path.relative_to(ROOT)))
    if wrong:
        print(
            f"{', '.join(wrong)}: not what the chart says; run: python tools/plain_manifests.py --write",
            file=sys.stderr,
        )
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
