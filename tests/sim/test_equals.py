"""Nodes with the same advskew, which nobody should have and somebody will."""

import pytest

from sidecar.carp.config import Dialect
from tests.sim.cluster import Cluster, configs
from tests.sim.invariants import nothing_moves, one_is_master

DIALECTS = pytest.mark.parametrize("dialect", Dialect)


def equals(nodes: int, seed: int, dialect: Dialect, preempt: bool = True) -> Cluster:
    """Started at the same moment, which is the worst that can be done."""
    cluster = Cluster(configs(*[7] * nodes, dialect=dialect, preempt=preempt), seed=seed)
    cluster.start()
    return cluster


@DIALECTS
@pytest.mark.parametrize("nodes", [2, 3, 4, 5])
@pytest.mark.parametrize("seed", range(20))
def test_equals_settle_on_one_after_one_collision(seed: int, nodes: int, dialect: Dialect) -> None:
    cluster = equals(nodes, seed, dialect)
    cluster.run(10.0)
    one_is_master(cluster)
    nothing_moves(cluster, 600.0)


@DIALECTS
@pytest.mark.parametrize("seed", range(20))
def test_once_they_know_of_each_other_they_do_not_collide_again(seed: int, dialect: Dialect) -> None:
    cluster = equals(4, seed, dialect)
    cluster.run(10.0)
    lost = cluster.now
    cluster.power_off(cluster.masters[0])
    cluster.run(3.4)
    one_is_master(cluster)
    assert len([entry for entry in cluster.journal if entry.at > lost]) == 1


@DIALECTS
@pytest.mark.parametrize("seed", range(20))
def test_two_pairs_of_equals_do_not_keep_each_other_from_settling(seed: int, dialect: Dialect) -> None:
    """A worse pair becomes master, and yields, while the better pair waits for its lots: it once went on for ever."""
    for preempt in (True, False):
        cluster = Cluster(configs(7, 7, 34, 34, 34, preempt=preempt, dialect=dialect), seed=seed)
        cluster.start()
        cluster.run(20.0)
        one_is_master(cluster)


@DIALECTS
@pytest.mark.parametrize("seed", range(20))
def test_equals_beside_a_demoted_node_settle(seed: int, dialect: Dialect) -> None:
    cluster = Cluster(configs(34, 34, 0, dialect=dialect), seed=seed)
    cluster.demote(2, "ntp", 160)
    cluster.start()
    cluster.run(20.0)
    assert one_is_master(cluster).number in {0, 1}


def test_equal_masters_of_a_healed_split_settle_with_one_of_them_staying() -> None:
    cluster = Cluster(configs(7, 7), seed=3)
    cluster.start(0)
    cluster.run(1.3)
    cluster.start(1)
    cluster.run(10.0)
    cluster.partition([0], [1])
    cluster.run(10.37)
    cluster.heal()
    before = cluster.now
    cluster.run(10.0)
    one_is_master(cluster)
    assert len([entry for entry in cluster.journal if entry.at > before]) == 1
