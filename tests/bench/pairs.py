"""Pairs of nodes that are left alone, many side by side, each on a network of its own: the same minutes, the same load.

The better node is master. What is watched of them (cost, false failovers) is the business of others.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from sidecar.lab.owners import OwnerWatch
from sidecar.lab.space import Process
from sidecar.lab.topology import Network, Node
from tests.bench.contenders import NUMBERS, SERVICE, Contender
from tests.bench.results import FAILURES, Results
from tests.bench.stage import SETTLE_SECONDS, serve_time


class Pair(NamedTuple):
    """A contender on its two nodes; ``watch`` is the kernels' own word on who has the address."""

    contender: Contender
    nodes: list[Node]
    daemons: list[Process]
    watch: OwnerWatch


@contextmanager
def standing(contenders: Sequence[Contender], part: str, results: Results) -> Iterator[list[Pair]]:
    """All of them, settled; one that does not settle is noted and left out. Gone afterwards."""
    with ExitStack() as stack:
        pairs = []
        for one in contenders:
            with noted(results, part, one):
                pairs.append(stack.enter_context(pair(one)))
        settled = []
        for each in pairs:
            with noted(results, part, each.contender):
                wait_for(each.watch, each.nodes[0].name)
                settled.append(each)
        yield settled


@contextmanager
def noted(results: Results, part: str, contender: Contender) -> Iterator[None]:
    """What goes wrong here costs this contender's figure and no more."""
    try:
        yield
    except FAILURES as error:
        results.fail(part, contender.key, error)


@contextmanager
def pair(contender: Contender) -> Iterator[Pair]:
    """Two nodes with a time server and the contender's daemon each."""
    with tempfile.TemporaryDirectory() as place, Network() as network, closing(OwnerWatch([SERVICE.address])) as watch:
        folder = Path(place)
        nodes = [network.add_node(f"node{rank + 1}", number) for rank, number in enumerate(NUMBERS)]
        for node in nodes:
            watch.attach(node)
            serve_time(node, folder)
        daemons = [contender.start(node, folder / f"{node.name}.log", rank) for rank, node in enumerate(nodes)]
        yield Pair(contender, nodes, daemons, watch)


def wait_for(watch: OwnerWatch, name: str) -> None:
    """Until this node alone has the address."""
    end = time.monotonic() + SETTLE_SECONDS
    while watch.owners(SERVICE.address) != {name}:
        if time.monotonic() > end:
            raise RuntimeError(f"{name} does not own {SERVICE.address} alone within {SETTLE_SECONDS:.0f} s")
        time.sleep(0.01)
