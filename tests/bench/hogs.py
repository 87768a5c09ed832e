"""How fast is too fast here: false failovers while two processes eat both processors.

A pair is left alone for a while; every change of the address's owner is one that nothing asked for.
"""

import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sidecar.lab.owners import OwnerWatch
from sidecar.lab.topology import Network
from tests.bench.contenders import NUMBERS, SERVICE, Contender
from tests.bench.stage import SETTLE_SECONDS, serve_time

HOGS = 2


class Calm(NamedTuple):
    """False failovers in so many seconds, and the seconds in which both or nobody had the address."""

    contender: str
    seconds: float
    moves: int
    nobody: float
    both: float


def under_load(contender: Contender, seconds: float) -> Calm:
    """Watch the owners of the address while the machine is busy."""
    with tempfile.TemporaryDirectory() as place, Network() as network, watching() as watch:
        folder = Path(place)
        for rank, number in enumerate(NUMBERS):
            node = network.add_node(f"node{rank + 1}", number)
            watch.attach(node)
            serve_time(node, folder)
            contender.start(node, folder / f"{node.name}.log", rank)
        wait_for(watch, "node1")
        time.sleep(2.0)
        for _ in range(HOGS):
            network.switch.spawn(
                [
                    sys.executable,
                    "-I",
                    "-S",
                    "-c",
                    f"import time\nwhile time.monotonic() < {time.monotonic() + seconds + 5}: pass",
                ]
            )
        since = time.monotonic()
        time.sleep(seconds)
        return judge(contender.key, watch, since, time.monotonic())


def judge(key: str, watch: OwnerWatch, since: float, end: float) -> Calm:
    """What the kernels told between two moments."""
    changes = [one for one in watch.changes if one.address == SERVICE.address]
    ends = [*(one.at for one in changes[1:]), end]
    spans = [(one, until - max(one.at, since)) for one, until in zip(changes, ends, strict=True) if until > since]
    return Calm(
        key,
        end - since,
        sum(one.at > since and bool(one.owners - {"node1"}) for one in changes),
        sum(length for one, length in spans if not one.owners),
        sum(length for one, length in spans if len(one.owners) > 1),
    )


@contextlib.contextmanager
def watching() -> Iterator[OwnerWatch]:
    """The kernels' own word on who has the address."""
    watch = OwnerWatch([SERVICE.address])
    try:
        yield watch
    finally:
        watch.close()


def wait_for(watch: OwnerWatch, name: str) -> None:
    """Until this node alone has the address."""
    end = time.monotonic() + SETTLE_SECONDS
    while watch.owners(SERVICE.address) != {name}:
        if time.monotonic() > end:
            raise RuntimeError(f"{name} does not own {SERVICE.address} alone within {SETTLE_SECONDS:.0f} s")
        time.sleep(0.01)
