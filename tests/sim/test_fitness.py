"""The address follows demotion; equal demotion moves nothing; and a peer that would not preempt is asked."""

import pytest

from sidecar.carp.config import Dialect
from tests.sim.cluster import group
from tests.sim.invariants import (
    nothing_moves,
    one_is_master,
    the_addresses_are_never_without_an_owner,
    the_master_is_the_fittest,
    two_nodes_never_own_the_addresses_for_longer_than,
)

EXCHANGE = 0.0005


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("amount", [80, 160, 240])
def test_a_demoted_master_gives_way_at_once_and_comes_back(amount: int, dialect: Dialect) -> None:
    cluster = group(0, 20, 40, dialect=dialect)
    start = cluster.now
    cluster.demote(0, "ntp", amount)
    cluster.run(0.1)
    assert the_master_is_the_fittest(cluster).number == 1
    nothing_moves(cluster, 500.0)
    cluster.demote(0, "ntp", 0)
    cluster.run(2.0)
    assert the_master_is_the_fittest(cluster).number == 0
    the_addresses_are_never_without_an_owner(cluster, start)


@pytest.mark.parametrize("dialect", Dialect)
def test_the_same_demotion_of_all_moves_nothing_for_a_day(dialect: Dialect) -> None:
    cluster = group(0, 20, 40, dialect=dialect)
    start = cluster.now
    for number in (1, 2, 0):
        cluster.demote(number, "ntp", 240)
    nothing_moves(cluster, 86_400.0)
    assert one_is_master(cluster).number == 0
    the_addresses_are_never_without_an_owner(cluster, start)


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("fate", ["shut_down", "power_off"])
def test_of_nodes_that_are_all_demoted_the_best_configured_takes_over(fate: str, dialect: Dialect) -> None:
    cluster = group(0, 20, 40, dialect=dialect)
    for number in (1, 2, 0):
        cluster.demote(number, "ntp", 240)
    cluster.run(5.0)
    lost = cluster.now
    getattr(cluster, fate)(0)
    cluster.run(8.0)
    assert one_is_master(cluster).number == 1
    assert [entry.node for entry in cluster.journal if entry.at > lost and entry.new == "MASTER"] == [1]
    tolerated = EXCHANGE if fate == "shut_down" else 4.2
    the_addresses_are_never_without_an_owner(cluster, lost, tolerated)


def test_the_least_bad_serves() -> None:
    cluster = group(0, 20, 40)
    for number, amount in ((0, 240), (1, 160), (2, 80)):
        cluster.demote(number, "ntp", amount)
    cluster.run(5.0)
    assert the_master_is_the_fittest(cluster).number == 2
    cluster.power_off(2)
    cluster.run(8.0)
    assert the_master_is_the_fittest(cluster).number == 1


@pytest.mark.parametrize("amount", [80, 240])
def test_between_nodes_that_do_not_preempt_a_demoted_master_steps_down(amount: int) -> None:
    cluster = group(20, 40, preempt=False, settle=0.0)
    cluster.run(10.0)
    cluster.power_off(0)
    cluster.run(10.0)
    cluster.start(0)
    cluster.run(1.0)
    cluster.shut_down(1)
    cluster.run(2.0)
    cluster.start(1)
    cluster.run(2.0)
    assert one_is_master(cluster).number == 0
    demoted = cluster.now
    cluster.demote(0, "ntp", amount)
    cluster.run(3.0)
    assert one_is_master(cluster).number == 1
    the_addresses_are_never_without_an_owner(cluster, demoted)


def test_a_better_peer_that_died_long_ago_does_not_make_the_others_flap() -> None:
    cluster = group(40, 20, 60)
    cluster.power_off(1)
    cluster.run(10.0)
    cluster.demote(2, "ntp", 80)
    cluster.demote(0, "ntp", 40)
    start = cluster.now
    cluster.run(3600.0)
    assert one_is_master(cluster).number == 0
    assert 0 not in [entry.node for entry in cluster.journal if entry.at > start]
    the_addresses_are_never_without_an_owner(cluster, start)
    two_nodes_never_own_the_addresses_for_longer_than(EXCHANGE, cluster, start)


def test_a_node_that_cannot_own_the_address_gives_it_to_one_that_can() -> None:
    cluster = group(0, 20)
    cluster.power_off(0)
    cluster.run(5.0)
    cluster.nodes[0].holds_fail = True
    start = cluster.now
    cluster.start(0)
    cluster.run(10.0)
    assert the_master_is_the_fittest(cluster).number == 1
    the_addresses_are_never_without_an_owner(cluster, start, 0.01)
    nothing_moves(cluster, 1000.0)


def test_a_node_that_cannot_send_gives_way_and_is_forgiven_with_its_carpdev() -> None:
    cluster = group(0, 20)
    cluster.nodes[0].sends_fail = True
    cluster.run(20.0)
    assert cluster.masters == [1]
    cluster.nodes[0].sends_fail = False
    cluster.set_link(0, False)
    cluster.set_link(0, True)
    cluster.run(5.0)
    assert the_master_is_the_fittest(cluster).number == 0


def test_a_rise_of_demotion_on_the_way_back_does_not_flap() -> None:
    cluster = group(0, 20, 40)
    before = len(cluster.journal)
    for amount in (80, 160, 240, 160, 80, 0):
        cluster.demote(0, "ntp", amount)
        cluster.run(5.0)
        the_master_is_the_fittest(cluster)
    assert [entry.node for entry in cluster.journal[before:]] == [1, 0, 0, 1]
