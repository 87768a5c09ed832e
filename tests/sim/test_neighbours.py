"""Backups whose advskews hardly differ: a goodbye, or a master that is demoted, moves the address once."""

from itertools import pairwise

import pytest

from sidecar.carp.config import Config
from sidecar.carp.terms import Terms
from tests.sim.cluster import Cluster, configs
from tests.sim.invariants import one_is_master
from tests.sim.network import Weather
from tests.sim.node import V4

JITTER = Weather(delay=(0.0001, 0.001))
LATE = 0.0005
SHORTEST_HAND_OVER = 0.375
"""Seconds that a master at advbase 0 which only asks waits for an answer; one that leaves answers for twice as long."""


def answered(seed: int, advskews: tuple[int, ...], way: str, *, met: bool = False, preempt: bool = True) -> int:
    """How many took over when the master left. ``met``: the backups have been masters before."""
    cluster = Cluster(configs(*advskews, preempt=preempt), seed=seed, weather=JITTER, late=LATE)
    cluster.start()
    cluster.run(10.0)
    for number in range(len(advskews) - 1) if met else ():
        cluster.power_off(number)
        cluster.run(5.0)
    for number in reversed(range(len(advskews) - 1)) if met else ():
        cluster.start(number)
        cluster.run(5.0)
    assert cluster.masters == [0]
    before = len(cluster.journal)
    leave(cluster, way)
    cluster.run(3.0)
    one_is_master(cluster)
    return sum(entry.new == "MASTER" for entry in cluster.journal[before:])


def leave(cluster: Cluster, way: str) -> None:
    if way == "demoted":
        cluster.demote(0, "ntp", 240)
    elif way == "maintenance":
        cluster.demote(0, "maintenance", 240)
        cluster.step_down(0)
    else:
        cluster.shut_down(0)


@pytest.mark.parametrize("advskews", [(0, 1, 2), (30, 31, 32), (100, 101, 102), (7, 8, 10, 11)], ids=str)
@pytest.mark.parametrize("way", ["shutdown", "maintenance", "demoted"])
def test_one_backup_answers_where_advskews_are_numbered_through(advskews: tuple[int, ...], way: str) -> None:
    assert {answered(seed, advskews, way) for seed in range(20)} == {1}


def test_of_those_that_would_not_preempt_one_answers_as_well_near_the_best_advskew() -> None:
    assert {answered(seed, (0, 1, 2), "shutdown", preempt=False) for seed in range(20)} == {1}


def test_one_backup_answers_once_the_others_have_been_seen_as_masters() -> None:
    assert {answered(seed, (0, 100, 101), "shutdown", met=True) for seed in range(20)} == {1}


@pytest.mark.parametrize("advbase", [0, 1, 10])
@pytest.mark.parametrize("preempt", [True, False])
def test_neighbours_are_apart_and_all_have_answered_long_before_a_master_that_asks_goes_on(
    advbase: int, preempt: bool
) -> None:
    for left_alone in (1, 20, 100, 200):
        waits = [
            Terms.of(Config(1, V4, advbase, advskew, preempt), 0).stagger(left_alone, ())
            for advskew in range(max(1, left_alone) if preempt else 1, 255)
        ]
        assert all(later - earlier >= 0.00025 * 0.99 for earlier, later in pairwise(waits))
        assert max(waits) < SHORTEST_HAND_OVER / 2


@pytest.mark.parametrize("advskew", range(2, 7))
def test_at_the_fastest_intervals_a_backup_answers_well_within_one(advskew: int) -> None:
    """advbase 0: the silence after which it would take over anyway is three of them."""
    terms = Terms.of(Config(1, V4, 0, advskew), 0)
    for left_alone in range(1, advskew):
        assert terms.stagger(left_alone, ()) <= 0.4 * terms.interval
