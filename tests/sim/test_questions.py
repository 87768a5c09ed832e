"""What a demoted master's question explains of what a group at rest does, and what it does not."""

import pytest

from sidecar.carp.effects import Reason, State
from tests.sim.cluster import Cluster, group
from tests.sim.engine import Entry
from tests.sim.questions import unasked

ASKED = 100.0
BACKUP, MASTER = State.BACKUP, State.MASTER


def told(cluster: Cluster, *entries: tuple[float, int, State, Reason]) -> None:
    for after, node, state, reason in entries:
        cluster.journal.append(Entry(ASKED + after, node, MASTER if state is BACKUP else BACKUP, state, reason, ""))


@pytest.fixture
def cluster() -> Cluster:
    """Node 0 is master, its equal node 1 is demoted as it is, node 2 would be worse."""
    cluster = group(7, 7, 100)
    for number in range(3):
        cluster.demote(number, "ntp", 80)
    cluster.run(10.0)
    assert cluster.masters == [0]
    return cluster


@pytest.mark.parametrize("since", [-1.0, 0.0, 0.015, 0.025, 0.035, 1.0])
def test_an_equal_that_took_over_from_a_worse_one_that_answered_was_asked_whenever_the_look_begins(
    cluster: Cluster, since: float
) -> None:
    """The question may have been before the group was to be at rest, and its last effect after that (seed 42789)."""
    told(
        cluster,
        (0.01, 2, MASTER, Reason.PEER_BOWED_OUT),
        (0.02, 2, BACKUP, Reason.BETTER_PEER),
        (0.03, 1, MASTER, Reason.PREEMPT),
        (0.29, 1, BACKUP, Reason.EQUAL_PEER),
    )
    assert unasked(cluster, ASKED + since) == []


def test_what_nobody_asked_for_is_told_and_nothing_from_before(cluster: Cluster) -> None:
    told(cluster, (-0.5, 1, MASTER, Reason.MASTER_DOWN), (0.29, 1, BACKUP, Reason.EQUAL_PEER))
    assert unasked(cluster, ASKED) == [cluster.journal[-1]]


@pytest.mark.parametrize("since", [0.0, 0.0501])
def test_a_demoted_master_that_left_to_a_fit_node_is_excused_once_whenever_the_look_begins(
    cluster: Cluster, since: float
) -> None:
    cluster.demote(1, "ntp", 0)
    told(cluster, (0.05, 1, MASTER, Reason.PEER_BOWED_OUT), (0.0502, 0, BACKUP, Reason.STEPPED_DOWN))
    assert unasked(cluster, ASKED + since) == []
    told(cluster, (60.0, 1, MASTER, Reason.PEER_BOWED_OUT), (60.2, 0, BACKUP, Reason.STEPPED_DOWN))
    assert unasked(cluster, ASKED + since) != []


def test_before_it_left_a_fit_equal_was_asked_and_told_to_go_and_afterwards_nobody_is(cluster: Cluster) -> None:
    """Lots decide which of two fit equals answers; to one of a higher source the master says that it stays (112301)."""
    cluster.demote(1, "ntp", 0)
    cluster.demote(2, "ntp", 0)
    cluster.run(5.0)
    cluster.nodes[0].state = BACKUP
    told(cluster, (0.05, 1, MASTER, Reason.PEER_BOWED_OUT), (0.051, 1, BACKUP, Reason.EQUAL_PEER))
    told(cluster, (60.05, 2, MASTER, Reason.PEER_BOWED_OUT), (60.0502, 0, BACKUP, Reason.STEPPED_DOWN))
    assert unasked(cluster, ASKED) == []
    told(cluster, (61.0, 1, BACKUP, Reason.EQUAL_PEER))
    assert unasked(cluster, ASKED) == [cluster.journal[-1]]
