"""Failures on the real cluster: what a client outside sees of them, and what Kubernetes shows afterwards.

What is asserted of time is the protocol's arithmetic, by what the members say of themselves, and slack for a noisy
machine; the figures are in the report. Minutes-long variants run with CARP_E2E_LONG=1.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.cluster.client import Asking
from tests.e2e.cluster.shell import wait_for
from tests.e2e.inside import NTP, SIDECAR, Member, dead_seconds, elections, members, wait_until_sound
from tests.e2e.product import ADDRESS, NODE_LABEL, Product, only_other, pass_time, show
from tests.e2e.watching import Watching

SLACK_SECONDS = 1.5
LABELS_SECONDS = 10.0
CLEARED_SECONDS = 6.0
NTP_DEAD_SECONDS = 4.0  # three unanswered questions, one a second
BOARD_SECONDS = 30.0
HELM_SECONDS = 40.0
HUNG_SECONDS = 60.0  # three failed liveness probes, a grace period, a new container
LONG = bool(os.environ.get("CARP_E2E_LONG"))
AWAY_SECONDS = 300.0 if LONG else 30.0
KILLED = 128 + signal.SIGKILL
LOST_MAX = 2  # of some hundreds, where nothing happens to the election


@pytest.fixture
def master(product: Product) -> str:
    """The master's node, after everything has settled and nobody is demoted: failures are to come one at a time."""
    wait_until_sound(product)
    return product.wait_until_settled()


@pytest.fixture
def member(product: Product, master: str) -> Member:
    """The master."""
    return Member(product, master)


@pytest.fixture
def untouched(product: Product, asking: Asking, record_property: Any) -> Iterator[None]:
    """Whatever the test does, no election changes and the client hardly notices."""
    before = elections(product)
    yield
    pass_time(asking)
    show(record_property, asking)
    assert elections(product) == before
    assert asking.outcomes.unanswered <= LOST_MAX


@contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """SIGSTOP, and the thaw, also of those that have ended."""
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            with_number(pid, signal.SIGCONT)


def with_number(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def seconds_until(what: str, condition: Callable[[], object], limit: float, since: float) -> float:
    wait_for(what, condition, limit)
    return time.monotonic() - since


def one_owner(product: Product, than: str) -> Callable[[], bool]:
    return lambda: only_other(product.owners(), than)


# ------------------------------------------------------------------------------------------------ the notice board


@pytest.mark.usefixtures("untouched")
def test_a_killed_notice_board_is_replaced_and_the_election_does_not_notice(
    member: Member, record_property: Any
) -> None:
    board = member.board()
    os.kill(board, signal.SIGKILL)
    record_property("board_back", f"{member.wait_for_another_board(board, BOARD_SECONDS):.1f} s")


@pytest.mark.usefixtures("untouched")
def test_when_the_container_has_no_memory_left_the_notice_board_goes_first_and_the_election_does_not_notice(
    cluster: Cluster, member: Member, record_property: Any
) -> None:
    board, election, name = member.board(), member.main(SIDECAR), member.pod["metadata"]["name"]
    eater = ["python3", "-c", "eaten = b'x' * (400 << 20)"]
    eaten = cluster.kubectl("exec", name, "-c", SIDECAR, "--", *eater, check=False)
    record_property("board_back", f"{member.wait_for_another_board(board, BOARD_SECONDS):.1f} s")
    assert eaten.returncode == KILLED
    assert oom_kills(member) == 2
    assert member.main(SIDECAR) == election


def oom_kills(member: Member) -> int:
    """How often the kernel has killed a process of the sidecar's container for its memory."""
    lines = (member.memory_group(SIDECAR) / "memory.oom_control").read_text().splitlines()
    return int(dict(line.split() for line in lines)["oom_kill"])


def test_while_the_notice_board_is_frozen_the_master_hands_over_and_its_peers_mend_the_labels(
    product: Product, master: str, member: Member, asking: Asking, record_property: Any
) -> None:
    name = member.pod["metadata"]["name"]
    with stopped(member.board()):
        product.carp(name, "resign", "--for", "10")
        since = time.monotonic()
        took = seconds_until("one other master label", lambda: only_other(product.masters(), master), 10, since)
        record_property("label_mended", f"{took:.1f} s")
        wait_for("one other node label", lambda: only_other(product.master_nodes(), master), LABELS_SECONDS)
        assert only_other(product.owners(), master)
    wait_for("the thawed board to agree", lambda: member.status()["kubernetes"]["role"] == "backup", 10)
    show(record_property, asking)
    assert asking.outcomes.unanswered <= LOST_MAX


# ------------------------------------------------------------------------------------------------ what runs the pods


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("service", ["kubelet", "containerd"])
def test_the_election_does_not_notice_a_crash_of(
    cluster: Cluster, product: Product, member: Member, service: str
) -> None:
    cluster.node(member.node).restart(service, signal.SIGKILL)
    wait_for("the master's pod to be Ready", lambda: product.ready() == [member.node], 60)


# ------------------------------------------------------------------------------------------------ the sidecar


def test_when_the_sidecar_is_frozen_a_backup_takes_over_and_it_hears_before_it_speaks_again(
    product: Product, master: str, member: Member, asking: Asking, record_property: Any
) -> None:
    limit = dead_seconds(product, master) + SLACK_SECONDS
    with stopped(member.main(SIDECAR)):
        wait_for("one other owner", one_owner(product, master), limit)
        wait_for("one other master label", lambda: only_other(product.masters(), master), LABELS_SECONDS)
        assert only_other(product.owners(), master)
    wait_for("the better one to be master again", lambda: product.owners() == [master], 10)
    pass_time(asking)
    show(record_property, asking)
    assert [one["to"] for one in member.vhost()["transitions"][-2:]] == ["BACKUP", "MASTER"]
    assert asking.longest_silence(ADDRESS) <= limit


def killed(member: Member) -> None:
    os.kill(member.main(SIDECAR), signal.SIGKILL)


def took_over(product: Product, than: str, before: str) -> Callable[[], bool]:
    """Whether another one has been master since: for milliseconds only, where kubelet was quick."""
    return lambda: last_master(product, than) > before


def last_master(product: Product, than: str) -> str:
    """When one of the others last became master."""
    others = [member for node, member in members(product).items() if node != than]
    moves = [one for member in others for one in member.vhost()["transitions"]]
    return max((one["at"] for one in moves if one["to"] == "MASTER"), default="")


@pytest.mark.parametrize("by", [killed, Member.starve], ids=["killed", "starved"])
def test_when_the_sidecar_is_killed_a_backup_takes_over_and_kubelet_starts_it_anew(
    product: Product, master: str, member: Member, asking: Asking, record_property: Any, by: Callable[[Member], None]
) -> None:
    limit, before = dead_seconds(product, master) + SLACK_SECONDS, member.container(SIDECAR)["restartCount"]
    last = last_master(product, master)
    by(member)
    wait_for("another master", took_over(product, master, last), 30)  # remembered: when, the client says
    wait_for("a new container", lambda: member.container(SIDECAR)["restartCount"] == before + 1, 30)
    pass_time(asking)
    show(record_property, asking)
    assert asking.longest_silence(ADDRESS) <= limit
    assert len(product.owners()) == 1
    assert by is killed or ended_by(member) == "OOMKilled"


def ended_by(member: Member) -> str:
    return str(member.container(SIDECAR)["lastState"]["terminated"]["reason"])


def test_when_the_sidecar_hangs_kubelet_replaces_it(
    product: Product, master: str, member: Member, asking: Asking, record_property: Any
) -> None:
    before = member.container(SIDECAR)["restartCount"]
    os.kill(member.main(SIDECAR), signal.SIGSTOP)
    since = time.monotonic()
    again = lambda: member.container(SIDECAR)["restartCount"] == before + 1  # noqa: E731
    record_property("replaced", f"{seconds_until('a new container', again, HUNG_SECONDS, since):.1f} s")
    show(record_property, asking)
    assert asking.longest_silence(ADDRESS) <= dead_seconds(product, master) + SLACK_SECONDS


# ------------------------------------------------------------------------------------------------ the node, the API


def test_when_the_masters_node_loses_power_a_backup_answers_and_the_api_learns_it(
    product: Product, cluster: Cluster, master: str, asking: Asking, record_property: Any
) -> None:
    limit, node = dead_seconds(product, master), cluster.node(master)
    record_property("dead_time", f"{limit:.3f} s")
    with Watching(cluster, "pods", "-l", product.selector) as pods, Watching(cluster, "nodes") as nodes:
        since = time.time()
        node.power_off()
        try:
            pod_at = pods.first("its pod's label to go", partial(pod_is_backup, master), since, LABELS_SECONDS)
            node_at = nodes.first("its own label to go", partial(node_is_backup, master), since, LABELS_SECONDS)
            pass_time(asking)
            assert only_other(product.masters(), master)
            assert only_other(product.master_nodes(), master)
            record_property("stale_labels_gone", f"pod {pod_at - since:.1f} s, node {node_at - since:.1f} s")
            show(record_property, asking)
            assert asking.longest_silence(ADDRESS) <= limit + SLACK_SECONDS
            assert max(pod_at, node_at) - since <= CLEARED_SECONDS + SLACK_SECONDS
        finally:
            node.boot()
            cluster.wait_until_ready()


def pod_is_backup(node: str, pod: dict[str, Any]) -> bool:
    return bool(pod["spec"]["nodeName"] == node and pod["metadata"]["labels"]["carp-role"] == "backup")


def node_is_backup(name: str, node: dict[str, Any]) -> bool:
    return bool(node["metadata"]["name"] == name and node["metadata"]["labels"].get(NODE_LABEL) == "backup")


def test_the_election_goes_on_without_the_api_and_the_labels_are_right_when_it_is_back(
    product: Product, cluster: Cluster, master: str, asking: Asking, record_property: Any
) -> None:
    limit, node = dead_seconds(product, master), cluster.node(master)
    cluster.api.stop()
    try:
        node.power_off()
        until = asking.outcomes.now + AWAY_SECONDS
        wait_for("the API to be away for a while", lambda: asking.outcomes.now > until, AWAY_SECONDS + 30)
        show(record_property, asking)
        assert asking.longest_silence(ADDRESS) <= limit + SLACK_SECONDS
    finally:
        cluster.api.start()
    since = time.monotonic()
    try:
        pods = seconds_until("one other master", lambda: only_other(product.masters(), master), LABELS_SECONDS, since)
        nodes = seconds_until("its node", lambda: only_other(product.master_nodes(), master), LABELS_SECONDS, since)
        record_property("labels_right", f"pods {pods:.1f} s, nodes {nodes:.1f} s after the API's return")
    finally:
        node.boot()
        cluster.wait_until_ready()


def test_an_upgrade_does_not_wait_for_a_member_whose_node_is_dead(
    product: Product, cluster: Cluster, master: str, record_property: Any
) -> None:
    """The DaemonSet's controller counts it no more. Of one that it counts and that stays unready: test_rollouts.py."""
    node = cluster.node(next(name for name in cluster.nodes if name != master))
    node.power_off()
    try:
        wait_for("the API to know", lambda: node.name not in cluster.ready_nodes(), 60)
        since = time.monotonic()
        product.upgrade({})
        took = time.monotonic() - since
        record_property("upgrade", f"{took:.1f} s")
        print(f"helm upgrade without a change, one node dead: {took:.1f} s")
        assert took <= HELM_SECONDS
    finally:
        node.boot()
        cluster.wait_until_ready()


def test_on_a_split_network_both_masters_stay_labelled_and_say_so_until_it_is_whole_again(
    product: Product, cluster: Cluster, master: str, member: Member, record_property: Any
) -> None:
    since = time.monotonic()
    with cluster.split(master):
        wait_for("a master on the other side", lambda: len(product.owners()) == 2, 10)
        others = [Member(product, node) for node in product.owners() if node != master]
        for one in (member, *others):
            took = seconds_until(f"{one.node} to know", partial(rivals, one), 20, since)
            record_property(f"suspected_by_{one.node}", f"{took:.1f} s")
        wait_for("an Event", lambda: suspicions(cluster), LABELS_SECONDS)
        assert sorted(product.masters()) == sorted(product.owners())
    wait_for("one master again", lambda: product.owners() == product.masters() == [master], LABELS_SECONDS)
    wait_for("its node label alone", lambda: product.master_nodes() == [master], LABELS_SECONDS)


def rivals(member: Member) -> Any:
    """Who else claims to be master, as this member's notice board knows."""
    return member.status()["kubernetes"]["other_masters"]


def suspicions(cluster: Cluster) -> set[str]:
    """The pods that have told that they suspect a split network."""
    events = cluster.get("events.events.k8s.io", "--field-selector", "reason=SplitBrainSuspected")["items"]
    return {event["regarding"]["name"] for event in events}


# ------------------------------------------------------------------------------------------------ the NTP server


def test_a_killed_or_frozen_ntp_server_is_given_up_for_the_next_and_kubelet_starts_it_anew(
    product: Product, master: str, asking: Asking, record_property: Any
) -> None:
    first = Member(product, master)
    before = first.container(NTP)["restartCount"]
    os.kill(first.main(NTP), signal.SIGKILL)
    wait_for("the NTP server to be started again", lambda: first.container(NTP)["restartCount"] > before, 30)
    pass_time(asking)
    show(record_property, asking)
    assert asking.longest_silence(ADDRESS) <= NTP_DEAD_SECONDS + SLACK_SECONDS
    second = Member(product, product.wait_until_settled())
    asking.reset()
    with stopped(second.main(NTP)):
        wait_for("another owner", one_owner(product, second.node), NTP_DEAD_SECONDS + 2 * SLACK_SECONDS)
        pass_time(asking)
        record_property("silence_frozen", f"{asking.longest_silence(ADDRESS):.2f} s")
        assert asking.longest_silence(ADDRESS) <= NTP_DEAD_SECONDS + SLACK_SECONDS


if not LONG:  # each takes a minute, and nothing is skipped in silence
    del test_when_the_sidecar_hangs_kubelet_replaces_it
    del test_an_upgrade_does_not_wait_for_a_member_whose_node_is_dead
