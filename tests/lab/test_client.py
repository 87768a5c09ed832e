"""The client against servers that are real, silent, double-tongued or impostors."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sidecar.lab.lab import CLIENT_PROGRAM
from sidecar.lab.outcomes import Outcomes
from sidecar.lab.services import start_chrony
from sidecar.lab.topology import Network, Node
from tests.lab.conftest import wait_until

SERVER = """
import socket, sys
how, address = sys.argv[1:]
asked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asked.bind((address, 123))
other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
other.bind((address, 4123))
print("ready", flush=True)
while True:
    data, client = asked.recvfrom(100)
    head = bytes([0x24, 2, 0, 0xEC]) + bytes(8) + bytes([10, 77, 1, 7]) + bytes(8)
    answer = head + data[40:48] + bytes(16)
    if how == "twice":
        asked.sendto(answer, client); asked.sendto(answer, client)
    elif how == "elsewhere":
        other.sendto(answer, client)
    elif how == "forged":
        asked.sendto(head + bytes(8) + bytes(16), client)
    elif how == "short":
        asked.sendto(answer[:40], client)
    elif how == "echo":
        asked.sendto(data, client)
"""


@pytest.fixture
def pair(network: Network) -> tuple[Node, Node]:
    return network.add_node("server", 1), network.add_node("client", 2)


def ask(client: Node, *targets: str, rate: int = 50, seconds: float = 1) -> Outcomes:
    argv = [sys.executable, "-I", "-S", str(CLIENT_PROGRAM), f"--rate={rate}", f"--seconds={seconds}", *targets]
    outcomes = Outcomes(targets, {"10.77.1.7": "server"})
    for line in client.run(argv, check=True).stdout.splitlines():
        outcomes.feed(json.loads(line))
    outcomes.finish(in_flight=0)
    return outcomes


def serve(node: Node, how: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    node.spawn([sys.executable, "-c", SERVER, how, node.ipv4], log=log)
    wait_until(lambda: "ready" in log.read_text())


def test_every_query_to_a_real_server_is_answered_by_both_families(pair: tuple[Node, Node], tmp_path: Path) -> None:
    server, client = pair
    start_chrony(server, tmp_path / "chrony.log")
    wait_until(lambda: server.path("/run/chrony/chronyd.sock").exists())
    outcomes = ask(client, server.ipv4, str(server.ipv6))
    assert outcomes.sent >= 40
    assert (outcomes.answered, outcomes.bad, outcomes.duplicates) == (outcomes.sent, 0, 0)
    assert {address for address, _ in outcomes.by_node} == {server.ipv4, server.ipv6}


def test_two_replies_to_one_query_are_told(pair: tuple[Node, Node], tmp_path: Path) -> None:
    server, client = pair
    serve(server, "twice", tmp_path)
    outcomes = ask(client, server.ipv4)
    assert outcomes.answered == outcomes.sent
    assert outcomes.duplicates == outcomes.sent
    assert outcomes.by_node.keys() == {(server.ipv4, "server")}


def test_a_reply_from_another_port_is_no_answer(pair: tuple[Node, Node], tmp_path: Path) -> None:
    server, client = pair
    serve(server, "elsewhere", tmp_path)
    outcomes = ask(client, server.ipv4)
    assert (outcomes.answered, outcomes.wrong_source) == (0, outcomes.sent)


@pytest.mark.parametrize("how", ["forged", "short", "echo"])
def test_what_answers_no_query_of_ours_is_a_stranger(pair: tuple[Node, Node], tmp_path: Path, how: str) -> None:
    server, client = pair
    serve(server, how, tmp_path)
    outcomes = ask(client, server.ipv4)
    assert (outcomes.answered, outcomes.strangers) == (0, outcomes.sent)


def test_a_server_that_is_not_there_costs_queries_and_nothing_else(pair: tuple[Node, Node]) -> None:
    server, client = pair
    server.power_off()
    outcomes = ask(client, server.ipv4)
    assert outcomes.sent >= 40
    assert (outcomes.answered, outcomes.lost) == (0, outcomes.sent)


def test_the_rate_is_kept_and_the_end_too(pair: tuple[Node, Node]) -> None:
    _, client = pair
    before = time.monotonic()
    outcomes = ask(client, "127.0.0.1", rate=200, seconds=2)
    assert 250 <= outcomes.sent <= 401
    assert time.monotonic() - before < 8


def test_a_rate_beyond_reason_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, str(CLIENT_PROGRAM), "--rate=100000", "127.0.0.1"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "at most 1000 a second" in done.stderr
