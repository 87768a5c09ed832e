"""Many notice boards at once against one real API server: what they cost, and that an outage is no stampede.

Each has its own pod, node, token and connections, and every patch passes the chart's admission policies. A small crowd
and short times here; with CARP_E2E_LONG=1 five hundred (``CROWD``: another number), twenty of them real processes, four
minutes of steady state and a minute without the server.
"""

import os
import time
from pathlib import Path

import pytest

from tests.e2e.api import town as towns
from tests.e2e.api.gathering import Meter, gathered, resident, settle
from tests.e2e.api.plane import Plane

LONG = os.environ.get("CARP_E2E_LONG") == "1" or "CROWD" in os.environ
CROWD = int(os.environ.get("CROWD", "500" if LONG else "24"))
REAL = CROWD // 25 or 1
AWAY = 60.0 if LONG else 6.0
STEADY = 240.0 if LONG else 15.0


@pytest.mark.timeout(1800)
def test_a_crowd_costs_little_and_is_right_again_soon_after_an_outage(plane: Plane, tmp_path: Path) -> None:
    town = towns.found(plane)
    folder = tmp_path / "pods"
    settle(town, folder, CROWD)
    with gathered(town, folder, CROWD, REAL) as crowd:
        crowd.tell("backup")
        with Meter(plane) as start:
            took = crowd.until_all(900)
        print(f"\n{CROWD} boards, {REAL} of them processes: all right {took:.1f} s after their start, {start.served}")
        time.sleep(5.0)
        with Meter(plane, 5.0) as steady:
            time.sleep(STEADY)
        rate = steady.asked / CROWD / (steady.seconds / 60)
        largest = max(one.rss_mib for one in crowd.real)
        print(
            f"steady: {rate:.2f} requests a minute each besides watches, {steady.asked / steady.seconds:.1f} a second "
            f"of all, {steady.busiest:.0f} in the busiest five; {steady.served}; API and etcd {steady.cores:.3f} "
            f"cores, {resident(plane):.0f} MiB; a process {largest:.0f} MiB"
        )
        assert rate <= 2.0
        errors = crowd.errors()
        plane.stop()
        time.sleep(AWAY / 2)
        crowd.tell("init")
        time.sleep(AWAY / 2)
        failed = (crowd.errors() - errors) / AWAY
        print(f"away {AWAY:.0f} s: {failed:.0f} failed attempts a second of all, {failed / CROWD:.2f} each")
        assert failed / CROWD < (2.0 if LONG else 6.0), "ever more rarely: most of them come in the first seconds"
        plane.start()
        ready = time.monotonic()
        with Meter(plane, since_start=True) as back:
            crowd.until_all(120)
            took = time.monotonic() - ready
        print(
            f"all labels right {took:.1f} s after the API was ready again, {back.asked} requests since its start, "
            f"{back.busiest:.0f} a second in the busiest; {back.served}; API and etcd {back.cores * back.seconds:.1f} "
            "s of processor time since their start"
        )
        assert took <= 10 + CROWD / 50
        roles = {one["metadata"]["labels"].get("carp-role") for one in plane.ask("GET", town.pods)["items"]}
        assert roles == {"init"}
