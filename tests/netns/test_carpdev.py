"""The carpdev comes, goes and changes; the daemon follows by itself."""

import time

from tests.netns.group import V4, VIRTUAL_MAC, Group, adverts, until


def test_a_carpdev_that_is_deleted_and_made_again_is_taken_up(trio: Group) -> None:
    first, second, _ = trio.members
    node = first.node
    node.ip("link del eth0")
    until(lambda: "interface eth0 was removed" in first.said(), 2, "it noticed")
    trio.wait_for_owner(second)
    trio.network.batch(
        f"link add {node.port} type veth peer name eth0 address {node.mac} netns {node.pid}",
        f"link set {node.port} master br0 up",
    )
    node.ip(f"addr add {node.ipv4}/24 dev eth0", "link set eth0 up")
    trio.wait_for_owner(first)
    assert trio.longest_overlap() < 0.1


def test_a_carpdev_that_is_not_there_yet_is_waited_for(group: Group) -> None:
    member = group.add(CARP_INTERFACE="late0")
    member.start()
    member.until_said("WARNING app.carpdevs carpdev late0: there is no interface late0, and one is waited for")
    member.node.ip("link set eth0 down", "link set eth0 name late0", "link set late0 up")
    group.wait_for_owner(member)


def test_an_administrator_who_takes_the_carpdev_down_gets_it_back(trio: Group) -> None:
    first, second, _ = trio.members
    first.node.ip("link set eth0 down")
    trio.wait_for_owner(second)
    first.node.ip("link set eth0 up")
    trio.wait_for_owner(first)


def test_an_address_that_somebody_removes_is_put_back_at_once(trio: Group) -> None:
    first = trio.members[0]
    index = first.node.run(["cat", "/sys/class/net/eth0/ifindex"]).stdout.strip()
    first.node.ip(f"addr del 10.77.0.100/32 dev carp10-{index}")
    assert trio.wait_for_owner(first) < 0.5
    time.sleep(1.2)
    assert trio.owners() == {first.node.name}
    assert "MASTER -> BACKUP" not in first.said()


def test_an_address_that_is_removed_again_and_again_goes_to_a_better_node(trio: Group) -> None:
    first, second, _ = trio.members
    for _ in range(12):
        if not first.owns():
            break
        first.node.run(["ip", "addr", "flush", "to", "10.77.0.100/32"])
        time.sleep(0.05)
    trio.wait_for_owner(second)
    assert "addresses_failed" in first.said()
    assert "demotion 0 -> 240 (addresses)" in first.said()


def test_a_virtual_mac_interface_that_somebody_deletes_is_made_again(trio: Group) -> None:
    first = trio.members[0]
    index = first.node.run(["cat", "/sys/class/net/eth0/ifindex"]).stdout.strip()
    first.node.ip(f"link del carp10-{index}")
    time.sleep(0.5)
    trio.wait_for_owner(first)


def test_advertisements_follow_the_carpdevs_address(trio: Group) -> None:
    first = trio.members[0]
    first.node.ip("addr del 10.77.0.1/24 dev eth0", "addr add 10.77.0.51/24 dev eth0")
    time.sleep(0.5)
    with trio.network.capture(expression="ip proto 112") as seen:
        until(lambda: len(adverts(seen)) >= 2, 4, "two advertisements")
    assert {source for _, source in adverts(seen)} == {"10.77.0.51"}
    assert trio.owners() == {first.node.name}


def test_a_new_default_route_is_followed_by_replies(group: Group) -> None:
    member, asker = group.add(), group.add()
    member.start()
    group.wait_for_owner(member)
    asker.node.ip("addr add 192.0.2.7/32 dev lo")
    member.node.ip(f"route add 192.0.2.0/24 via {asker.node.ipv4}")
    time.sleep(0.5)
    with group.network.capture(node=member.node, expression="icmp") as seen:
        asker.node.run(["ping", "-I", "192.0.2.7", "-c", "2", "-i", "0.2", "-W", "1", V4], check=True)
    assert {frame.source_mac for frame in seen.frames} == {VIRTUAL_MAC}
