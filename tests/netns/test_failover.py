"""What happens to the address when a master is lost in each way that masters are lost."""

import signal
import time

import pytest

from tests.netns.group import RACE, SLACK, V4, VIRTUAL_MAC, Group, adverts, longest, master_down, until


def test_power_cut_moves_the_address_within_the_formula(trio: Group) -> None:
    first, second, _ = trio.members
    with trio.network.capture(expression="ip proto 112") as seen:
        time.sleep(1.5)
        trio.power_off(first)
        trio.wait_for_owner(second)
        until(lambda: any(source == second.node.ipv4 for _, source in adverts(seen)), 2, "the successor speaks")
    last = max(at for at, source in adverts(seen) if source == first.node.ipv4)
    silence = min(at for at, source in adverts(seen) if source == second.node.ipv4) - last
    assert master_down(20) <= silence <= master_down(20) + SLACK
    trio.power_on(first)
    trio.wait_for_owner(first)
    assert trio.longest_overlap() < SLACK


def test_pulled_cable_moves_the_address_and_a_healed_one_brings_it_back(trio: Group) -> None:
    first, second, _ = trio.members
    first.node.link(up=False)
    until(lambda: not first.owns(), 1.0, "the cut-off master lets go")
    trio.wait_for_owner(second)
    first.node.link(up=True)
    trio.wait_for_owner(first)
    assert trio.longest_overlap() < SLACK


def test_sigterm_hands_over_in_one_exchange_and_exits_0(trio: Group) -> None:
    first, second, third = trio.members
    with trio.network.capture(expression="ip proto 112") as seen:
        began = time.monotonic()
        assert first.stop() == 0
        trio.wait_for_owner(second)
    spoken = [(at, source) for at, source in adverts(seen) if source in (first.node.ipv4, second.node.ipv4)]
    goodbye = max(at for at, source in spoken if source == first.node.ipv4)
    answer = min(at for at, source in spoken if source == second.node.ipv4)
    assert 0 <= answer - goodbye < SLACK
    assert not any(source == third.node.ipv4 for _, source in adverts(seen))
    assert longest(trio.watch, V4, began, lambda owners: not owners) < RACE
    assert trio.longest_overlap() < SLACK


def test_frozen_master_loses_the_address_to_its_lease_and_hears_before_it_speaks(trio: Group) -> None:
    first, second, _ = trio.members
    frozen = time.monotonic()
    first.node.freeze()
    trio.wait_for_owner(second)
    assert trio.longest_overlap(since=frozen) < 1.0
    time.sleep(2.0)
    with trio.network.capture(expression="ip proto 112") as seen:
        until(lambda: len(adverts(seen)) > 0, 3, "the second speaks, and its next word is an interval away")
        before = len(adverts(seen))
        first.node.thaw()
        trio.wait_for_owner(first)
        until(lambda: len(adverts(seen)) > before, 2, "somebody speaks")
    assert adverts(seen)[before][1] == first.node.ipv4, "the better node insists at once"
    assert trio.longest_overlap(since=frozen + 5) < SLACK


def test_a_frozen_worse_master_yields_without_a_word(group: Group) -> None:
    """A stale advertisement after a thaw would move the address back for an interval."""
    first, second = group.add(advskew=0), group.add(advskew=20)
    second.start()
    group.wait_for_owner(second)
    second.kill(signal.SIGSTOP)
    first.start()
    group.wait_for_owner(first)
    with group.network.capture(expression="ip proto 112") as seen:
        second.kill(signal.SIGCONT)
        time.sleep(2.0)
    assert {source for _, source in adverts(seen)} == {first.node.ipv4}
    assert group.owners() == {first.node.name}


def test_killed_daemon_loses_the_address_to_its_lease(trio: Group) -> None:
    first, second, _ = trio.members
    killed = time.monotonic()
    first.kill(signal.SIGKILL)
    trio.wait_for_owner(second)
    assert trio.longest_overlap(since=killed) < 1.0


@pytest.mark.parametrize("heal", ["restart", "power"])
def test_the_preferred_master_returns_without_a_gap(trio: Group, heal: str) -> None:
    first, second, _ = trio.members
    if heal == "restart":
        first.kill(signal.SIGKILL)
    else:
        trio.power_off(first)
    trio.wait_for_owner(second)
    healed = time.monotonic()
    if heal == "restart":
        first.start()
    else:
        trio.power_on(first)
    trio.wait_for_owner(first)
    assert longest(trio.watch, V4, healed, lambda owners: not owners) < RACE
    assert trio.longest_overlap(since=healed) < SLACK


def test_the_backup_never_emits_a_frame_with_the_virtual_mac(dual: Group) -> None:
    """Not at start, not after it lost the addresses: IPv6 DAD, MLD and router solicitation included."""
    first, second = dual.add(), dual.add()
    second.node.run(
        ["sysctl", "-qw", "net.ipv6.conf.all.forwarding=1", "net.ipv6.conf.default.forwarding=1"], check=True
    )
    with dual.network.capture(node=second.node) as seen:
        second.start()
        until(lambda: "BACKUP" in second.said(), 5, "it takes part")
        time.sleep(2.0)
        assert not [frame for frame in seen.frames if frame.source_mac == VIRTUAL_MAC], "a backup from the start"
        first.start()
        dual.wait_for_owner(first)
        assert first.stop() == 0
        dual.wait_for_owner(second)
        time.sleep(1.5)
        first.start()
        dual.wait_for_owner(first)
        lost = time.time_ns()
        time.sleep(4.0)
    stolen = [frame for frame in seen.frames if frame.source_mac == VIRTUAL_MAC]
    assert any(frame.time_ns < lost for frame in stolen), "while master it does use the virtual MAC"
    assert [frame.data.hex() for frame in stolen if frame.time_ns > lost + 50_000_000] == []
    assert dual.network.mac_table()[VIRTUAL_MAC] == first.node.name
