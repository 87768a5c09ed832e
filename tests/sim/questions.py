"""What a demoted master moves that asks whether anybody is better (decision 3): backups answer, and are told to go."""

import math
from collections.abc import Sequence
from itertools import takewhile
from typing import TYPE_CHECKING

from sidecar.carp.effects import Reason, State
from tests.sim.arithmetic import interval, rank_of

if TYPE_CHECKING:
    from tests.sim.cluster import Cluster
    from tests.sim.engine import Entry

TOLD_TO_GO = (Reason.PEER_BOWED_OUT, Reason.BETTER_PEER)
TAKES_OVER = (Reason.PREEMPT, Reason.PEER_DEMOTED)


def was_asked_lately(cluster: "Cluster", lots: int) -> bool:
    """Whether one said goodbye so lately that two may own the addresses: for an interval, equals for ``lots``."""
    asked_at = max(node.left_at for node in cluster.nodes)
    return cluster.now - asked_at <= lots * max(1.0, *map(interval, cluster.nodes))


def unasked(cluster: "Cluster", since: float) -> list["Entry"]:
    """Changes of state since then, but for those of backups which a demoted master asked whether anybody is better.

    It tells them at once to go when they are not. Its equals that are demoted themselves do not answer; but when one
    that is worse does, and is heard after it was told to go, an equal may take over from that one. An equal that is
    fit (where the demotion is hidden by an advskew beyond its limit) it lets have the address. It may have asked before
    then.
    """
    pause = max(map(interval, cluster.nodes))
    every = _since(cluster.journal, since - 2 * pause)
    relief = _relief(every, since, cluster)
    found = [entry for entry in every if entry not in relief]
    asking = {rank_of(node) for node in cluster.nodes if node.state is State.MASTER and node.told}
    asked_until = math.inf if asking else max((entry.at for entry in relief), default=-math.inf)
    asking |= {rank_of(cluster.nodes[entry.node]) for entry in relief if entry.reason == Reason.STEPPED_DOWN}
    answers = [entry for entry in found if entry.reason == Reason.PEER_BOWED_OUT]
    taking = [entry for entry in found if entry.reason in TAKES_OVER and _follows(entry, answers, pause)]
    silent = {node.number for node in cluster.nodes if node.told and rank_of(node) in asking}

    def is_asked(entry: "Entry") -> bool:
        if entry.reason == Reason.EQUAL_PEER:
            return entry.node not in silent or _follows(entry, taking, pause)
        return entry.reason in TOLD_TO_GO or entry in taking

    return [entry for entry in found if entry.at > since and not (entry.at <= asked_until and is_asked(entry))]


def _relief(found: list["Entry"], since: float, cluster: "Cluster") -> list["Entry"]:
    """What there is of it when a demoted master left to a fit node, once since then: until then it asked."""
    fit = [one for one in found if one.reason == Reason.PEER_BOWED_OUT and not cluster.nodes[one.node].told]
    left = [one for one in found if one.reason == Reason.STEPPED_DOWN and cluster.nodes[one.node].told]
    relieved = [one for one in left if one.at > since and _follows(one, fit, 1.0)]
    return [*fit, *relieved] if len(relieved) == 1 else []


def _since(journal: Sequence["Entry"], since: float) -> list["Entry"]:
    """Its end, in order."""
    later = list(takewhile(lambda entry: entry.at > since, reversed(journal)))
    return later[::-1]


def _follows(entry: "Entry", causes: Sequence["Entry"], pause: float) -> bool:
    """Whether one of these came in the pause before."""
    return any(0 <= entry.at - cause.at <= pause for cause in causes)
