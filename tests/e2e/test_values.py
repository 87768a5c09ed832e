"""Every way of use really installed: each ci file, changes from the default to it and back, each plain overlay.

A part of them here; all of them with CARP_E2E_LONG=1 (half an hour). What is asserted of time is generous; the figures
are in the report.
"""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import yaml

from tests.chart.render import CHART, CI, LEAST, ROOT
from tests.chart.test_values import UNFIT, WRONG
from tests.e2e.cluster import Cluster
from tests.e2e.cluster.client import Asking
from tests.e2e.cluster.shell import wait_for
from tests.e2e.product import archives
from tests.e2e.site import Site

RELEASE, NAMESPACE = "way", "ways"
SECRET = "carp-passphrases"
LONG = os.environ.get("CARP_E2E_LONG") == "1"
INSTALLED = {"everything", "generated-passphrase", "no-nodes"}
TESTED = {"generated-passphrase"}
CHANGED = {"two-vhosts"}
OVERLAYS = ("bare-metal", "existing-ntp", "dual-stack")
HELM_SECONDS = 240
SERVED_SECONDS = 60.0
TAKEOVER_SECONDS = 5.5  # a takeover by silence, and slack
WAYS = {path.stem.removesuffix("-values"): path for path in CI}
SAME_GROUP = {
    "health",
    "host-ntp",
    "monitoring",
    "no-kubernetes",
    "no-nodes",
    "openshift",
    "own-ntp",
    "plain-container",
}
SAME_GROUP |= {"own-rights", "service-monitor", "two-vhosts"}
"""Those whose first virtual host is the default's: the address has to be served all the way there and back."""


def some(names: set[str]) -> list[str]:
    """All in the long run, these few otherwise."""
    return [name for name in WAYS if LONG or name in names]


class Way:
    """One file of values on the site."""

    def __init__(self, site: Site, name: str) -> None:
        self.site, self.cluster, self.name = site, site.cluster, name
        self.file = WAYS[name]
        self.values: dict[str, Any] = yaml.safe_load(self.file.read_text())
        carp = self.values["carp"]
        self.addresses = [
            address.partition("/")[0] for vhost in carp.get("vhosts", [carp]) for address in vhost["addresses"]
        ]
        self.has_labels = self.values.get("kubernetes", {}).get("enabled", True)

    def helm(self, verb: str) -> float:
        """Install or upgrade, to the end of --wait; seconds."""
        began = time.monotonic()
        words = ["--namespace", NAMESPACE, "--values", str(self.file), "--wait", f"--timeout={HELM_SECONDS}s"]
        self.cluster.helm(verb, RELEASE, str(CHART), *words, timeout=HELM_SECONDS + 60)
        return time.monotonic() - began

    def check(self) -> None:
        """One owner and good answers of each address; one master by label where there are labels."""
        for address in self.addresses:
            served(self.cluster, address)
            wait_for(f"one owner of {address}", lambda: len(self.site.owners(address)) == 1, 20)  # noqa: B023
        masters = f"app.kubernetes.io/instance={RELEASE},carp-role=master"
        count = 1 if self.has_labels else 0
        wait_for(f"{count} master label", lambda: len(self.pods(masters)) == count, 20)

    def pods(self, selector: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.cluster.get("pods", "-n", NAMESPACE, "-l", selector)["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def served(cluster: Cluster, address: str) -> None:
    """Returns when the address gives good time to the client outside."""
    with cluster.client.ask(address, rate=10) as asking:
        asking.wait_until_heard(address, SERVED_SECONDS)


@pytest.fixture(scope="module")
def site(cluster: Cluster) -> Iterator[Site]:
    """The segment of the files, a namespace with the Secret that they name."""
    keys = [f"--from-literal={key}=only for this test" for key in ("passphrases", "second", "keys.txt")]
    with Site(cluster).laid_out(archives(cluster.layout.name)) as made:
        cluster.kubectl("create", "namespace", NAMESPACE)
        cluster.kubectl("create", "secret", "generic", SECRET, "-n", NAMESPACE, *keys)
        try:
            yield made
        finally:
            uninstall(cluster)
            cluster.kubectl("delete", "namespace", NAMESPACE, "--wait")


@pytest.fixture
def afterwards(site: Site) -> Iterator[ExitStack]:
    """What is to be undone once no pod needs it; not before a failed test's evidence has been collected."""
    with ExitStack() as stack:
        yield stack
        uninstall(site.cluster)


def uninstall(cluster: Cluster) -> None:
    cluster.helm("uninstall", RELEASE, "-n", NAMESPACE, "--wait", "--cascade=foreground", "--ignore-not-found")


def prepared(site: Site, name: str, stack: ExitStack) -> Way:
    """What the file presumes on the nodes."""
    if name == "everything":
        stack.enter_context(site.on_vlan())
    if name == "host-ntp":
        site.start_host_ntp()
        stack.callback(site.stop_host_ntp)
    return Way(site, name)


@pytest.mark.parametrize("name", some(INSTALLED))
def test_a_way_of_use_is_installed_by_helm_and_serves_its_addresses(
    site: Site, name: str, afterwards: ExitStack, record_property: Any
) -> None:
    way = prepared(site, name, afterwards)
    took = way.helm("install")
    way.check()
    record_property("install", f"{took:.1f} s")
    print(f"{name}: helm install --wait {took:.1f} s")
    if name == "no-nodes":
        no_errors_labels_or_events(site.cluster)
    if LONG or name in TESTED:
        site.cluster.helm("test", RELEASE, "-n", NAMESPACE, "--logs", "--timeout=120s", timeout=150)


def no_errors_labels_or_events(cluster: Cluster) -> None:
    """What is switched off is not tried: no refused request, no node label, no Event."""
    status = cluster.kubectl(
        "exec", "-n", NAMESPACE, "ds/way-carp-sidecar", "-c", "carp", "--", "carp-sidecar", "status", "--json"
    )
    kubernetes = yaml.safe_load(status.stdout)["kubernetes"]
    assert (kubernetes["errors"], kubernetes["last_error"]) == (0, None)
    assert cluster.get("nodes", "-l", "carp-sidecar.io/vhid-10")["items"] == []
    pods = {pod["metadata"]["name"] for pod in cluster.get("pods", "-n", NAMESPACE)["items"]}
    events = cluster.get("events.events.k8s.io", "-n", NAMESPACE)["items"]
    ours = [one for one in events if one.get("reportingController") == "carp-sidecar.io/sidecar"]
    assert [one["reason"] for one in ours if one["regarding"]["name"] in pods] == []


@pytest.mark.parametrize("name", [name for name in some(CHANGED) if name != "default"])
def test_the_default_becomes_a_way_of_use_and_comes_back(
    site: Site, name: str, afterwards: ExitStack, record_property: Any
) -> None:
    default = Way(site, "default")
    default.helm("install")
    default.check()
    way = prepared(site, name, afterwards)
    for turn, which in (("there", way), ("back", default)):
        with site.cluster.client.ask(default.addresses[0]) as asking:
            if name in SAME_GROUP:
                asking.wait_until_heard(default.addresses[0])
                asking.reset()
            took = which.helm("upgrade")
            which.check()
            figures = tell(asking, default.addresses[0])
        record_property(turn, f"{took:.1f} s, {figures}")
        print(f"{name} {turn}: helm upgrade --wait {took:.1f} s, {figures}")
        if name in SAME_GROUP:
            assert asking.outcomes.longest[default.addresses[0]].seconds <= TAKEOVER_SECONDS


def tell(asking: Asking, address: str) -> str:
    outcomes = asking.outcomes
    gap = outcomes.longest.get(address)
    return f"longest silence {gap.seconds if gap else 0:.2f} s, unanswered {outcomes.unanswered} of {outcomes.sent}"


@pytest.mark.parametrize("named", [*list(WRONG)[:9], *list(UNFIT)[:6]])
def test_a_wrong_value_is_refused_before_anything_is_made(site: Site, named: str) -> None:
    wrong = (WRONG | UNFIT)[named]
    done = site.cluster.helm("install", "wrong", str(CHART), "-n", NAMESPACE, *LEAST, *wrong, check=False)
    assert done.returncode != 0
    assert named in done.stderr
    assert site.cluster.helm("list", "--all", "--short", "-n", NAMESPACE).stdout == ""


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_plain_manifests_are_applied_and_serve_their_addresses(site: Site, overlay: str, record_property: Any) -> None:
    cluster, folder = site.cluster, ROOT / "k8s" / "overlays" / overlay
    addresses = ["192.0.2.10", "2001:db8::10"] if overlay == "dual-stack" else ["192.0.2.10"]
    cluster.kubectl("apply", "-f", str(ROOT / "k8s" / "base" / "namespace.yaml"))
    try:
        cluster.kubectl("create", "secret", "generic", SECRET, "-n", "ntp", "--from-literal=passphrases=for this test")
        began = time.monotonic()
        cluster.kubectl("apply", "--server-side", "-k", str(folder))
        cluster.kubectl("rollout", "status", "daemonset", "-n", "ntp", "--timeout=120s", timeout=150)
        took = time.monotonic() - began
        for address in addresses:
            served(cluster, address)
            assert len(site.owners(address)) == 1
        wait_for("one master label", lambda: len(masters(cluster)) == 1, 20)
        record_property("rolled out", f"{took:.1f} s")
        print(f"{overlay}: applied and rolled out in {took:.1f} s")
    finally:
        cluster.kubectl("delete", "daemonset", "--all", "-n", "ntp", "--cascade=foreground", "--wait", check=False)
        cluster.kubectl("delete", "-k", str(folder), "--ignore-not-found", "--wait", timeout=180)


def masters(cluster: Cluster) -> list[str]:
    return [pod["metadata"]["name"] for pod in cluster.get("pods", "-n", "ntp", "-l", "carp-role=master")["items"]]
