"""A flood of forged advertisements, as fast as the attacker can send: nobody fails over, nobody is late, nothing grows.

The attacker shares two cores with both nodes, so bounds on time are wide; what was measured is in docs/security.md.
"""

import time
from pathlib import Path

import pytest

from sidecar.net.doorkeeper import BURST, RATE
from tests.attacks.contenders import SAFE, SLOW
from tests.attacks.flood import VHID, Pair, Source, pair_of
from tests.attacks.products import Sidecar
from tests.netns.group import until

pytestmark = [pytest.mark.timeout(180), pytest.mark.usefixtures("namespaces")]
SECONDS = 4.0
GROWTH_KIB = 10 * 1024


def looked_at(pair: Pair) -> int:
    """How many forged advertisements the busier node has looked at."""
    counted = [Sidecar("compat").drops(node)[VHID].get("badauth", 0) for node in pair.nodes]
    return max(counted)


def takes_part(pair: Pair, rank: int, times: int) -> bool:
    """Whether a node's daemon has begun to listen so many times."""
    return (pair.folder / f"{pair.nodes[rank].name}.log").read_text().count("INIT -> BACKUP") >= times


def test_no_flood_causes_a_failover_at_a_dead_time_of_305_ms(tmp_path: Path) -> None:
    with pair_of(SAFE.starts, tmp_path) as pair:
        for source in Source:
            before = looked_at(pair)
            harm = pair.flood(source, SECONDS, SAFE.interval)
            print(f"{source}: {harm}")
            assert harm.pps > 1000, "it was no flood"
            assert harm.moves == 0, source
            assert harm.growth < GROWTH_KIB, source
            assert harm.silence < SAFE.dead
            assert source is Source.PEER or looked_at(pair) - before < 2 * (BURST + RATE * SECONDS), source


@pytest.mark.parametrize("source", [Source.MANY, Source.PEER])
def test_a_node_that_starts_in_a_flood_hears_the_master(tmp_path: Path, source: Source) -> None:
    """It knows nobody yet, so it looks at every stranger rather than conclude that there is no master."""
    with pair_of(SAFE.starts, tmp_path) as pair:
        since = len(pair.watch.changes)
        with pair.flooded(source):
            for times in range(2, 5):
                pair.running[1].stop(10.0)
                pair.start(1)
                until(lambda times=times: takes_part(pair, 1, times), 30.0, "it takes part again")  # type: ignore[misc]
                time.sleep(2 * SAFE.dead)
        assert pair.watch.changes[since:] == []


def test_a_better_newcomer_is_heard_through_the_flood_of_another(tmp_path: Path) -> None:
    """The master has never heard anybody: the newcomer is a stranger like the attacker, who is muted for his noise."""
    with pair_of(SLOW.starts, tmp_path) as pair:
        for process in pair.running:
            process.stop(10.0)
        pair.start(1)
        pair.settle(1)
        with pair.flooded(Source.STRANGER):
            began = time.monotonic()
            pair.start(0)
            pair.settle(0)
        assert pair.overlap(began) < 1.0
