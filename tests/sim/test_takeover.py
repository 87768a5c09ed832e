"""A master is lost in every way that it can be lost: who takes over, when, and how long two answer or nobody does."""

import pytest

from sidecar.carp.config import Dialect, master_down_us
from tests.sim.cluster import Cluster, group
from tests.sim.invariants import (
    nothing_moves,
    one_is_master,
    the_addresses_are_never_without_an_owner,
    the_master_is_the_fittest,
    two_nodes_never_own_the_addresses_for_longer_than,
)
from tests.sim.picture import gaps, overlaps

ROUND_TRIP = 0.001  # generous: two ways and what a kernel takes
PHASES = pytest.mark.parametrize("phase", [0.01, 0.25, 0.5, 0.75, 0.99])


def patience(cluster: Cluster, number: int) -> float:
    config = cluster.nodes[number].config
    return master_down_us(config.advbase, config.advskew, config.dialect) / 1e6


def the_one_at(cluster: Cluster, number: int) -> None:
    assert the_master_is_the_fittest(cluster).number == number


@pytest.mark.parametrize("nodes", [2, 3, 4, 5])
@pytest.mark.parametrize("dialect", Dialect)
def test_a_group_settles_on_its_best_node_and_nothing_moves_for_a_day(nodes: int, dialect: Dialect) -> None:
    cluster = group(*range(0, 20 * nodes, 20), dialect=dialect)
    the_one_at(cluster, 0)
    nothing_moves(cluster, 86_400.0)
    assert len([entry for entry in cluster.journal if entry.new == "MASTER"]) == 1


@PHASES
@pytest.mark.parametrize("dialect", Dialect)
def test_when_the_power_goes_the_next_best_takes_over_within_the_formula(dialect: Dialect, phase: float) -> None:
    cluster = group(0, 20, 40, dialect=dialect)
    cluster.run(phase)
    lost = cluster.now
    cluster.power_off(0)
    cluster.run(6.0)
    the_one_at(cluster, 1)
    ((start, end),) = gaps(cluster, lost)
    assert start == lost
    assert end - lost <= patience(cluster, 1) + ROUND_TRIP
    assert end - lost >= patience(cluster, 1) - 1.0 - ROUND_TRIP
    assert [entry.node for entry in cluster.journal if entry.at > lost] == [1]


@PHASES
def test_a_killed_daemon_leaves_its_address_with_the_kernel_until_the_lease_ends(phase: float) -> None:
    cluster = group(0, 20, 40)
    cluster.run(phase)
    lost = cluster.now
    cluster.kill(0)
    cluster.run(6.0)
    the_one_at(cluster, 1)
    assert overlaps(cluster, lost) == []
    assert sum(end - start for start, end in gaps(cluster, lost)) <= 0.08 + ROUND_TRIP


def test_the_better_one_takes_over_again_when_it_is_back() -> None:
    cluster = group(0, 20, 40)
    cluster.power_off(0)
    cluster.run(10.0)
    back = cluster.now
    cluster.start(0)
    cluster.run(3.0)
    the_one_at(cluster, 0)
    assert sum(end - start for start, end in gaps(cluster, back)) <= ROUND_TRIP
    two_nodes_never_own_the_addresses_for_longer_than(ROUND_TRIP, cluster, back)


def test_without_preempt_the_better_one_stays_backup_when_it_is_back() -> None:
    cluster = group(0, 20, preempt=False)
    cluster.power_off(0)
    cluster.run(10.0)
    cluster.start(0)
    nothing_moves_after_starting = len(cluster.journal) + 1
    cluster.run(100.0)
    assert one_is_master(cluster).number == 1
    assert len(cluster.journal) <= nothing_moves_after_starting


@pytest.mark.parametrize("seconds", [0.5, 2.5, 3.5, 7.0, 60.0, 3600.0])
def test_a_better_master_that_was_frozen_takes_over_again_by_speaking(seconds: float) -> None:
    cluster = group(0, 20, 40)
    frozen = cluster.now
    cluster.freeze(0)
    cluster.run(seconds)
    cluster.thaw(0)
    thawed = cluster.now
    cluster.run(3.0)
    the_one_at(cluster, 0)
    two_nodes_never_own_the_addresses_for_longer_than(3.0, cluster, frozen)
    two_nodes_never_own_the_addresses_for_longer_than(ROUND_TRIP, cluster, thawed)


@pytest.mark.parametrize("seconds", [3.5, 7.0, 60.0, 3600.0])
@pytest.mark.parametrize("preempt", [True, False])
def test_a_worse_master_that_was_frozen_hears_before_it_speaks(seconds: float, preempt: bool) -> None:
    cluster = group(20, 0, preempt=preempt, settle=0.0)
    cluster.power_off(1)
    cluster.run(10.0)
    cluster.freeze(0)
    cluster.run(0.5)
    cluster.start(1)
    cluster.run(max(seconds, 5.0))
    spoken = cluster.nodes[0].sent
    cluster.thaw(0)
    cluster.run(0.01)
    assert one_is_master(cluster).number == 1
    assert cluster.nodes[0].sent == spoken
    assert not cluster.nodes[0].kernel.owns(cluster.now)


def test_a_cut_cable_moves_the_address_and_its_return_brings_it_back() -> None:
    cluster = group(0, 20, 40)
    cluster.set_link(0, False)
    assert not cluster.nodes[0].kernel.owns(cluster.now)
    cluster.run(5.0)
    the_one_at(cluster, 1)
    cluster.set_link(0, True)
    cluster.run(3.0)
    the_one_at(cluster, 0)


@PHASES
def test_a_network_that_was_split_agrees_at_the_next_advertisement(phase: float) -> None:
    cluster = group(0, 20, 40)
    cluster.partition([0], [1, 2])
    cluster.run(30.0 + phase)
    assert cluster.masters == [0, 1]
    cluster.heal()
    healed = cluster.now
    cluster.run(1.1)
    the_one_at(cluster, 0)
    assert all(one.end - one.start <= 1.08 for one in overlaps(cluster, healed))


def test_a_master_by_silence_is_told_to_go_by_the_better_one_at_once() -> None:
    """Three lost advertisements, right after which the next backup speaks: it must not last until the next beat."""
    cluster = group(0, 20)
    cluster.cut(0, 1)
    while cluster.masters != [0, 1]:
        cluster.run(0.001)
    cluster.heal()
    healed = cluster.now
    cluster.run(1.01)
    the_one_at(cluster, 0)
    two_nodes_never_own_the_addresses_for_longer_than(1.0, cluster, healed)


def test_when_one_way_is_lost_the_deaf_one_yields_each_time_the_other_way_works() -> None:
    """Node 1 hears nothing of node 0: two masters, until it hears again. Nothing can be done, but nothing may stick."""
    cluster = group(0, 20)
    cluster.cut(0, 1)
    cluster.run(60.0)
    assert cluster.masters == [0, 1]
    cluster.heal()
    cluster.run(1.1)
    the_one_at(cluster, 0)
    nothing_moves(cluster, 1000.0)


def test_a_deaf_master_that_is_the_best_stays_and_gives_the_address_up_for_a_while_when_told_to() -> None:
    """It is heard, and silence is what it expects of backups: nobody can tell (docs/failure-modes.md)."""
    cluster = group(0, 20)
    cluster.cut(1, 0)
    nothing_moves(cluster, 600.0)
    the_one_at(cluster, 0)
    told = cluster.now
    cluster.resign(0, 30.0)
    cluster.run(29.0)
    assert one_is_master(cluster).number == 1
    two_nodes_never_own_the_addresses_for_longer_than(1.0, cluster, told)
    the_addresses_are_never_without_an_owner(cluster, told)
    cluster.run(10.0)
    the_one_at(cluster, 0)


def test_a_mute_master_cannot_hold_the_address() -> None:
    """Its lease is renewed by what it says, so two nodes own it no longer than the lease."""
    cluster = group(0, 20)
    cluster.nodes[0].sends_fail = True
    muted = cluster.now
    cluster.run(20.0)
    assert cluster.owners == [1]
    two_nodes_never_own_the_addresses_for_longer_than(3.0, cluster, muted)


@pytest.mark.parametrize("advskews", [(25, 26), (25, 26, 27), (25, 60, 128)])
@pytest.mark.parametrize("dialect", Dialect)
def test_fast_modes_take_over_in_under_half_a_second(advskews: tuple[int, ...], dialect: Dialect) -> None:
    cluster = group(*advskews, advbase=0, lease=1.0, dialect=dialect)
    the_one_at(cluster, 0)
    lost = cluster.now
    cluster.power_off(0)
    cluster.run(3.0)
    the_one_at(cluster, 1)
    ((_, end),) = gaps(cluster, lost)
    assert end - lost <= 3 * advskews[1] / 256 + ROUND_TRIP
    nothing_moves(cluster, 3600.0)


def test_in_a_fast_mode_a_demoted_node_gives_way_and_comes_back() -> None:
    cluster = group(25, 26, advbase=0, lease=1.0)
    for number, amount, expected in ((0, 240, 1), (1, 240, 1), (0, 80, 0), (1, 0, 1), (0, 0, 0)):
        cluster.demote(number, "ntp", amount)
        cluster.run(5.0)
        the_one_at(cluster, expected)
