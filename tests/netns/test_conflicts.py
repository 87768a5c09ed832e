"""Who else answers for the address is noticed, shown and told, and moves nothing.

Real daemons, real kernels, a real switch, a real stranger: a machine with ``ip addr add`` and ``arping``.
"""

import itertools
import time
from pathlib import Path

import pytest

from tests.netns.group import PASSPHRASE, V4, V6, VIRTUAL_MAC, Group, Member, adverts, until
from tests.netns.segment import announcing, claim, from_virtual_mac, learn, mute, neighbour, stranger, unmute

SOON = 20.0
"""Seconds: grace of 4 s and up to one of chance after a takeover, two answers a patience of 2 s apart; and slack."""
PATIENCE = 20.0
"""Seconds: daemons that start on a busy machine, and three intervals."""


def conflicts(member: Member, kind: str) -> list[dict[str, object]]:
    return [one for one in member.vhost()["conflicts"] if one["kind"] == kind]


def noticed(member: Member, kind: str, seconds: float = SOON) -> dict[str, object]:
    until(lambda: bool(conflicts(member, kind)), seconds, f"{member.node.name} notices {kind}")
    return conflicts(member, kind)[0]


def settled(group: Group, seconds: float = 6.0) -> None:
    """The change of masters is over for the judge, and its first question is asked."""
    time.sleep(seconds)
    assert group.members[0].vhost()["conflicts"] == []


def shown(member: Member, kind: str) -> None:
    """By the command, the page, the metric and the log, in the same words."""
    assert kind in member.control("status")
    assert kind in member.http("/").body
    name = {"VipConflict": "carp_address_conflict", "SplitBrainSuspected": "carp_split_brain_suspected"}[kind]
    assert member.metric(f'{name}{{vhid="10"}}') == 1.0
    member.until_said(f"vhid=10 {kind}: ")


# --------------------------------------------------------------------------------------------------------- strangers


@pytest.mark.parametrize("mac", ["virtual", "interface"])
@pytest.mark.parametrize("address", [V4, V6])
def test_a_silent_stranger_with_the_address_is_noticed_and_moves_nothing(dual: Group, address: str, mac: str) -> None:
    """It answers clients and says nothing by itself: only a question finds it."""
    other = stranger(dual)
    other.ip(f"addr add {address}/{32 if address == V4 else 128} dev eth0 nodad")
    members = [dual.add(CARP_MAC=mac) for _ in range(2)]
    for member in members:
        member.start()
    first, second = members
    dual.wait_for_owner(first, PATIENCE)
    found = noticed(first, "VipConflict")
    assert (found["address"], found["mac"], found["says"]) == (address, other.mac, "reply")
    shown(first, "VipConflict")
    assert dual.owners(address) == {first.node.name}
    assert (first.state(), second.state()) == ("MASTER", "BACKUP")
    assert second.vhost()["conflicts"] == []
    assert first.vhost()["demotion"]["total"] == 0


def test_a_conflict_is_over_when_the_stranger_gave_the_address_up(pair: Group) -> None:
    first, _ = pair.members
    other = stranger(pair)
    other.ip(f"addr add {V4}/32 dev eth0")
    noticed(first, "VipConflict")
    other.ip(f"addr del {V4}/32 dev eth0")
    gone = time.monotonic()
    until(lambda: conflicts(first, "VipConflict") == [], 55.0, "it is over")
    assert time.monotonic() - gone > 30.0, "some questions, ten seconds apart"
    assert "VipConflict is over" in first.said()


def test_a_client_that_a_stranger_misled_is_won_back_by_a_bounded_defence(pair: Group) -> None:
    """RFC 5227 2.4 (c): never give up, and announce once in ten seconds at most."""
    first, _ = pair.members
    other, client = stranger(pair), pair.network.add_node("client", 90)
    settled(pair)
    learn(client)
    with pair.network.capture(expression="arp", node=first.node) as seen:
        claim(other)
        until(lambda: neighbour(client) == other.mac, 1.0, "the client believes the stranger")
        misled = time.monotonic()
        until(lambda: neighbour(client) == VIRTUAL_MAC, 9.0, "the client is won back")
        assert 1.0 < time.monotonic() - misled < 8.0, "after a patience, in which a member may take over"
        began = time.time()
        for _ in range(80):
            claim(other)
            time.sleep(0.1)
    bursts = {int(at - began) for at in from_virtual_mac(seen) if began < at}
    assert len(bursts) <= 4, "one burst of announcements, 1.1 s long, for eighty claims in eight seconds"
    assert noticed(first, "VipConflict", 1.0)["says"] == "announcement"
    assert first.state() == "MASTER"


def test_who_asks_whether_the_address_is_free_is_answered_and_no_conflict(pair: Group) -> None:
    first, _ = pair.members
    other = stranger(pair)
    settled(pair)
    asked = other.run(["arping", "-D", "-c", "3", "-I", "eth0", V4])
    assert asked.returncode == 1, "taken"
    assert VIRTUAL_MAC in asked.stdout.lower()
    wanted = 'carp_address_claims_total{verdict="wanted",vhid="10"}'
    assert 1 <= (first.metric(wanted) or 0) <= 3
    assert first.vhost()["conflicts"] == []


def test_an_ipv6_machine_that_checks_before_it_takes_the_address_is_kept_from_it(dual: Group) -> None:
    """RFC 4862: the kernel that holds the address answers, and the other marks its own as a duplicate."""
    first, other = dual.add(), stranger(dual)
    first.start()
    dual.wait_for_owner(first, PATIENCE)
    settled(dual)
    other.ip(f"addr add {V6}/64 dev eth0")
    until(lambda: "dadfailed" in other.run(["ip", "addr", "show", "dev", "eth0"]).stdout, 5.0, "it gives way")
    assert (first.metric('carp_address_claims_total{verdict="wanted",vhid="10"}') or 0) >= 1
    assert first.vhost()["conflicts"] == []


def test_the_question_is_seldom_disturbs_nobody_and_is_the_masters_alone(dual: Group) -> None:
    first, second = dual.add(), dual.add()
    client = dual.network.add_node("client", 90)
    with dual.network.capture(expression="arp or (icmp6 and ip6[40] == 135)") as seen:
        first.start()
        second.start()
        dual.wait_for_owner(first, PATIENCE)
        learn(client)
        time.sleep(15.0)
    assert neighbour(client) == VIRTUAL_MAC
    packed = bytes((10, 77, 0, 100))
    probes = [one for one in seen.frames if one.data[28:32] == bytes(4) and one.data[38:42] == packed]
    assert [one.source_mac for one in probes] == [first.node.mac], "one after the takeover, from the carpdev's own MAC"
    asked = [one for one in seen.frames if one.data[12:14] == b"\x86\xdd" and one.data[54] == 135]
    own = [one for one in asked if one.data[62:78][-2:] == b"\x01\x00"]
    assert [one.source_mac for one in own] == [first.node.mac]
    assert own[0].data[22:38] != bytes(16), "in its own name: the answer to nobody's question would go to all"


def test_a_flood_of_claims_costs_no_advertisement(pair: Group) -> None:
    first, second = pair.members
    other = stranger(pair)
    settled(pair)
    before, memory = used(first), resident(first)
    with pair.network.capture(expression="ip proto 112") as seen:
        until_ = time.monotonic() + 5.0
        frames = 0
        while time.monotonic() < until_:
            announcing(other, 1000)
            frames += 1000
    print(f"{frames / 5:.0f} claims a second: {used(first) - before:.2f} s of processor time in 5 s")
    sent = [at for at, source in adverts(seen) if source == first.node.ipv4]
    assert max(later - earlier for earlier, later in itertools.pairwise(sent)) < 2.0
    assert (first.state(), second.state()) == ("MASTER", "BACKUP")
    assert used(first) - before < 1.0
    assert resident(first) - memory < 10 * 1024
    noticed(first, "VipConflict", 1.0)


def used(member: Member) -> float:
    """Seconds of processor time of the daemon."""
    assert member.daemon is not None
    fields = Path(f"/proc/{member.daemon.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def resident(member: Member) -> int:
    """KiB of memory of the daemon."""
    assert member.daemon is not None
    lines = Path(f"/proc/{member.daemon.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


# ------------------------------------------------------------------------------- members that do not hear each other


@pytest.mark.parametrize("addresses", [V4, V6, f"{V4},{V6}"])
def test_two_masters_whose_advertisements_are_dropped_suspect_each_other(group: Group, addresses: str) -> None:
    """A switch or hypervisor that drops the group and lets ARP pass; neither has ever heard the other."""
    group.addresses = addresses
    first, second = group.add(), group.add()
    mute(group, first, second)
    first.start()
    second.start()
    for member in (first, second):
        found = noticed(member, "SplitBrainSuspected")
        assert (found["mac"], found["says"]) == (VIRTUAL_MAC, "reply")
        shown(member, "SplitBrainSuspected")
        assert conflicts(member, "VipConflict") == []
        assert member.state() == "MASTER", "nobody gives up an address because of what anybody can say"
    unmute(group, first, second)
    group.wait_for_owner(first, PATIENCE, address=addresses.partition(",")[0])
    until(lambda: second.state() == "BACKUP", PATIENCE, "the worse one yields when it hears")
    assert second.vhost()["conflicts"] == []


@pytest.mark.parametrize("mac", ["virtual", "interface"])
def test_a_one_way_loss_of_advertisements_is_noticed_on_both_sides(group: Group, mac: str) -> None:
    """The better one is heard by nobody: it hears the worse one, which answers to the address where it is asked."""
    first, second = group.add(CARP_MAC=mac), group.add(CARP_MAC=mac)
    first.start()
    group.wait_for_owner(first, PATIENCE)
    second.start()
    second.until_said("-> BACKUP", PATIENCE)
    time.sleep(2.0)
    mute(group, first)
    until(lambda: second.state() == "MASTER", PATIENCE, "the second takes over from a silent master")
    by_advert = noticed(first, "SplitBrainSuspected")
    by_answer = noticed(second, "SplitBrainSuspected")
    assert any(one["source"] == second.node.ipv4 for one in conflicts(first, "SplitBrainSuspected")), by_advert
    assert by_answer["mac"] == (VIRTUAL_MAC if mac == "virtual" else first.node.mac)
    assert (first.state(), second.state()) == ("MASTER", "MASTER")
    unmute(group, first)
    until(lambda: second.state() == "BACKUP", PATIENCE, "the worse one yields when it hears")


def test_members_with_different_passphrases_suspect_each_other(group: Group) -> None:
    first, second = group.add(), group.add()
    second.node.write("/run/passphrase", f"not {PASSPHRASE}\n", 0o600)
    first.start()
    second.start()
    for member in (first, second):
        assert noticed(member, "SplitBrainSuspected")["mac"] == VIRTUAL_MAC
        assert member.drops()["badauth"] > 0
