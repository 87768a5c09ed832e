"""Who became master when, as the watch of the pods tells it."""

import datetime as dt
import math

from tests.e2e.watching import Event

Change = tuple[float, str, float]
"""When a node became master, which, and how many seconds later its pod's label said so here."""


def changes(events: list[Event], since: float) -> list[Change]:
    """What the watch of the pods tells of new masters."""
    found: dict[tuple[float, str], Change] = {}
    for seen, pod in events:
        said = pod["metadata"].get("annotations", {}).get("carp-sidecar.io/since")
        if said and pod["metadata"]["labels"].get("carp-role") == "master":
            at = dt.datetime.fromisoformat(said).timestamp()
            if at > since:
                found.setdefault((at, pod["spec"]["nodeName"]), (at, pod["spec"]["nodeName"], seen - at))
    return sorted(found.values())


def lasting(found: list[Change]) -> list[Change]:
    """Those that were no mere moment: several that hear a bow-out may take over at once, until they hear each other."""
    return [one for one, after in zip(found, [*found[1:], (math.inf, "", 0.0)], strict=False) if after[0] - one[0] > 1]
