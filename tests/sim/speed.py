"""How fast virtual time passes: `python -m tests.sim.speed [DAYS]`. Nothing is asserted; machines differ."""

import sys
import time

from tests.sim.cluster import group

MINUTE = 60.0
DAY = 86_400.0


def node_days_a_minute(days: float, nodes: int = 3) -> float:
    """Of a lossless group at rest, on one core."""
    cluster = group(*range(0, 20 * nodes, 20))
    started = time.perf_counter()
    cluster.run(days * DAY)
    return nodes * days / (time.perf_counter() - started) * MINUTE


if __name__ == "__main__":
    print(f"{node_days_a_minute(float(sys.argv[1]) if len(sys.argv) > 1 else 2.0):.0f} node-days a minute")
