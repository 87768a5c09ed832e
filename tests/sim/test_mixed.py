"""Our nodes among plain BSD kernels and ucarp: one master in every order of joining, leaving and dying."""

from collections.abc import Callable

import pytest

from sidecar.carp.config import Config, Dialect, Family
from tests.sim.bsd import FreeBsd, OpenBsd, Ucarp
from tests.sim.cluster import Cluster
from tests.sim.invariants import nothing_moves, one_is_master, the_addresses_are_never_without_an_owner
from tests.sim.node import V4, Machine, Node
from tests.sim.picture import overlaps

KINDS: dict[str, Callable[[Node], Machine]] = {
    "freebsd": lambda node: FreeBsd(node.config),
    "openbsd": lambda node: OpenBsd(node.config),
    "ucarp": lambda node: Ucarp(node.config, node.sources[Family.V4]),
}
EVERYBODY = pytest.mark.parametrize("kind", KINDS)
ADVSKEWS = pytest.mark.parametrize("advskews", [(0, 20), (20, 0), (10, 10)], ids=["we are better", "worse", "equal"])
PREEMPT = pytest.mark.parametrize("theirs", [False, True], ids=["they stay", "they preempt"])
DIALECTS = pytest.mark.parametrize("dialect", Dialect)


def pair(kind: str, advskews: tuple[int, int], theirs: bool, dialect: Dialect, first: int = 0) -> Cluster:
    """Node 0 is ours, node 1 is not."""
    ours = Config(1, V4, 1, advskews[0], True, dialect)
    cluster = Cluster([ours, Config(1, V4, 1, advskews[1], theirs)], build={1: KINDS[kind]})
    cluster.start(first)
    cluster.run(7.0)
    cluster.start(1 - first)
    cluster.run(10.0)
    return cluster


@EVERYBODY
@ADVSKEWS
@PREEMPT
@DIALECTS
@pytest.mark.parametrize("first", [0, 1], ids=["we were first", "they were first"])
def test_one_is_master_in_every_order(
    kind: str, advskews: tuple[int, int], theirs: bool, dialect: Dialect, first: int
) -> None:
    cluster = pair(kind, advskews, theirs, dialect, first)
    one_is_master(cluster)
    nothing_moves(cluster, 3600.0)
    master = cluster.masters[0]
    cluster.power_off(master)
    cluster.run(7.0)
    assert cluster.masters == [1 - master]
    cluster.start(master)
    cluster.run(10.0)
    one_is_master(cluster)
    nothing_moves(cluster, 3600.0)


@EVERYBODY
@ADVSKEWS
@PREEMPT
@DIALECTS
def test_our_shutdown_loses_no_request_to_any_of_them(
    kind: str, advskews: tuple[int, int], theirs: bool, dialect: Dialect
) -> None:
    cluster = pair(kind, advskews, theirs, dialect)
    if cluster.masters == [0]:
        left = cluster.now
        cluster.shut_down(0)
        cluster.run(5.0)
        assert cluster.masters == [1]
        the_addresses_are_never_without_an_owner(cluster, left)


@EVERYBODY
@PREEMPT
@DIALECTS
def test_when_we_are_demoted_they_serve_whether_they_preempt_or_not(kind: str, theirs: bool, dialect: Dialect) -> None:
    cluster = pair(kind, (0, 20), theirs, dialect)
    assert cluster.masters == [0]
    demoted = cluster.now
    cluster.demote(0, "ntp", 240)
    cluster.run(3.0)
    assert cluster.masters == [1]
    the_addresses_are_never_without_an_owner(cluster, demoted)
    cluster.demote(0, "ntp", 0)
    cluster.run(5.0)
    assert cluster.masters == [0]


@EVERYBODY
@DIALECTS
def test_a_healthy_one_that_comes_back_and_would_not_preempt_is_asked(kind: str, dialect: Dialect) -> None:
    """We took over while demoted because it had died; it is back and stays backup by itself."""
    cluster = pair(kind, (20, 0), False, dialect, first=1)
    cluster.demote(0, "ntp", 240)
    cluster.power_off(1)
    cluster.run(10.0)
    assert cluster.masters == [0]
    cluster.start(1)
    cluster.run(65.0)
    assert cluster.masters == [1]
    nothing_moves(cluster, 3600.0)


@EVERYBODY
@DIALECTS
@pytest.mark.parametrize("other_is_lower", [True, False])
def test_an_equal_of_another_kind_that_follows_a_goodbye_with_us_leaves_somebody_master(
    kind: str, dialect: Dialect, other_is_lower: bool
) -> None:
    """Their first words cross: each heard an equal, and both yielded (seeds 54387, 54533)."""
    foreign = 0 if other_is_lower else 1
    members = [Config(1, V4, 1, advskew, False, dialect) for advskew in (0, 0, 40)]
    cluster = Cluster(members, build={foreign: KINDS[kind]})
    cluster.start(2)
    cluster.run(7.0)
    cluster.start(0, 1)
    cluster.run(7.0)
    assert cluster.masters == [2]
    left = cluster.now
    cluster.shut_down(2)
    cluster.run(3.0)
    one_is_master(cluster)
    the_addresses_are_never_without_an_owner(cluster, left)
    assert all(overlap.end - overlap.start < 1.001 for overlap in overlaps(cluster, left))


@DIALECTS
def test_an_openbsd_peer_that_is_demoted_loses_to_us(dialect: Dialect) -> None:
    cluster = pair("openbsd", (20, 0), True, dialect)
    assert cluster.masters == [1]
    cluster.demote(1, "carp", 1)
    cluster.run(5.0)
    assert cluster.masters == ([0] if dialect is Dialect.OPENBSD else [1])


def test_a_freebsd_peer_that_is_demoted_loses_to_us() -> None:
    cluster = pair("freebsd", (20, 0), True, Dialect.FREEBSD)
    cluster.demote(1, "pfsync", 240)
    cluster.run(5.0)
    assert cluster.masters == [0]
    cluster.demote(1, "pfsync", 0)
    cluster.run(5.0)
    assert cluster.masters == [1]


@EVERYBODY
@DIALECTS
def test_two_of_ours_are_the_last_resort_of_an_appliance(kind: str, dialect: Dialect) -> None:
    members = [
        Config(1, V4, 1, 0, False),
        Config(1, V4, 1, 100, True, dialect),
        Config(1, V4, 1, 120, True, dialect),
    ]
    cluster = Cluster(members, build={0: KINDS[kind]})
    cluster.start()
    cluster.run(8.0)
    for lost, heir in ((0, 1), (1, 2)):
        assert cluster.masters == [lost]
        cluster.power_off(lost)
        cluster.run(8.0)
        assert cluster.masters == [heir]
    cluster.start(1)
    cluster.run(5.0)
    assert cluster.masters == [1]


@pytest.mark.parametrize("ours", [(Dialect.FREEBSD, Dialect.OPENBSD), (Dialect.OPENBSD, Dialect.FREEBSD)])
@pytest.mark.parametrize("demoted", [0, 1])
def test_our_own_dialects_mixed_by_mistake_still_make_one_master(ours: tuple[Dialect, Dialect], demoted: int) -> None:
    cluster = Cluster([Config(1, V4, 1, 20 * number, True, dialect) for number, dialect in enumerate(ours)])
    cluster.start()
    cluster.run(8.0)
    one_is_master(cluster)
    cluster.demote(demoted, "ntp", 240)
    cluster.run(10.0)
    one_is_master(cluster)
    assert cluster.masters == [1 - demoted]
    nothing_moves(cluster, 50.0)
