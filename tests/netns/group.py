"""A group of real daemons on real nodes, and what their kernels and the wire say about them.

Everything is asked of the kernel, the wire or the status command; nothing of the daemon's insides.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from sidecar.lab.capture import Capture, Frame
from sidecar.lab.owners import OwnerWatch
from sidecar.lab.space import Process
from sidecar.lab.topology import Network, Node

COMMAND = (sys.executable, "-m", "sidecar")
V4 = "10.77.0.100"
V6 = "fd77::100"
VHID = 10
VIRTUAL_MAC = "00:00:5e:00:01:0a"
PASSPHRASE = "only for tests"
SLACK = 0.1
"""Seconds beyond the protocol's arithmetic that "It must show" grants to a takeover."""

RACE = 0.005
"""Seconds within which notices of two kernels, read by one thread, may seem to come in the wrong order."""


def master_down(advskew: int, advbase: int = 1) -> float:
    """carp(4): 3 * advbase + advskew/256 s."""
    return 3 * advbase + advskew / 256


def until(condition: Callable[[], bool], seconds: float, what: str) -> float:
    """Wait for a condition; seconds it took. Fails naming ``what``."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)
    return time.monotonic() - began


@dataclass
class Member:
    """A node and the daemon on it."""

    node: Node
    log: Path
    env: dict[str, str]
    daemon: Process | None = None

    def start(self, **env: str) -> None:
        """Start the daemon as a user would, by environment."""
        self.env |= env
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(Path.cwd()), **self.env}
        self.daemon = self.node.spawn([*COMMAND, "run"], log=self.log, env=environment)

    def stop(self) -> int:
        """SIGTERM and wait; the exit code."""
        assert self.daemon is not None
        return self.daemon.stop(10.0)

    def kill(self, number: int) -> None:
        """Send a signal to the daemon alone."""
        assert self.daemon is not None
        self.daemon.send_signal(number)

    def control(self, *argv: str) -> str:
        """Run a client command on the node."""
        done = self.node.run([*COMMAND, *argv], env={"PYTHONPATH": str(Path.cwd()), "PATH": "/usr/bin:/bin"})
        assert done.returncode == 0, done.stderr
        return done.stdout

    def status(self) -> dict[str, Any]:
        """/status by the command line."""
        found: dict[str, Any] = json.loads(self.control("status", "--json"))
        return found

    def owns(self, address: str = V4) -> bool:
        """Whether the node's kernel owns the address."""
        return self.node.on and address in self.node.addresses()

    def said(self) -> str:
        """The log so far."""
        return self.log.read_text() if self.log.exists() else ""


@dataclass
class Group:
    """Members by number from 1, advskew 0, 20, 40, ... unless told otherwise."""

    network: Network
    folder: Path
    addresses: str = V4
    members: list[Member] = field(default_factory=list)
    watch: OwnerWatch = field(default_factory=lambda: OwnerWatch([V4, V6]))

    def add(self, advskew: int | None = None, **env: str) -> Member:
        """A booted node with a daemon that is not started yet."""
        number = len(self.members) + 1
        node = self.network.add_node(f"node{number}", number)
        passphrase = node.write("/run/passphrase", f"{PASSPHRASE}\n", 0o600)
        skew = 20 * (number - 1) if advskew is None else advskew
        settings = {
            "CARP_VHID": str(VHID),
            "CARP_ADDRESSES": self.addresses,
            "CARP_PASSPHRASE_FILE": passphrase,
            "CARP_ADVSKEW": str(skew),
            "CARP_NTP": "off",
            "CARP_KUBERNETES": "off",
            **env,
        }
        member = Member(node, self.folder / f"node{number}.log", settings)
        self.members.append(member)
        self.watch.attach(node)
        return member

    def owners(self, address: str = V4) -> set[str]:
        """The nodes whose kernels own the address."""
        return set(self.watch.owners(address))

    def wait_for_owner(self, member: Member, seconds: float = 8.0, address: str = V4) -> float:
        """Until exactly this member owns the address; seconds it took."""
        wanted = {member.node.name}
        return until(lambda: self.owners(address) == wanted, seconds, f"{wanted} alone owns {address}")

    def longest_overlap(self, address: str = V4, since: float = 0.0) -> float:
        """The longest time that two kernels owned the address at once."""
        return longest(self.watch, address, since, lambda owners: len(owners) > 1)

    def power_off(self, member: Member) -> float:
        """Cut the power; the moment."""
        at = time.monotonic()
        member.node.power_off()
        self.watch.detach(member.node.name, at)
        return at

    def power_on(self, member: Member) -> None:
        """Boot the node again and start its daemon."""
        member.node.boot()
        member.node.write("/run/passphrase", f"{PASSPHRASE}\n", 0o600)
        self.watch.attach(member.node)
        member.start()

    def close(self) -> None:
        """Take everything down."""
        self.watch.close()
        self.network.close()


def longest(watch: OwnerWatch, address: str, since: float, wrong: Callable[[frozenset[str]], bool]) -> float:
    """The longest time for which the set of owners was wrong, up to now."""
    changes = [one for one in watch.changes if one.address == address]
    ends = [*(one.at for one in changes[1:]), time.monotonic()]
    spans = [
        end - max(one.at, since) for one, end in zip(changes, ends, strict=True) if wrong(one.owners) and end > since
    ]
    return max(0.0, *spans) if spans else 0.0


@contextmanager
def group_on(folder: Path, addresses: str = V4) -> Iterator[Group]:
    """A group that is gone afterwards, whatever happened."""
    group = Group(Network(), folder, addresses)
    try:
        yield group
    finally:
        group.close()


def adverts(capture: Capture) -> list[tuple[float, str]]:
    """(time, source address) of every CARP advertisement that was captured."""
    return [(frame.time_ns / 1e9, source_of(frame)) for frame in list(capture.frames) if is_advert(frame)]


def is_advert(frame: Frame) -> bool:
    """Whether it is IP protocol 112, of either family."""
    return (frame.data[12:14] == b"\x08\x00" and frame.data[23] == 112) or (
        frame.data[12:14] == b"\x86\xdd" and frame.data[20] == 112
    )


def source_of(frame: Frame) -> str:
    """The IP source."""
    packet = Ether(frame.data)
    return str(packet[IP].src if IP in packet else packet[IPv6].src)
