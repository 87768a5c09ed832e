"""The product on the cluster: our images, our chart, one virtual address; what the API and the kernels say of it."""

import fcntl
import json
import subprocess
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
AFTERWARDS_SECONDS = 5.0
SETTLE_SECONDS = 90.0  # 30 of the latch, after a start that may wait for the disk
VALUES: dict[str, Any] = {
    "global": {"imageRegistry": "localhost"},
    "image": {"tag": "TEST", "pullPolicy": "Never"},
    "carp": {"vhid": VHID, "addresses": [ADDRESS]},
    "passphrase": {"existingSecret": SECRET},
}


def archives(name: str) -> list[Path]:
    """The two images as archives, built from this checkout (a minute; seconds when nothing has changed).

    `name`: of the cluster they are for. Runs at the same time build one after the other.
    """
    place = cache() / "image" / "e2e" / name
    place.mkdir(parents=True, exist_ok=True)
    with place.with_name("lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for words in (["build"], ["export", str(place)]):
            subprocess.run([str(CHECKOUT / "tools" / "image"), *words], check=True, timeout=900)
    return [place / "carp-sidecar.tar", place / "carp-sidecar-chrony.tar"]


class Product:
    """One release of the chart on a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        chrony = {"image": {"tag": "TEST", "pullPolicy": "Never"}, "servers": [cluster.clock.address]}
        self.values = {**VALUES, "ntp": {"chrony": chrony}}

    def install(self) -> None:
        self.cluster.kubectl("create", "secret", "generic", SECRET, "--from-literal=passphrases=only-for-this-test")
        self._helm("install")

    def upgrade(self, version: int = 3, **annotations: str) -> None:
        """Replace every pod: its template gets other annotations."""
        self.values["podAnnotations"] = annotations
        self._helm("upgrade", version=version)

    def _helm(self, verb: str, version: int = 3) -> None:
        values = self.cluster.folder / "values.yaml"
        values.write_text(yaml.safe_dump(self.values))
        words = [verb, RELEASE, str(CHART), "--values", str(values), "--wait", "--timeout=240s"]
        self.cluster.helm(*words, version=version, timeout=300)

    def remove(self) -> None:
        self.cluster.helm("uninstall", RELEASE, "--wait", "--cascade=foreground", check=False)
        self.cluster.kubectl("delete", "secret", SECRET, "--ignore-not-found")

    # ------------------------------------------------------------------------------------------------ what is so

    def pods(self) -> list[dict[str, Any]]:
        """The members' pods."""
        pods: list[dict[str, Any]] = self.cluster.get("pods", "-l", "carp-role")["items"]
        return pods

    def masters(self) -> list[str]:
        """The nodes whose pod is labelled master."""
        return [pod["spec"]["nodeName"] for pod in self.pods() if pod["metadata"]["labels"]["carp-role"] == "master"]

    def master_nodes(self) -> list[str]:
        """The nodes that are themselves labelled master."""
        items = self.cluster.get("nodes", "-l", f"{NODE_LABEL}=master")["items"]
        return [item["metadata"]["name"] for item in items]

    def owners(self) -> list[str]:
        """The nodes whose kernel has the address."""
        return [name for name, node in self.cluster.nodes.items() if node.is_on and _has_address(node)]

    def ready(self) -> list[str]:
        """The nodes whose pod is Ready."""
        return [pod["spec"]["nodeName"] for pod in self.pods() if _condition(pod, "Ready")]

    def wait_until_settled(self) -> str:
        """Return the master's node once there is one, everybody agrees, and only it is Ready."""
        wait_for("one settled master", self._settled_for_a_while, SETTLE_SECONDS, 1)
        return self.masters()[0]

    def _settled_for_a_while(self) -> bool:
        return self._settled() and not holds(lambda: not self._settled(), 3, 0.5)

    def _settled(self) -> bool:
        pods, masters = self.pods(), self.masters()
        whole = len(pods) == len(self.cluster.nodes) and not any("deletionTimestamp" in pod["metadata"] for pod in pods)
        return whole and len(masters) == 1 and self.master_nodes() == self.ready() == self.owners() == masters


def _condition(pod: dict[str, Any], name: str) -> bool:
    return any(each["type"] == name and each["status"] == "True" for each in pod["status"].get("conditions", []))


def _has_address(node: Any) -> bool:
    said = json.loads(node.exec("ip", "-json", "address", "show").stdout)
    return any(each.get("local") == ADDRESS for interface in said for each in interface.get("addr_info", []))


def show(record: Any, asking: Asking) -> None:
    """Put the figures into the report (`pytest -rA`, junit)."""
    seconds, outcomes = asking.longest_silence(ADDRESS), asking.outcomes
    record("silence", f"{seconds:.2f} s")
    record("unanswered", f"{outcomes.unanswered} of {outcomes.sent}")
    print(f"longest silence {seconds:.2f} s, unanswered {outcomes.unanswered} of {outcomes.sent}")


def pass_time(asking: Asking) -> None:
    """Let the client ask on for a while."""
    until = asking.outcomes.now + AFTERWARDS_SECONDS
    wait_for("the client to ask on", lambda: asking.outcomes.now > until, 30)


def only_other(found: list[str], than: str) -> bool:
    """Whether there is exactly one and it is another than this."""
    return len(found) == 1 and found != [than]
