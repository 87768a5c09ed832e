"""The product on the cluster: our images, our chart, one virtual address; what the API and the kernels say of it."""

import copy
import fcntl
import json
import subprocess
import time
from collections.abc import Mapping
from functools import cache as cache_of_this_run
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.cluster import Cluster
from tests.e2e.cluster.client import Asking
from tests.e2e.cluster.layout import cache
from tests.e2e.cluster.shell import holds, wait_for

CHECKOUT = Path(__file__).parents[2]
CHART = CHECKOUT / "charts" / "carp-sidecar"
ADDRESS = "10.77.0.200"
VHID = 77
RELEASE = "carp"
DAEMONSET = "carp-carp-sidecar"
NODE_LABEL = f"carp-sidecar.io/vhid-{VHID}"
SECRET = "carp-passphrases"
PASSPHRASE = "only-for-this-test"
AFTERWARDS_SECONDS = 5.0
SETTLE_SECONDS = 90.0  # 30 of the latch, after a start that may wait for the disk
VALUES: dict[str, Any] = {
    "global": {"imageRegistry": "localhost"},
    "image": {"tag": "TEST", "pullPolicy": "Never"},
    "carp": {"vhid": VHID, "addresses": [ADDRESS]},
    "passphrase": {"existingSecret": SECRET},
}


@cache_of_this_run
def archives(name: str) -> list[Path]:
    """The two images as archives, built from this checkout (a minute; seconds when nothing has changed), once a run.

    `name`: of the cluster they are for. Runs at the same time build one after the other.
    """
    place = cache() / "image" / "e2e" / name
    place.mkdir(parents=True, exist_ok=True)
    with place.with_name("lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for words in (["build"], ["export", str(place)]):
            subprocess.run([str(CHECKOUT / "tools" / "image"), *words], check=True, timeout=900)
    return [place / "carp-sidecar.tar", place / "carp-sidecar-chrony.tar"]


def another(name: str) -> Path:
    """The sidecar's image of `archives` with another tag, NEXT, and another content (a label), as an archive."""
    folder = cache() / "image" / "e2e" / name
    (folder / "next.tar").unlink(missing_ok=True)
    script = 'c=$(buildah from --quiet "$1"); buildah config --label next=1 "$c"; buildah commit --quiet --rm "$c" "$2"'
    names = [
        f"docker-archive:{folder}/carp-sidecar.tar",
        f"docker-archive:{folder}/next.tar:localhost/carp-sidecar:NEXT",
    ]
    subprocess.run(["bash", "-ec", script, "another", *names], check=True, timeout=300)
    return folder / "next.tar"


class Product:
    """One release of the chart on a cluster. `values`: beside VALUES, by dotted names; `nodes`: where its pods go."""

    def __init__(
        self, cluster: Cluster, values: Mapping[str, Any] | None = None, *, name: str = RELEASE, nodes: int = 3
    ) -> None:
        self.cluster = cluster
        self.name = name
        self.nodes = nodes
        self.installed_seconds = 0.0
        chrony = {"image": {"tag": "TEST", "pullPolicy": "Never"}, "servers": [cluster.clock.address]}
        self.values: dict[str, Any] = copy.deepcopy({**VALUES, "ntp": {"chrony": chrony}})
        self._set(values or {})

    @property
    def daemonset(self) -> str:
        return f"{self.name}-carp-sidecar"

    @property
    def address(self) -> str:
        return str(self.values["carp"]["addresses"][0])

    def install(self, version: int = 3) -> None:
        """`helm install --wait`; `installed_seconds` is what it took."""
        secret = ["create", "secret", "generic", SECRET, f"--from-literal=passphrases={PASSPHRASE}"]
        self.cluster.kubectl(*secret, check=False)  # another release may have it already
        began = time.monotonic()
        self._helm("install", version=version)
        self.installed_seconds = time.monotonic() - began

    def upgrade(self, values: Mapping[str, Any], *, version: int = 3, check: bool = True, seconds: int = 240) -> bool:
        """`helm upgrade --install --wait` with these values, by dotted names, besides those it has; whether it did."""
        self._set(values)
        return self._helm("upgrade", "--install", version=version, check=check, seconds=seconds)

    def rollback(self, version: int = 3) -> None:
        """Back to the release before. The values here are then no longer those of the cluster."""
        self.cluster.helm("rollback", self.name, "--wait", "--timeout=240s", version=version, timeout=300)

    def _set(self, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            *places, last = name.split(".")
            inside = self.values
            for place in places:
                inside = inside.setdefault(place, {})
            inside[last] = value

    def _helm(self, *verb: str, version: int, check: bool = True, seconds: int = 240) -> bool:
        values = self.cluster.folder / f"{self.name}-values.yaml"
        values.write_text(yaml.safe_dump(self.values))
        words = [*verb, self.name, str(CHART), "--values", str(values), "--wait", f"--timeout={seconds}s"]
        return self.cluster.helm(*words, version=version, check=check, timeout=seconds + 60).returncode == 0

    def remove(self) -> None:
        self.cluster.helm("uninstall", self.name, "--wait", "--cascade=foreground", check=False)
        self.cluster.kubectl("delete", "secret", SECRET, "--ignore-not-found")

    # ------------------------------------------------------------------------------------------------ what is so

    @property
    def selector(self) -> str:
        """Of the members' pods."""
        return f"app.kubernetes.io/instance={self.name},app.kubernetes.io/component=member"

    def pods(self) -> list[dict[str, Any]]:
        """The members' pods, as soon as they have a role."""
        pods: list[dict[str, Any]] = self.cluster.get("pods", "-l", f"{self.selector},carp-role")["items"]
        return pods

    def carp(self, pod: str, *words: str) -> str:
        """`carp-sidecar WORDS` in a pod."""
        return self.cluster.kubectl("exec", pod, "-c", "carp", "--", "carp-sidecar", *words).stdout

    def statuses(self) -> dict[str, Any]:
        """`carp-sidecar status --json` of every pod, by node."""
        return {
            pod["spec"]["nodeName"]: json.loads(self.carp(pod["metadata"]["name"], "status", "--json"))
            for pod in self.pods()
        }

    def masters(self) -> list[str]:
        """The nodes whose pod is labelled master."""
        return [pod["spec"]["nodeName"] for pod in self.pods() if pod["metadata"]["labels"]["carp-role"] == "master"]

    def master_nodes(self) -> list[str]:
        """The nodes that are themselves labelled master."""
        ours = {pod["spec"]["nodeName"] for pod in self.pods()}
        items = self.cluster.get("nodes", "-l", f"{NODE_LABEL}=master")["items"]
        return [item["metadata"]["name"] for item in items if item["metadata"]["name"] in ours]

    def owners(self) -> list[str]:
        """The nodes whose kernel has the address."""
        return [name for name, node in self.cluster.nodes.items() if node.is_on and _has(node, self.address)]

    def ready(self) -> list[str]:
        """The nodes whose pod is Ready."""
        return [pod["spec"]["nodeName"] for pod in self.pods() if is_ready(pod)]

    def wait_until_settled(self) -> str:
        """Return the master's node once there is one, everybody agrees, and only it is Ready (by `health`: all are)."""
        wait_for("one settled master", self._settled_for_a_while, SETTLE_SECONDS, 1)
        return self.masters()[0]

    def _settled_for_a_while(self) -> bool:
        return self._settled() and not holds(lambda: not self._settled(), 3, 0.5)

    def _settled(self) -> bool:
        pods, masters = self.pods(), self.masters()
        whole = len(pods) == self.nodes and not any("deletionTimestamp" in pod["metadata"] for pod in pods)
        ready, role = self.ready(), self.values.get("sidecar", {}).get("readiness", "role") == "role"
        agreed = len(masters) == 1 and self.master_nodes() == self.owners() == masters
        return whole and agreed and (ready == masters if role else len(ready) == self.nodes)


def is_ready(pod: dict[str, Any]) -> bool:
    """Whether its condition Ready is true."""
    return any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", []))


def _has(node: Any, address: str) -> bool:
    said = json.loads(node.exec("ip", "-json", "address", "show").stdout)
    return any(each.get("local") == address for interface in said for each in interface.get("addr_info", []))


def show(record: Any, asking: Asking) -> None:
    """Put the figures into the report (`pytest -rA`, junit)."""
    seconds, outcomes = asking.longest_silence(ADDRESS), asking.outcomes
    record("silence", f"{seconds:.2f} s")
    record("unanswered", f"{outcomes.unanswered} of {outcomes.sent}")
    print(f"longest silence {seconds:.2f} s, unanswered {outcomes.unanswered} of {outcomes.sent}")


def pass_time(asking: Asking, seconds: float = AFTERWARDS_SECONDS) -> None:
    """Let the client ask on for a while."""
    until = asking.outcomes.now + seconds
    wait_for("the client to ask on", lambda: asking.outcomes.now > until, 30)


def only_other(found: list[str], than: str) -> bool:
    """Whether there is exactly one and it is another than this."""
    return len(found) == 1 and found != [than]
