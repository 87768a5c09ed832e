"""What a rollout, or anything else that is done to the pods, looks like: to a client outside, and to the API."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sidecar.lab.outcomes import Outcomes
from tests.e2e.cluster.client import Asking
from tests.e2e.cluster.shell import wait_for
from tests.e2e.masters import changes, lasting
from tests.e2e.product import Product, is_ready, pass_time
from tests.e2e.watching import Event, Watching

RATE = 50.0
FIRST_ANSWERS = 100
AFTERWARDS_SECONDS = 2.0
NEW_SECONDS = 120.0


@dataclass
class Lost:
    """Queries without an answer in a second: at the address, and at a server outside the cluster asked in turn with it.

    That one tells the machine's noise: what it loses, and how long a server can be kept from running. What waits for
    the leaving node's server when the address goes is lost (seen: three, where the server beside took 20 ms).
    """

    address: int = 0
    beside: int = 0
    slowest: float = 0.0
    asked: int = 0

    def __str__(self) -> str:
        slowest = f"{1000 * self.slowest:.0f} ms at most"
        return f"{self.address} of {self.asked} lost; beside: {self.beside} lost, {slowest}"

    def at_most(self, number: int) -> bool:
        noise = self.beside + int(RATE * self.slowest)
        return self.asked > 0 and self.address <= number + noise


@dataclass
class Rolled:
    """`at_once`: pods replaced at a time. `seconds`: what the change took. `moves`: where the address went, for longer
    than a moment."""

    lost: Lost
    at_once: int
    seconds: float
    moves: list[str]

    def __str__(self) -> str:
        return f"{self.lost}; {self.seconds:.1f} s; {self.at_once} pods at a time; it moved to {', '.join(self.moves)}"


@contextmanager
def client(product: Product) -> Iterator[Lost]:
    """Ask the address 50 times a second, and as often a server outside; filled in at the end of the `with`."""
    cluster, counted = product.cluster, Lost()
    with cluster.client.ask(product.address, cluster.clock.address, rate=2 * RATE) as asking:
        wait_for("first answers", lambda: asking.outcomes.answered > FIRST_ANSWERS, 30, 0.02)
        asking.reset()
        began = asking.outcomes.now
        yield counted
        pass_time(asking, AFTERWARDS_SECONDS)
        _count(asking, product.address, began, counted)


def _count(asking: Asking, address: str, began: float, into: Lost) -> None:
    outcomes: Outcomes = asking.stop()
    into.slowest = _slowest(asking.lines, began)
    by = Counter(asked for _, asked in outcomes.unanswered_at)
    into.address, into.beside = by[address], sum(by.values()) - by[address]
    into.asked = outcomes.sent // len(outcomes.addresses)


def _slowest(lines: Iterable[str], began: float) -> float:
    """Seconds of the slowest answer of the second server, to what it was asked since `began`."""
    asked: dict[int, float] = {}
    slowest = 0.0
    for line in map(json.loads, lines):
        asked.update({number: at for number, at, index in line["q"] if index == 1 and at >= began})
        slowest = max([slowest, *(at - asked[number] for number, at, *_ in line["r"] if number in asked)])
    return slowest


def roll(product: Product, change: Callable[[], object], record: Any) -> Rolled:
    """Do what replaces every pod, and wait until all are new, of one template, and Ready; figures into the report."""
    before = {pod["metadata"]["uid"] for pod in product.pods()}
    with client(product) as lost, Watching(product.cluster, "pods", "-l", product.selector) as watching:
        began, since = time.monotonic(), time.time()
        change()
        seconds = time.monotonic() - began
        wait_for("every pod to be new and Ready", lambda: _all_new(product, before), NEW_SECONDS, 0.5)
    found = changes(watching.events, since)
    rolled = Rolled(lost, most_at_once(watching.events), seconds, [node for _, node, _ in lasting(found)])
    record("rollout", str(rolled))
    print(f"{rolled}; of {len(found)} changes")
    return rolled


def _all_new(product: Product, before: set[str]) -> bool:
    pods = product.pods()
    templates = {pod["metadata"]["labels"]["controller-revision-hash"] for pod in pods}
    new = len(pods) == product.nodes and not before & {pod["metadata"]["uid"] for pod in pods}
    return new and len(templates) == 1 and all(map(is_ready, pods))


def most_at_once(events: Iterable[Event]) -> int:
    """On how many nodes at once a pod had been told to end and its successor had not been Ready yet.

    Not how many are Ready: kubelet takes back a Ready now and then, for some milliseconds.
    """
    ended: set[str] = set()
    out: dict[str, str] = {}
    most = 0
    for _, pod in events:
        uid, node = pod["metadata"]["uid"], pod["spec"].get("nodeName", "")
        if "deletionTimestamp" in pod["metadata"] and uid not in ended:
            ended.add(uid)
            out[node] = uid
        elif uid not in ended and is_ready(pod):
            out.pop(node, None)
        most = max(most, len(out))
    return most
