"""Leaving in peace loses no request: there is always an owner, and only one of those that are left takes over."""

import pytest

from sidecar.carp.config import Dialect
from tests.sim.cluster import Cluster, group
from tests.sim.invariants import (
    a_shutdown_says_goodbye_once,
    nothing_moves,
    one_is_master,
    the_addresses_are_never_without_an_owner,
    the_master_is_the_fittest,
    two_nodes_never_own_the_addresses_for_longer_than,
)

EXCHANGE = 0.0005
LETS_OTHERS_GO_FIRST = 0.02
"""Seconds, at 20 units of advskew more than the leaver's."""
HAND_OVER = 1.0


def since(cluster: Cluster, moment: float) -> list[tuple[int, str]]:
    return [(entry.node, str(entry.new)) for entry in cluster.journal if entry.at >= moment]


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("preempt", [True, False])
@pytest.mark.parametrize("nodes", [2, 3, 5])
def test_a_shutdown_is_over_after_one_exchange_and_no_request_is_lost(
    nodes: int, preempt: bool, dialect: Dialect
) -> None:
    cluster = group(*range(0, 20 * nodes, 20), preempt=preempt, dialect=dialect)
    left = cluster.now
    cluster.shut_down(0)
    cluster.run(3.0)
    a_shutdown_says_goodbye_once(cluster.nodes[0], was_master=True)
    assert since(cluster, left) == [(1, "MASTER"), (0, "INIT")]
    assert cluster.journal[-1].at - left <= LETS_OTHERS_GO_FIRST + EXCHANGE
    the_addresses_are_never_without_an_owner(cluster, left)
    two_nodes_never_own_the_addresses_for_longer_than(EXCHANGE, cluster, left)


def test_a_backup_that_shuts_down_disturbs_nobody() -> None:
    cluster = group(0, 20, 40)
    cluster.shut_down(1)
    a_shutdown_says_goodbye_once(cluster.nodes[1], was_master=False)
    before = len(cluster.journal)
    cluster.run(10.0)
    assert len(cluster.journal) == before


def test_the_last_one_lets_go_after_a_second() -> None:
    cluster = group(0)
    left = cluster.now
    cluster.shut_down(0)
    cluster.run(5.0)
    a_shutdown_says_goodbye_once(cluster.nodes[0], was_master=True)
    assert cluster.journal[-1].at - left == pytest.approx(HAND_OVER)
    assert cluster.owners == []


def test_a_node_that_resigned_comes_back_after_its_rest() -> None:
    cluster = group(0, 20, 40)
    left = cluster.now
    cluster.resign(0, 30.0)
    cluster.run(29.0)
    assert one_is_master(cluster).number == 1
    cluster.run(5.0)
    assert the_master_is_the_fittest(cluster).number == 0
    the_addresses_are_never_without_an_owner(cluster, left)
    assert since(cluster, left) == [(1, "MASTER"), (0, "BACKUP"), (0, "MASTER"), (1, "BACKUP")]


def test_of_several_that_hear_the_goodbye_only_the_best_owns_the_address_for_a_moment() -> None:
    cluster = group(0, 20, 40, 60, 80)
    left = cluster.now
    cluster.resign(0, 30.0)
    cluster.run(10.0)
    assert since(cluster, left) == [(1, "MASTER"), (0, "BACKUP")]


@pytest.mark.parametrize("gap", [0.0, 0.0001, 0.004, 0.0201, 0.0203, 0.03, 0.5])
def test_two_that_resign_at_nearly_the_same_time_leave_it_to_the_third(gap: float) -> None:
    cluster = group(0, 20, 40)
    left = cluster.now
    cluster.resign(0, 30.0)
    cluster.run(gap)
    cluster.resign(1, 30.0)
    cluster.run(10.0)
    assert one_is_master(cluster).number == 2
    the_addresses_are_never_without_an_owner(cluster, left)


def test_two_that_both_shut_down_leave_it_to_the_third() -> None:
    cluster = group(0, 20, 40)
    left = cluster.now
    cluster.shut_down(0)
    cluster.shut_down(1)
    cluster.run(3.0)
    assert one_is_master(cluster).number == 2
    the_addresses_are_never_without_an_owner(cluster, left)


def test_a_successor_that_dies_before_it_speaks_is_replaced_by_the_next_one() -> None:
    cluster = group(0, 20, 40)
    left = cluster.now
    cluster.resign(0, 30.0)
    cluster.run(0.001)
    cluster.power_off(1)
    cluster.run(3.0)
    assert one_is_master(cluster).number == 2
    the_addresses_are_never_without_an_owner(cluster, left)


def test_a_successor_that_dies_as_soon_as_it_spoke_is_missed_for_one_silence() -> None:
    cluster = group(0, 20, 40)
    cluster.resign(0, 30.0)
    cluster.run(0.025)
    assert one_is_master(cluster).number == 1
    lost = cluster.now
    cluster.power_off(1)
    cluster.run(3.2)
    assert one_is_master(cluster).number == 2
    the_addresses_are_never_without_an_owner(cluster, lost, 3.16)


@pytest.mark.parametrize("micros", range(-2000, 1000, 100))
def test_a_goodbye_that_crosses_a_take_over_makes_no_second_master(micros: int) -> None:
    """Node 2 has been master and leaves; node 0 is back and takes over at that very moment; node 1 hears both."""
    cluster = group(0, 20, 40)
    cluster.power_off(0)
    cluster.power_off(1)
    cluster.run(10.0)
    cluster.start(1)
    cluster.demote(1, "ntp", 100)  # so that it does not preempt node 2, and is slow to accept an invitation
    cluster.run(2.0)
    cluster.start(0)
    before = cluster.now
    while cluster.masters == [2]:
        cluster.run(0.0001)
    taken_over = cluster.now
    replay = group(0, 20, 40)
    replay.power_off(0)
    replay.power_off(1)
    replay.run(10.0)
    replay.start(1)
    replay.demote(1, "ntp", 100)
    replay.run(2.0)
    replay.start(0)
    assert replay.now == before
    replay.run_until(taken_over + micros / 1e6)
    replay.resign(2, 30.0)
    replay.run(3.0)
    assert one_is_master(replay).number == 0
    assert 1 not in [entry.node for entry in replay.journal if entry.at > before and entry.new == "MASTER"]


@pytest.mark.parametrize("dialect", Dialect)
def test_maintenance_moves_the_address_and_its_end_brings_it_back(dialect: Dialect) -> None:
    cluster = group(0, 20, 40, dialect=dialect)
    start = cluster.now
    cluster.demote(0, "maintenance", 240)
    cluster.step_down(0)
    cluster.run(2.0)
    assert the_master_is_the_fittest(cluster).number == 1
    nothing_moves(cluster, 300.0)
    cluster.demote(0, "maintenance", 0)
    cluster.run(2.0)
    assert the_master_is_the_fittest(cluster).number == 0
    the_addresses_are_never_without_an_owner(cluster, start)


def test_maintenance_of_the_only_node_changes_nothing() -> None:
    cluster = group(0)
    start = cluster.now
    cluster.demote(0, "maintenance", 240)
    cluster.step_down(0)
    nothing_moves(cluster, 1000.0)
    the_addresses_are_never_without_an_owner(cluster, start)


def test_resigning_while_the_network_is_split_leaves_each_side_its_master() -> None:
    cluster = group(0, 20, 40)
    cluster.partition([0, 2], [1])
    cluster.run(10.0)
    cluster.resign(0, 60.0)
    cluster.run(10.0)
    assert cluster.masters == [1, 2]
    cluster.heal()
    cluster.run(2.0)
    assert one_is_master(cluster).number == 1


def test_a_rolling_restart_of_all_nodes_never_leaves_the_address_alone() -> None:
    cluster = group(0, 20, 40)
    start = cluster.now
    for number in (2, 1, 0):
        cluster.shut_down(number)
        cluster.run(2.0)
        cluster.start(number)
        cluster.run(10.0)
    assert the_master_is_the_fittest(cluster).number == 0
    the_addresses_are_never_without_an_owner(cluster, start)


def test_a_frozen_node_that_is_handing_over_finds_on_waking_that_it_has_been_succeeded() -> None:
    cluster = group(0, 20)
    cluster.resign(0, 30.0)
    cluster.freeze(0)
    cluster.run(5.0)
    cluster.thaw(0)
    cluster.run(0.01)
    assert one_is_master(cluster).number == 1
    assert cluster.journal[-1].reason == "resigned"
