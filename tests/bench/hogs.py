"""How fast is too fast here: false failovers while two processes eat both processors.

Pairs are left alone, all of them at the same time; every change of the address's owner is one that nothing asked for.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sidecar.lab.space import Process, Space
from sidecar.lab.topology import Node
from tests import rivals
from tests.bench.contenders import SERVICE, Contender
from tests.bench.pairs import Pair, noted, standing
from tests.bench.results import Calm, Checked, Results

HOGS = 2
CALM = 3.0
HOG = "while True: pass"
DEAD_TIME = "dead time of vhid"


def watch(contenders: Sequence[Contender], seconds: float, results: Results) -> None:
    """Watch the owners of every contender's address while the machine is busy; ask `check` before and meanwhile."""
    with standing(contenders, "hogs", results) as pairs:
        time.sleep(CALM)
        ask_all(pairs, "quiet", results)
        with Space("hogs") as space, busy(space):
            time.sleep(CALM)
            since = time.monotonic()
            ask_all(pairs, "two hogs", results)
            time.sleep(max(0.0, since + seconds - time.monotonic()))
            results.calms += [judge(one, since, time.monotonic()) for one in pairs]


@contextmanager
def busy(space: Space) -> Iterator[list[Process]]:
    """Both processors are wanted by somebody who never rests."""
    hogs = [space.spawn([sys.executable, "-I", "-S", "-c", HOG]) for _ in range(HOGS)]
    try:
        yield hogs
    finally:
        for one in hogs:
            one.stop()


def judge(pair: Pair, since: float, end: float) -> Calm:
    """What the kernels told between two moments."""
    name = pair.nodes[0].name
    changes = [one for one in pair.watch.changes if one.address == SERVICE.address]
    ends = [*(one.at for one in changes[1:]), end]
    spans = [(one, until - max(one.at, since)) for one, until in zip(changes, ends, strict=True) if until > since]
    return Calm(
        pair.contender.key,
        end - since,
        sum(one.at > since and bool(one.owners - {name}) for one in changes),
        sum(length for one, length in spans if not one.owners),
        sum(length for one, length in spans if len(one.owners) > 1),
    )


def ask_all(pairs: Sequence[Pair], when: str, results: Results) -> None:
    """What `check` says of each profile's dead time, on the backup's node."""
    for pair in pairs:
        if pair.contender.ours:
            with noted(results, "check", pair.contender):
                results.checks.append(Checked(pair.contender.key, when, ask(pair.contender, pair.nodes[1])))


def ask(contender: Contender, node: Node) -> str:
    """The line on the dead time, of a `check` that is run as the daemon is."""
    argv, env = rivals.command(node, SERVICE, *contender.prefix, do="check", **contender.settings[1])
    done = node.run([*argv, "--seconds", "0"], env=env)
    lines = [line for line in done.stdout.splitlines() if DEAD_TIME in line]
    if not lines:
        raise RuntimeError(f"check said nothing of it: {done.stdout[-200:]}{done.stderr[-200:]}")
    return " ".join(lines[0].split())
