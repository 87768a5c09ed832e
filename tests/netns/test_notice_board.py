"""The whole daemon with a notice board whose API never answers, is killed, frozen or starved: the address stays put."""

import os
import signal
import time
from pathlib import Path

from tests.netns.group import VHID, Group, Member, until

TOKEN = "/run/secrets/kubernetes.io/serviceaccount/token"  # /var/run is /run
AUTHORITY = "/run/secrets/kubernetes.io/serviceaccount/ca.crt"
POD = {
    "CARP_KUBERNETES": "on",
    "KUBERNETES_SERVICE_HOST": "10.77.0.99",  # nobody
    "KUBERNETES_SERVICE_PORT": "443",
    "POD_NAME": "carp-abcde",
    "POD_NAMESPACE": "time",
}


def pod(group: Group) -> Member:
    member = group.add(None, **POD)
    member.node.write(TOKEN, "token")
    member.node.write(AUTHORITY, "none")
    return member


def board_of(member: Member) -> int:
    """The notice board's process; 0 while there is none."""
    assert member.daemon is not None
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue
            if b"sidecar.kube" in words and parent == member.daemon.pid:
                return int(entry.name)
    return 0


def signal_board(member: Member, number: int) -> None:
    """Not to process 0 where there is none: that would be everybody here."""
    board = board_of(member)
    assert board, "the board runs"
    os.kill(board, number)


def advertised(member: Member) -> float:
    return member.metric(f'carp_advertisements_sent_total{{vhid="{VHID}"}}') or 0.0


def test_a_board_without_an_api_is_told_in_status_and_metrics_and_costs_nothing(group: Group) -> None:
    first, second = pod(group), group.add()
    first.start()
    second.start()
    group.wait_for_owner(first)
    until(lambda: (first.metric("carp_kubernetes_sync_errors_total") or 0) > 1, 30, "errors are counted")
    kubernetes = first.ask()["kubernetes"]
    assert kubernetes["enabled"] is True
    assert kubernetes["lag_s"] > 0
    assert kubernetes["last_error"]
    assert (first.metric("carp_kubernetes_sync_lag_seconds") or 0) > 0
    assert second.ask()["kubernetes"] == {"enabled": False}
    assert second.metric("carp_kubernetes_sync_errors_total") is None


def test_killing_freezing_and_stopping_the_board_does_not_move_the_address(group: Group) -> None:
    first, second = pod(group), group.add()
    first.start()
    second.start()
    group.wait_for_owner(first)
    until(lambda: board_of(first) != 0, 10, "the board runs")
    began = time.monotonic()
    moves = (first.moves(), second.moves())
    signal_board(first, signal.SIGSTOP)
    sent = advertised(first)
    time.sleep(4)
    assert advertised(first) >= sent + 3
    signal_board(first, signal.SIGKILL)
    until(lambda: board_of(first) != 0, 20, "another board runs")
    signal_board(first, signal.SIGKILL)
    time.sleep(3)
    assert (first.moves(), second.moves()) == moves
    assert group.longest_gap(since=began) == 0
    assert group.owners() == {first.node.name}


def test_the_board_ends_with_its_daemon_however_that_ends(group: Group) -> None:
    member = pod(group)
    for number, frozen in ((signal.SIGTERM, False), (signal.SIGKILL, False), (signal.SIGKILL, True)):
        member.start()
        group.wait_for_owner(member)
        until(lambda: board_of(member) != 0, 10, "the board runs")
        board = board_of(member)
        if frozen:
            time.sleep(1)  # it asks the kernel to die with its parent when it has begun
            os.kill(board, signal.SIGSTOP)
        member.kill(number)
        until(lambda board=board: not Path(f"/proc/{board}").exists(), 10, f"the board ended after {number.name}")  # type: ignore[misc]


def test_a_node_that_cannot_learn_whether_it_is_settled_is_ready_as_a_healthy_member(group: Group) -> None:
    first, second = group.add(), pod(group)
    first.start()
    second.start()
    group.wait_for_owner(first)
    until(lambda: second.state() == "BACKUP", 10, "takes part")
    assert second.http("/readyz").code == 503
    until(lambda: second.http("/readyz").code == 200, 20, "ready")
    assert first.http("/readyz").code == 200
