"""Containers on the members' own nodes reach the address, as every other client does."""

from tests.netns.group import V4, Group, Member, until

ASK = """
unshare --net sleep 60 & inner=$!
trap 'kill $inner; ip link del cni0' EXIT
sleep 0.3
ip link add cni0 type veth peer name eth0 netns $inner
ip addr add 10.244.{number}.1/24 dev cni0 && ip link set cni0 up
inside() {{ nsenter --net=/proc/$inner/ns/net "$@"; }}
inside ip addr add 10.244.{number}.2/24 dev eth0 && inside ip link set eth0 up
inside ip route add default via 10.244.{number}.1
sysctl -qw net.ipv4.ip_forward=1
for _ in 1 2 3 4 5; do inside ping -c 1 -W 1 -q {address} && exit 0; done
exit 1
"""


def routes(member: Member) -> str:
    return str(member.node.run(["ip", "route", "show", "table", "all"]).stdout)


def container_reaches_the_address(member: Member, number: int) -> bool:
    """Made after the daemon started, as containers are: it follows the new route by itself."""
    member.node.ip("route add default via 10.77.0.254")  # which would take a reply that has no better way
    until(lambda: "default via 10.77.0.254 dev carp10" in routes(member), 3, "the default route")
    script = ASK.format(number=number, address=V4)
    return member.node.run(["sh", "-c", script], check=False).returncode == 0


def test_a_container_beside_the_master_reaches_the_address(trio: Group) -> None:
    assert container_reaches_the_address(trio.members[0], 1)


def test_a_container_beside_a_backup_reaches_the_address(trio: Group) -> None:
    first, second, _ = trio.members
    first.node.ip(f"route add 10.244.2.0/24 via {second.node.ipv4}")
    until(lambda: "10.244.2.0/24" in routes(first), 3, "the route")
    assert container_reaches_the_address(second, 2)


def test_nothing_of_it_stays(trio: Group) -> None:
    first = trio.members[0]
    first.node.ip("route add 10.9.0.0/16 via 127.0.0.1 dev lo", "route add 10.8.0.0/16 dev lo")
    until(lambda: "throw 10.8.0.0/16" in routes(first), 3, "a thrown one")
    assert first.stop() == 0
    assert "throw" not in routes(first)
