"""Dual-stack groups: one family may be lost and nothing flaps."""

from dataclasses import replace

import pytest

from sidecar.carp.config import Dialect, Family
from tests.sim.cluster import Cluster, configs
from tests.sim.invariants import (
    nothing_moves,
    one_is_master,
    the_addresses_are_never_without_an_owner,
    the_master_is_the_fittest,
)
from tests.sim.network import Weather
from tests.sim.node import DUAL
from tests.sim.picture import overlaps


def dual(*advskews: int, loss: float = 0.0, dialect: Dialect = Dialect.FREEBSD, seed: int = 0) -> Cluster:
    members = [replace(config, addresses=DUAL) for config in configs(*advskews, dialect=dialect)]
    cluster = Cluster(members, weather=Weather(loss), seed=seed)
    cluster.start()
    cluster.run(8.0)
    return cluster


def test_a_dual_stack_group_settles_and_nothing_moves() -> None:
    cluster = dual(0, 20, 40)
    assert the_master_is_the_fittest(cluster).number == 0
    nothing_moves(cluster, 86_400.0)


@pytest.mark.parametrize("family", Family)
def test_a_family_that_is_cut_off_costs_one_moment_and_no_flapping(family: Family) -> None:
    cluster = dual(0, 20)
    cut_at = cluster.now
    cluster.cut(0, 1, [family])
    cluster.run(10.0)
    assert the_master_is_the_fittest(cluster).number == 0
    nothing_moves(cluster, 3600.0)
    assert [entry.node for entry in cluster.journal if entry.at > cut_at] == [1, 1]
    assert all(one.end - one.start < 0.001 for one in overlaps(cluster, cut_at))
    the_addresses_are_never_without_an_owner(cluster, cut_at)


@pytest.mark.parametrize("family", Family)
def test_the_family_that_is_left_is_enough_to_miss_a_dead_master(family: Family) -> None:
    cluster = dual(0, 20)
    cluster.cut(0, 1, [family])
    cluster.run(60.0)
    cluster.power_off(0)
    cluster.run(4.0)
    assert one_is_master(cluster).number == 1


def test_a_family_that_is_cut_off_for_all_does_not_flap_either() -> None:
    cluster = dual(0, 20, 40)
    for one in range(3):
        for other in range(3):
            if one != other:
                cluster.cut(one, other, [Family.V6])
    cluster.run(30.0)
    assert the_master_is_the_fittest(cluster).number == 0
    nothing_moves(cluster, 3600.0)
    cluster.heal()
    nothing_moves(cluster, 3600.0)


def test_a_hand_over_is_one_exchange_on_two_families_too() -> None:
    cluster = dual(0, 20, 40)
    start = cluster.now
    cluster.shut_down(0)
    cluster.run(2.0)
    assert [entry.node for entry in cluster.journal if entry.at >= start] == [1, 0]
    the_addresses_are_never_without_an_owner(cluster, start)


def test_a_goodbye_that_is_lost_on_one_family_is_heard_on_the_other() -> None:
    for family in Family:
        cluster = dual(0, 20)
        start = cluster.now
        cluster.cut(0, 1, [family])
        cluster.shut_down(0)
        cluster.run(2.0)
        assert one_is_master(cluster).number == 1
        the_addresses_are_never_without_an_owner(cluster, start)
