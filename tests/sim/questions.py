"""What a demoted master moves that asks whether anybody is better (decision 3): backups answer, and are told to go."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sidecar.carp.effects import Reason, State
from tests.sim.arithmetic import interval, rank_of

if TYPE_CHECKING:
    from tests.sim.cluster import Cluster
    from tests.sim.engine import Entry

TOLD_TO_GO = (Reason.PEER_BOWED_OUT, Reason.BETTER_PEER)
TAKES_OVER = (Reason.PREEMPT, Reason.PEER_DEMOTED)


def is_asked(cluster: "Cluster", lots: int) -> bool:
    """Whether one said goodbye so lately that two may own the addresses: for an interval, equals for ``lots``."""
    asked_at = max(node.left_at for node in cluster.nodes)
    return cluster.now - asked_at <= lots * max(1.0, *map(interval, cluster.nodes))


def unasked(cluster: "Cluster", since: float) -> list["Entry"]:
    """Changes of state, but for those of backups which a demoted master asked whether anybody is better.

    It tells them at once to go when they are not. Its equals that are demoted themselves do not answer; but when one
    that is worse does, and is heard after it was told to go, an equal may take over from that one.
    """
    found = [entry for entry in cluster.journal if entry.at > since]
    asking = {rank_of(node) for node in cluster.nodes if node.state is State.MASTER and node.told()}
    if not asking:
        return found
    pause = max(map(interval, cluster.nodes))
    taking = [
        one for one in found if one.reason in TAKES_OVER and _follows(one, found, (Reason.PEER_BOWED_OUT,), pause)
    ]
    silent = {node.number for node in cluster.nodes if node.told() and rank_of(node) in asking}
    return [
        entry
        for entry in found
        if entry.reason not in TOLD_TO_GO
        and entry not in taking
        and (
            entry.reason != Reason.EQUAL_PEER
            or (entry.node in silent and not _follows(entry, taking, TAKES_OVER, pause))
        )
    ]


def _follows(entry: "Entry", found: Sequence["Entry"], reasons: Sequence[Reason], pause: float) -> bool:
    """Whether another node did one of these things in the pause before."""
    return any(one.node != entry.node and one.reason in reasons and 0 <= entry.at - one.at <= pause for one in found)
