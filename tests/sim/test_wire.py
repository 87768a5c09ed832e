"""The same elections over signed bytes: keys roll over, a wrong key is a split, reflections do nothing."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from sidecar.carp.receive import DropReason
from tests.sim.cluster import Cluster, group
from tests.sim.invariants import nothing_moves, one_is_master, the_master_is_the_fittest


def on_a_real_wire(*advskews: int) -> Cluster:
    cluster = group(*advskews, settle=0.0)
    cluster.put_on_a_real_wire(b"first")
    cluster.run(8.0)
    return cluster


def drops(cluster: Cluster) -> set[DropReason]:
    return {reason for node in cluster.nodes for reason in node.real_wire.drops}


def test_a_group_on_a_real_wire_settles_and_drops_nothing() -> None:
    cluster = on_a_real_wire(0, 20, 40)
    assert the_master_is_the_fittest(cluster).number == 0
    nothing_moves(cluster, 600.0)
    assert drops(cluster) == set()


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_a_key_rolls_over_in_three_rounds_and_nothing_moves(order: tuple[int, ...]) -> None:
    cluster = on_a_real_wire(0, 20, 40)
    before = len(cluster.journal)
    for ring in ((b"first", b"second"), (b"second", b"first"), (b"second",)):
        for number in order:
            cluster.rekey(number, *ring)
            cluster.run(7.0)
    assert len(cluster.journal) == before
    assert drops(cluster) == set()


def test_a_wrong_key_splits_the_group_and_the_right_one_mends_it() -> None:
    cluster = on_a_real_wire(0, 20)
    cluster.rekey(1, b"wrong")
    cluster.run(10.0)
    assert cluster.masters == [0, 1]
    assert drops(cluster) == {DropReason.BADAUTH}
    cluster.rekey(1, b"first")
    cluster.run(2.0)
    assert the_master_is_the_fittest(cluster).number == 0


def test_another_list_of_addresses_splits_the_group_until_all_have_it() -> None:
    cluster = on_a_real_wire(0, 20)
    more = (*cluster.nodes[0].config.addresses, ip_address("10.9.0.101"))
    for number in (0, 1):
        cluster.reconfigure(number, replace(cluster.nodes[number].config, addresses=more))
        cluster.run(10.0)
    assert the_master_is_the_fittest(cluster).number == 0
    assert cluster.nodes[0].kernel.addresses == more


def test_a_network_that_reflects_frames_makes_nobody_yield() -> None:
    """FreeBSD takes its own reflected advertisement for an equal master's, and yields to itself for ever."""
    cluster = on_a_real_wire(0, 20)
    cluster.network.mirror = True
    nothing_moves(cluster, 100.0)
    assert one_is_master(cluster).number == 0
    assert drops(cluster) == {DropReason.OWN}
    cluster.shut_down(0)
    cluster.run(2.0)
    assert one_is_master(cluster).number == 1
