"""`carp-sidecar check` on real nodes: what it finds is what `run` would meet, and it changes nothing."""

import time
from subprocess import CompletedProcess

import pytest

from sidecar.lab.services import start_chrony
from tests import rivals
from tests.netns.group import V4, VHID, Group, Member, until
from tests.rivals import Service


def check(member: Member, *more: str, **env: str) -> "CompletedProcess[str]":
    """With the settings that its daemon has."""
    return member.command("check", *more, **{**member.env, **env})


def found(done: "CompletedProcess[str]", level: str) -> list[str]:
    """The findings of a level."""
    return [line.removeprefix(level).strip() for line in done.stdout.splitlines() if line.startswith(level)]


def test_a_healthy_node_beside_a_master_has_no_problem(pair: Group) -> None:
    third = pair.add()
    start_chrony(third.node, pair.folder / "chrony.log", reference=None)
    before = third.node.run(["ip", "address"]).stdout
    done = check(third)
    assert (done.returncode, found(done, "problem")) == (0, []), done.stdout + done.stderr
    assert any("10.77.0.1 is master (advbase 1, advskew 0, carp-sidecar)" in line for line in found(done, "ok"))
    assert third.node.run(["ip", "address"]).stdout == before


def test_the_master_itself_finds_that_it_is_master_and_runs_here(pair: Group) -> None:
    done = check(pair.members[0])
    assert done.returncode == 0, done.stdout
    assert any("this node is master" in line for line in found(done, "ok"))
    assert any("runs here and answers" in line for line in found(done, "ok"))


def test_a_demoted_openbsd_is_a_problem_to_whom_the_other_dialect_was_given_and_run_warns_of_it(group: Group) -> None:
    first, second = group.add(CARP_DIALECT="openbsd"), group.add()
    first.start()
    group.wait_for_owner(first)
    first.control("maintenance", "on")
    done = check(second)
    assert (done.returncode, check(second, CARP_DIALECT="openbsd").returncode) == (1, 0), done.stdout
    assert any("10.77.0.1 is demoted in OpenBSD's way" in line for line in found(done, "problem"))
    second.start()
    second.until_said("10.77.0.1 is demoted in OpenBSD's way")
    assert second.said().count("OpenBSD's way") == 1


def test_another_passphrase_is_a_problem_that_says_what_is_different(pair: Group) -> None:
    third = pair.add()
    third.node.write("/run/passphrase", "another\n", 0o600)
    done = check(third)
    assert done.returncode == 1
    assert any("10.77.0.1 signs otherwise: another passphrase" in line for line in found(done, "problem"))


def test_other_addresses_are_told_from_another_passphrase(pair: Group) -> None:
    done = check(pair.add(), CARP_ADDRESSES=f"{V4},10.77.0.150")
    assert any(f"passphrase 1 is right, its addresses are {V4}" in line for line in found(done, "problem"))


def test_the_masters_own_advskew_is_worth_a_warning(pair: Group) -> None:
    done = check(pair.add(advskew=0))
    assert any("as this node would be" in line for line in found(done, "warning"))


def test_vrrp_of_the_same_number_is_a_problem(group: Group) -> None:
    router = group.network.add_node("router", 77)
    service = Service(VHID, "10.77.0.177")
    rivals.keepalived(router, group.folder / "k.log", service, priority=100, interval=1.0, version=2)
    until(lambda: service.address in router.addresses(), 10, "the router is master")
    done = check(group.add())
    assert done.returncode == 1
    assert any("10.77.0.77 speaks VRRP with the same number" in line for line in found(done, "problem"))


def test_ucarp_is_a_problem_to_whom_openbsds_dialect_was_given_and_run_warns_of_it(group: Group) -> None:
    rival = group.network.add_node("rival", 78)
    rivals.ucarp(rival, group.folder / "u.log", Service(VHID, V4), advskew=0)
    rival.write("/run/passphrase", "only for tests\n", 0o600)
    until(lambda: V4 in rival.addresses(), 10, "ucarp is master")
    member = group.add(CARP_DIALECT="openbsd")
    done = check(member)
    assert (done.returncode, check(member, CARP_DIALECT="freebsd").returncode) == (1, 0), done.stdout
    assert any("10.77.0.78 is no OpenBSD" in line for line in found(done, "problem"))
    member.start()
    member.until_said("10.77.0.78 is no OpenBSD", 8.0)  # four of its advertisements, and the start before them
    time.sleep(3.0)
    assert member.said().count("is no OpenBSD") == 1


def test_members_of_ours_with_openbsds_dialect_are_no_problem_to_each_other(group: Group) -> None:
    first, second = (group.add(CARP_DIALECT="openbsd") for _ in range(2))
    first.start()
    group.wait_for_owner(first)
    done = check(second)
    assert (done.returncode, found(done, "problem")) == (0, []), done.stdout
    second.start()
    until(lambda: second.state() == "BACKUP", 5, "it takes part")
    time.sleep(5.0)
    assert "no OpenBSD" not in second.said()


def test_ucarp_is_a_problem_only_where_strict(group: Group) -> None:
    rival = group.network.add_node("rival", 78)
    rivals.ucarp(rival, group.folder / "u.log", Service(VHID, V4), advskew=0)
    rival.write("/run/passphrase", "only for tests\n", 0o600)
    until(lambda: V4 in rival.addresses(), 10, "ucarp is master")
    member = group.add()
    assert check(member).returncode == 0
    assert any("strict does not believe" in line for line in found(check(member, CARP_REPLAY="strict"), "problem"))


def test_a_place_that_cannot_work_is_named(group: Group) -> None:
    member = group.add()
    gone = check(member, "--seconds", "1", CARP_INTERFACE="eth7")
    assert "eth7" not in "".join(found(gone, "warning")), "told once"
    assert any(line.startswith("interface eth7: there is none of this name") for line in found(gone, "problem"))
    own = check(member, "--seconds", "0", CARP_ADDRESSES="10.77.0.1")
    assert any("this node's own, on eth0" in line for line in found(own, "problem"))
    member.node.ip("link set eth0 down")
    down = check(member, "--seconds", "0", CARP_INTERFACE="eth0")
    assert any("it is down or has no carrier" in line for line in found(down, "problem"))


@pytest.mark.parametrize("place", ["/run", "/run/passphrase"])
def test_a_control_socket_where_something_else_is_is_worth_a_warning(group: Group, place: str) -> None:
    done = check(group.add(), "--seconds", "0", CARP_CONTROL=place)
    assert any(line.startswith(f"control socket {place}: is there and no socket") for line in found(done, "warning"))


def test_a_stranger_that_has_the_address_is_a_problem_and_the_master_is_none(pair: Group) -> None:
    third = pair.add()
    assert any(line == f"address {V4} on the segment: answered by a member" for line in found(check(third), "ok"))
    stranger = pair.network.add_node("stranger", 66)
    stranger.ip(f"address add {V4}/24 dev eth0")
    assert any(f"{stranger.mac} has it, and is no member" in line for line in found(check(third), "problem"))


def test_a_time_server_that_is_dead_is_a_problem(group: Group) -> None:
    member = group.add(CARP_NTP="127.0.0.1:123")
    dead = check(member, "--seconds", "0")
    assert any(line.startswith("NTP server 127.0.0.1:123") for line in found(dead, "problem"))


def test_settings_that_are_wrong_by_themselves_are_78(group: Group) -> None:
    done = check(group.add(), CARP_VHID="300")
    assert done.returncode == 78
    assert "CARP_VHID=300" in done.stderr
