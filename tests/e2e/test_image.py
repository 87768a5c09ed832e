"""The images without Kubernetes: two hosts, each with the services of docs/docker.md's compose file, run by runc."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.cluster.client import Asking
from tests.e2e.cluster.shell import wait_for
from tests.e2e.compose import PAGE, Service
from tests.e2e.product import archives
from tests.e2e.site import CHRONY, OURS, Site

ADDRESS = "192.0.2.10"
FOLDER = "/run/compose"
TAKEOVER_SECONDS = 5.5
LOST_MAX = 2
UNSTRIPPED_MB = 15  # where no binutils could be had
SIZE = re.compile(r"^\| `([\w-]+)` \| .* \| (\d+) MB \| \d+ MB \|$", re.MULTILINE)
NET_ADMIN_NET_RAW, NET_BIND_SERVICE = 0x3000, 0x400
# As the page says, and the passphrase typed.
PREPARE = f"""
mkdir -p {FOLDER} && cd {FOLDER}
install -d -m 0750 -g 65532 passphrases
echo 'only for this test' | install -m 0440 -g 65532 /dev/stdin passphrases/passphrases
"""

Hosts = dict[str, dict[str, Service]]


@pytest.fixture(scope="module")
def site(cluster: Cluster) -> Iterator[Site]:
    with Site(cluster).laid_out(archives(cluster.layout.name)) as made:
        yield made


@pytest.fixture(scope="module")
def hosts(site: Site) -> Iterator[Hosts]:
    """Both services on two hosts, both up; node1 is preferred."""
    made: Hosts = {}
    for name, advskew in (("node1", "0"), ("node2", "100")):
        node = site.cluster.node(name)
        node.exec("sh", "-ec", PREPARE)
        images = {"carp": OURS, "ntp": CHRONY}
        dotenv = {"ADVSKEW": advskew}
        made[name] = {which: Service(node, which, image, FOLDER, dotenv) for which, image in images.items()}
    everything = [service for services in made.values() for service in services.values()]
    try:
        for service in everything:
            service.up()
        yield made
    finally:
        for service in everything:
            service.remove()
        for name in made:
            site.cluster.node(name).exec("rm", "-rf", FOLDER)


@pytest.fixture
def asking(site: Site, hosts: Hosts) -> Iterator[Asking]:
    """A client that hears node1, after node2 could take over."""
    wait_for("node1 to hold the address", lambda: site.owners(ADDRESS) == ["node1"], 60, 0.5)
    for services in hosts.values():
        wait_for("good health", lambda: services["carp"].health()[0] == 0, 30, 0.5)  # noqa: B023
    with site.cluster.client.ask(ADDRESS) as client:
        client.wait_until_heard(ADDRESS)
        client.reset()
        yield client


def status_of(service: Service) -> dict[str, str]:
    """/proc/1/status of a container."""
    lines = service.exec("cat", "/proc/1/status")[1].splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def test_the_images_are_no_larger_than_the_page_says(cluster: Cluster, record_property: Any) -> None:
    megabytes = {path.stem: path.stat().st_size / 1e6 for path in archives(cluster.layout.name)}
    said = {name: float(size) for name, size in SIZE.findall(PAGE.read_text())}
    record_property("megabytes", str(megabytes))
    assert said.keys() == megabytes.keys()
    for name, size in megabytes.items():
        assert size <= said[name] + UNSTRIPPED_MB


@pytest.mark.usefixtures("asking")
def test_each_service_runs_with_its_capabilities_and_nothing_else(hosts: Hosts) -> None:
    for services in hosts.values():
        for name, capabilities in (("carp", NET_ADMIN_NET_RAW), ("ntp", NET_BIND_SERVICE)):
            status = status_of(services[name])
            assert set(status["Uid"].split()) == {"65532"}
            assert {int(status[which], 16) for which in ("CapEff", "CapPrm", "CapBnd")} == {capabilities}
            assert services[name].exec("touch", "/written")[1].rstrip().endswith("Read-only file system")
        assert status_of(services["carp"])["NoNewPrivs"] == "1"


@pytest.mark.usefixtures("asking")
def test_the_health_checks_of_both_images_pass_on_master_and_backup(hosts: Hosts) -> None:
    for services in hosts.values():
        for service in services.values():
            code, said = service.health()
            assert code == 0, said + service.log


@pytest.mark.usefixtures("asking")
def test_a_person_can_ask_and_listen_in_the_container(hosts: Hosts) -> None:
    assert "MASTER" in hosts["node1"]["carp"].exec("carp-sidecar", "status")[1]
    code, heard = hosts["node2"]["carp"].exec("carp-sidecar", "sniff", "--interface", "eth0", "--count", "2")
    assert code == 0, heard
    assert "vhid 10" in heard


def test_a_stopped_master_hands_over_without_a_lost_answer(
    site: Site, hosts: Hosts, asking: Asking, record_property: Any
) -> None:
    carp = hosts["node1"]["carp"]
    carp.stop()
    wait_for("node2 to hold the address", lambda: site.owners(ADDRESS) == ["node2"], 10, 0.2)
    show(asking, record_property)
    carp.up()
    assert asking.outcomes.unanswered <= LOST_MAX


def test_a_killed_master_is_followed_by_the_other_one_and_cleans_up_when_it_is_back(
    site: Site, hosts: Hosts, asking: Asking, record_property: Any
) -> None:
    carp = hosts["node1"]["carp"]
    carp.stop("KILL")
    wait_for("node2 to hold the address", lambda: site.owners(ADDRESS) == ["node2"], 15, 0.2)
    show(asking, record_property)
    assert asking.longest_silence(ADDRESS) <= TAKEOVER_SECONDS
    carp.up()
    wait_for("node1 to hold the address again", lambda: site.owners(ADDRESS) == ["node1"], 60, 0.5)
    carp.stop()
    left = carp.node.exec("ip", "-oneline", "link").stdout
    assert "carp10" not in left
    carp.up()


def show(asking: Asking, record: Any) -> None:
    figures = f"longest silence {asking.longest_silence(ADDRESS):.2f} s, unanswered {asking.outcomes.unanswered}"
    record("client", figures)
    print(figures)
