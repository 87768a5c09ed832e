"""What changes while the daemons run: keys by their file, the rest by SIGHUP. A bad candidate changes nothing."""

import signal
import time
from typing import Any

import pytest

from tests.netns.group import KEYS, PASSPHRASE, V4, VIPS, Group, Member, until
from tests.netns.time_server import TimeServer

NOTICED = 5.0
"""Seconds within which a changed passphrase file is noticed (design §2), and a little for the log to be read."""
FAILED = "carp_config_load_error"
ONE = """
vhid: 10
addresses: [10.77.0.100]
passphrase_file: @KEYS
advskew: {advskew}
ntp: off
"""


def moves(group: Group, since: float) -> list[frozenset[str]]:
    """Every change of the address's owners."""
    return [one.owners for one in group.watch.changes if one.at > since and one.address == V4]


def write_keys(member: Member, *keys: str) -> None:
    member.node.write(KEYS, "".join(f"{key}\n" for key in keys), 0o600)


def reconfigured(member: Member, text: str) -> None:
    """Another file, and SIGHUP."""
    member.configure(text)
    member.kill(signal.SIGHUP)


# ------------------------------------------------------------------------------------------------------------- keys


def test_a_rotation_step_that_one_node_missed_shows_as_badauth_until_it_follows(pair: Group) -> None:
    first, second = pair.members
    write_keys(first, "the new one")
    second.until_dropped("badauth")
    second.until_said("another passphrase")
    write_keys(second, "the new one")
    second.until_said("reloaded: vhid 10: 1 key", NOTICED + 1)
    pair.wait_for_owner(first)
    count = second.drops()["badauth"]
    time.sleep(2.5)
    assert second.drops()["badauth"] == count


def test_a_mounted_secret_that_kubernetes_swaps_is_noticed(group: Group) -> None:
    """passphrase -> ..data/passphrase, ..data -> ..2026_1: the link of the folder is replaced at once."""
    member = group.add(CARP_PASSPHRASE_FILE="/run/secret/passphrase")
    folder = member.node.path("/run/secret")
    for name, key in (("..2026_1", PASSPHRASE), ("..2026_2", "the new one")):
        (folder / name).mkdir(parents=True)
        (folder / name / "passphrase").write_text(f"{key}\n")
        (folder / name / "passphrase").chmod(0o440)
    (folder / "..data").symlink_to("..2026_1")
    (folder / "passphrase").symlink_to("..data/passphrase")
    member.start()
    group.wait_for_owner(member)
    (folder / "..data_tmp").symlink_to("..2026_2")
    (folder / "..data_tmp").rename(folder / "..data")
    assert member.until_said("reloaded: vhid 10: 1 key", NOTICED + 1) < NOTICED
    assert group.owners() == {member.node.name}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"a passphrase of more than nineteen bytes\n", "BSD and ucarp use at most 19"),
        (b"good\n\nalso good\n", "line 2 is empty"),
        (b"\xef\xbb\xbfgood\n", "byte order mark"),
        (None, "cannot be read (No such file or directory)"),
    ],
    ids=["empty", "long", "gap", "bom", "gone"],
)
def test_a_bad_passphrase_file_changes_nothing_and_is_told(pair: Group, content: bytes | None, why: str) -> None:
    second = pair.members[1]
    began = time.monotonic()
    file = second.node.path(KEYS)
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    second.until_said("not reloaded, everything stays as it was", NOTICED + 1)
    assert f"passphrase_file={KEYS}: {why}" in second.said() or f"{why}" in second.said()
    assert second.metric(FAILED) == 1
    time.sleep(1.5)
    assert second.drops() == {}
    assert moves(pair, began) == []
    write_keys(second, PASSPHRASE)
    until(lambda: second.metric(FAILED) == 0, NOTICED + 1, "it is well again")
    assert "Traceback" not in second.said()


def test_a_file_that_may_not_be_read_is_read_as_soon_as_it_may(group: Group) -> None:
    """A change of mode is a change: what root put there is given to the daemon's user a moment later."""
    member = group.add()
    member.prefix = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
    member.start()
    group.wait_for_owner(member)
    file = member.node.path(KEYS)
    new = file.with_name("new")
    new.write_text("the new one\n")
    new.chmod(0)
    new.rename(file)
    member.until_said("cannot be read (Permission denied)", NOTICED + 1)
    assert member.metric(FAILED) == 1
    file.chmod(0o600)
    member.until_said("reloaded: vhid 10: 1 key", NOTICED + 1)
    assert member.metric(FAILED) == 0


# ----------------------------------------------------------------------------------------------------------- SIGHUP


def trio_by_file(group: Group) -> list[Member]:
    members = [group.add_configured(ONE.format(advskew=20 * number)) for number in range(3)]
    for member in members:
        member.start()
    group.wait_for_owner(members[0])
    return members


def test_another_advskew_makes_the_better_node_master(group: Group) -> None:
    members = trio_by_file(group)
    began = time.monotonic()
    reconfigured(members[2], ONE.format(advskew=0))
    reconfigured(members[0], ONE.format(advskew=40))
    group.wait_for_owner(members[2])
    assert members[0].vhost()["advskew"] == 40
    assert members[0].vhost()["effective_advskew"] == 40
    assert group.longest_gap(since=began) < 0.005
    reconfigured(members[0], ONE.format(advskew=0))
    reconfigured(members[2], ONE.format(advskew=40))
    group.wait_for_owner(members[0])


def test_addresses_that_are_added_and_removed_on_all_nodes_follow_without_a_transition(group: Group) -> None:
    members = trio_by_file(group)
    began = time.monotonic()
    more = ONE.replace("[10.77.0.100]", "[10.77.0.100, 10.77.0.101, 10.77.0.102]").format
    for number, member in enumerate(members):
        reconfigured(member, more(advskew=20 * number))
    for address in VIPS[:3]:
        group.wait_for_owner(members[0], 2, address)
    asked = members[1].node.run(["ping", "-c", "1", "-W", "2", VIPS[2]])
    assert asked.returncode == 0, asked.stdout
    time.sleep(4.0)
    fewer = ONE.replace("[10.77.0.100]", "[10.77.0.100, 10.77.0.102]").format
    for number, member in enumerate(members):
        reconfigured(member, fewer(advskew=20 * number))
    until(lambda: not group.owners(VIPS[1]), 2, "what was removed is let go")
    time.sleep(4.0)
    assert group.owners(VIPS[2]) == {members[0].node.name}
    assert moves(group, began) == []
    assert [member.state() for member in members] == ["MASTER", "BACKUP", "BACKUP"]
    assert {f"{VIPS[2]}/32"} <= set(members[0].node.run(["ip", "-br", "addr"]).stdout.split())


GOOD = ONE.format(advskew=0)
BAD: list[tuple[str, str]] = [
    ("vhid: 10\naddresses: [10.77.0.100", "correct the file"),
    (GOOD.replace("vhid: 10", "vhid: 300"), "whole number from 1 to 255"),
    (GOOD.replace("vhid: 10", "vhid: 11"), "which virtual hosts there are cannot change while running"),
    (GOOD + "interface: eth1\n", "cannot change while running; restart the daemon"),
    (GOOD + "mac: interface\n", "mac=interface: of vhid 10 cannot change while running; restart the daemon"),
    (GOOD + "http: 127.0.0.1:8113\n", "http=127.0.0.1:8113: cannot change while running; restart the daemon"),
    (GOOD.replace("ntp: off", "ntp: 127.0.0.1"), "cannot change while running; restart the daemon"),
    (GOOD.replace("10.77.0.100]", "10.77.0.100, fd77::100]"), "the families of vhid 10 cannot change"),
    (GOOD + "peers: 10.77.0.2\n", "peers=10.77.0.2: multicast or unicast of vhid 10 cannot change"),
    (GOOD + "passphrase_file: /nowhere\n", "the same key stands here twice"),
    (GOOD.replace("@KEYS", "/nowhere"), "cannot be read"),
]


def test_a_bad_candidate_changes_nothing_and_says_why(group: Group) -> None:
    member = group.add_configured(GOOD)
    member.start()
    group.wait_for_owner(member)
    before: dict[str, Any] = {**member.vhost(), "counters": None}
    for number, (text, why) in enumerate(BAD, 1):
        reconfigured(member, text)
        member.until_said("not reloaded, everything stays as it was", times=number)
        refusal = [line for line in member.said().splitlines() if "not reloaded" in line][-1]
        assert why in refusal, text
        assert member.metric(FAILED) == 1
        reconfigured(member, GOOD)
        member.until_said("reloaded: nothing changed", times=number)
        assert member.metric(FAILED) == 0
    assert {**member.vhost(), "counters": None} == before
    assert "Traceback" not in member.said()
    print(member.said())


def test_the_time_is_asked_on_the_addresses_that_are_held_now(group: Group) -> None:
    """What was removed is not missed, what was added is not taken for granted."""
    served = GOOD.replace("ntp: off", "ntp: 127.0.0.1")
    member = group.add_configured(served.replace("10.77.0.100]", "10.77.0.100, 10.77.0.101]"))
    with TimeServer(member.node, "127.0.0.1", V4, VIPS[1], VIPS[2]) as server:
        member.start()
        group.wait_for_owner(member, address=VIPS[1])
        until(lambda: member.ask()["ntp"]["vip_answers"] is True, 5, "both answer")
        reconfigured(member, served.replace("10.77.0.100]", "10.77.0.100, 10.77.0.102]"))
        member.until_said("reloaded: vhid 10: addresses 10.77.0.100,10.77.0.102")
        server.until_asked(VIPS[2])
        time.sleep(4.5)
        assert member.ask()["ntp"]["vip_answers"] is True
        assert member.vhost()["demotion"] == {"total": 0, "causes": {}}
        reconfigured(member, served.replace("10.77.0.100]", "10.77.0.100, 10.77.0.103]"))
        until(lambda: member.vhost()["demotion"]["causes"] == {"vip": 240}, 10, "nobody answers on the new one")
        reconfigured(member, served)
        until(lambda: member.vhost()["demotion"]["total"] == 0, 3, "it is not asked for any more")
    assert [one for one in member.moves() if "master_down" not in one] == ["INIT -> BACKUP: started"]


def test_log_level_and_lease_follow_and_a_longer_advbase_keeps_the_address(group: Group) -> None:
    first, second = (group.add_configured(ONE.format(advskew=20 * number)) for number in range(2))
    for member in (first, second):
        member.start()
    group.wait_for_owner(first)
    began = time.monotonic()
    for member, advskew in ((second, 20), (first, 0)):  # who hears must be patient before the other speaks less
        reconfigured(member, ONE.format(advskew=advskew) + "advbase: 4\nlog_level: warning\n")
        until(lambda one=member: one.vhost()["advbase"] == 4, 3, "it is taken")  # type: ignore[misc]
    time.sleep(6.0)
    assert moves(group, began) == []
    quiet = first.said()
    first.control("resign", "--for", "5")
    group.wait_for_owner(second)
    assert first.said() == quiet
    reconfigured(first, ONE.format(advskew=0) + "log: json\n")
    first.until_said("log=json: cannot change while running")
