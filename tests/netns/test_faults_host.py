"""What a host runs out of, and what becomes of the address then: one owner at every moment, none when in doubt."""

import os
import resource
import signal
import time

import pytest

from tests.netns.faults import changes, descriptors, full_disk, hang, limited, memory, room
from tests.netns.group import KEYS, PASSPHRASE, SLACK, V4, Group, until

FOLDER = "/run/carp-sidecar"


def test_a_disk_that_is_full_from_the_start_costs_the_control_socket_and_not_the_address(group: Group) -> None:
    first, second = group.add(), group.add()
    for member in (first, second):
        full_disk(member, FOLDER)
        member.start()
    group.wait_for_owner(first)
    first.until_said("cannot listen yet, trying each second")
    assert "cannot keep /run/carp-sidecar/control.sock.state: No space left on device" in first.said()
    first.kill(signal.SIGUSR1)
    first.until_said("flight record not written: [Errno 28] No space left on device")
    assert first.http("/livez").code == 200
    room(first, FOLDER)
    until(lambda: first.state() == "MASTER", 5, "there is a control socket as soon as there is room")
    first.control("resign", "--for", "3")
    group.wait_for_owner(second)
    assert group.longest_overlap() < SLACK
    assert "Traceback" not in first.said() + second.said()
    assert [first.stop(), second.stop()] == [0, 0]


def test_a_disk_that_never_answers_again_costs_no_advertisement(group: Group) -> None:
    """The keys are on a file server that is gone: the election neither waits for it nor forgets the keys it has."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("needs /dev/fuse: a file system that hangs")
    folder = "/run/remote"
    first, second = (group.add(CARP_PASSPHRASE_FILE=f"{folder}/keys") for _ in range(2))
    for member in (first, second):
        member.node.write(f"{folder}/keys", f"{PASSPHRASE}\n", 0o600)
        member.start()
    group.wait_for_owner(first)
    until(lambda: second.state() == "BACKUP", 5, "the second takes part")
    began = time.monotonic()
    holders = [hang(member, folder) for member in (first, second)]
    time.sleep(6.0)  # the file is looked at every 4 s
    first.kill(signal.SIGHUP)
    time.sleep(4.0)
    assert changes(group, began, V4) == []
    assert [first.state(), second.state()] == ["MASTER", "BACKUP"]
    for holder in holders:
        holder.send_signal(signal.SIGKILL)
    first.until_said("not reloaded, everything stays as it was")
    for member in (first, second):
        member.node.run(["umount", "-l", folder])
        member.node.write(f"{folder}/keys", f"{PASSPHRASE}\nthe new one\n", 0o600)
        member.until_said("reloaded: vhid 10: 2 keys", 10)
    assert changes(group, began, V4) == []


def test_no_descriptor_left_moves_nothing_and_everything_works_again_afterwards(pair: Group) -> None:
    first, second = pair.members
    began = time.monotonic()
    with limited(first, resource.RLIMIT_NOFILE, descriptors(first)), limited(second, resource.RLIMIT_NOFILE, 3):
        for member in (first, second):
            member.node.ip("addr add 10.77.0.61/32 dev eth0" if member is first else "addr add 10.77.0.62/32 dev eth0")
            member.node.write(KEYS, f"the new one\n{PASSPHRASE}\n", 0o600)
            member.kill(signal.SIGUSR1)
            member.until_said("flight record not written: [Errno 24] Too many open files")
            member.until_said("cannot be read (Too many open files)", 6)
        time.sleep(1.0)
        assert changes(pair, began, V4) == []
    for member in (first, second):
        member.until_said("reloaded: vhid 10: 2 keys", 10)
        assert member.metric("carp_config_load_error") == 0
    assert [first.state(), second.state()] == ["MASTER", "BACKUP"]
    first.node.ip("link set eth0 down")
    pair.wait_for_owner(second)
    first.node.ip("link set eth0 up")
    pair.wait_for_owner(first, 15)
    assert "Traceback" not in first.said() + second.said()


def test_a_carpdev_that_comes_back_while_no_descriptor_is_left_is_taken_up_when_there_is_one(pair: Group) -> None:
    first, second = pair.members
    with limited(first, resource.RLIMIT_NOFILE, 3):
        first.node.ip("link set eth0 down")
        pair.wait_for_owner(second)
        first.node.ip("link set eth0 up")
        time.sleep(2.0)
        assert pair.owners() == {second.node.name}
    pair.wait_for_owner(first, 15)
    assert pair.longest_overlap() < SLACK
    assert "Traceback" not in first.said()


def test_no_memory_left_makes_no_second_owner_and_passes(pair: Group) -> None:
    """RLIMIT_AS at what is used now: the next page that is asked for is refused, wherever that is."""
    first = pair.members[0]
    began = time.monotonic()
    with limited(first, resource.RLIMIT_AS, memory(first)):
        for path in ("/metrics", "/status", "/", "/livez") * 5:
            first.http(path)
        first.kill(signal.SIGUSR1)
        first.node.ip("addr add 10.77.0.61/32 dev eth0")
        time.sleep(4.0)
        assert pair.longest_overlap(since=began) < SLACK
        print(pair.owners(), first.said())
    pair.wait_for_owner(first, 15)
    assert first.http("/status").code == 200
    assert first.state() == "MASTER"
    assert pair.longest_overlap(since=began) < SLACK
