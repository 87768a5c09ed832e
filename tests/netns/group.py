"""A group of real daemons on real nodes, and what their kernels and the wire say about them.

Everything is asked of the kernel, the wire or the status command; nothing of the daemon's insides.
"""

import json
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, NamedTuple

from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from sidecar.lab.capture import Capture, Frame
from sidecar.lab.owners import OwnerWatch
from sidecar.lab.services import start_chrony
from sidecar.lab.space import Process
from sidecar.lab.topology import Network, Node

COMMAND = (sys.executable, "-m", "sidecar")
VIPS = [f"10.77.0.{100 + number}" for number in range(10)]
V4 = VIPS[0]
V6 = "fd77::100"
VHID = 10
VIRTUAL_MAC = "00:00:5e:00:01:0a"
PASSPHRASE = "only for tests"
KEYS = "/run/passphrase"
CONFIG = "/run/carp.yaml"
CONTROL = "/run/carp-sidecar/control.sock"
HTTP_PORT = 8112
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


class Page(NamedTuple):
    """An answer of the HTTP server."""

    code: int
    head: str
    body: str


@dataclass
class Member:
    """A node and the daemon on it."""

    node: Node
    log: Path
    env: dict[str, str]
    daemon: Process | None = None
    prefix: list[str] = field(default_factory=list)
    """What the daemon is started by."""
    file: str = ""
    """Its settings, where they are in a file."""

    def start(self, **env: str) -> None:
        """Start the daemon as a user would, by environment."""
        self.env |= env
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(Path.cwd()), **self.env}
        self.daemon = self.node.spawn([*self.prefix, *COMMAND, "run"], log=self.log, env=environment)

    def configure(self, text: str) -> None:
        """Write its settings' file; ``@KEYS`` stands for the passphrase file."""
        self.file = text
        self.node.write(CONFIG, text.replace("@KEYS", KEYS))

    def stop(self) -> int:
        """SIGTERM and wait; the exit code."""
        assert self.daemon is not None
        return self.daemon.stop(10.0)

    def kill(self, number: int) -> None:
        """Send a signal to the daemon alone."""
        assert self.daemon is not None
        self.daemon.send_signal(number)

    def command(self, *argv: str, **env: str) -> "CompletedProcess[str]":
        """Run a command on the node to its end, whatever that is."""
        environment = {"PYTHONPATH": str(Path.cwd()), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **env}
        return self.node.run([*COMMAND, *argv], env=environment)

    def control(self, *argv: str) -> str:
        """Run a client command on the node."""
        done = self.command(*argv)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def status(self) -> dict[str, Any]:
        """/status by the command line."""
        found: dict[str, Any] = json.loads(self.control("status", "--json"))
        return found

    def ask(self, do: str = "status", **params: object) -> dict[str, Any]:
        """The same without a process for each question: a line of JSON to the control socket, one back."""
        until(self.node.path(CONTROL).exists, 5.0, "there is a control socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as daemon:
            daemon.settimeout(10.0)
            daemon.connect(str(self.node.path(CONTROL)))
            daemon.sendall(json.dumps({"v": 1, "do": do, **params}).encode() + b"\n")
            with daemon.makefile("rb") as answers:
                answer: dict[str, Any] = json.loads(answers.readline())
        assert answer["ok"], answer
        result: dict[str, Any] = answer["result"]
        return result

    def vhost(self, vhid: int = VHID) -> dict[str, Any]:
        """One virtual host of the status."""
        return next(one for one in self.ask()["vhosts"] if one["vhid"] == vhid)

    def state(self, vhid: int = VHID) -> str:
        """INIT, BACKUP or MASTER; empty while nobody answers."""
        with suppress(OSError):
            return str(self.vhost(vhid)["state"])
        return ""

    def moves(self, vhid: int = VHID) -> list[str]:
        """What the status remembers of its transitions, oldest first."""
        return [f"{one['from']} -> {one['to']}: {one['reason']}" for one in self.vhost(vhid)["transitions"]]

    def http(self, path: str, method: str = "GET", seconds: float = 10.0) -> Page:
        """Ask the HTTP server on the node's loopback; ``ConnectionRefusedError`` while nobody listens."""
        with self.node.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
            client.settimeout(seconds)
            client.connect(("127.0.0.1", HTTP_PORT))
            client.sendall(f"{method} {path} HTTP/1.0\r\n\r\n".encode())
            with client.makefile("rb") as answer:
                head, _, body = answer.read().decode().partition("\r\n\r\n")
        return Page(int(head.split()[1]), head, body)

    def metric(self, name: str) -> float | None:
        """A sample of /metrics by its name and labels as they stand there; None when there is none."""
        samples = (line.rpartition(" ") for line in self.http("/metrics").body.splitlines() if line[:1] != "#")
        return next((float(value) for sample, _, value in samples if sample == name), None)

    def drops(self) -> dict[str, int]:
        """Advertisements that were not believed, by reason."""
        counted: dict[str, int] = self.vhost()["counters"]["dropped"]
        return {reason: count for reason, count in counted.items() if count}

    def drops_of_all(self) -> dict[int, dict[str, int]]:
        """The same of every virtual host that dropped any."""
        counted = {one["vhid"]: one["counters"]["dropped"] for one in self.ask()["vhosts"]}
        return {vhid: drops for vhid, drops in counted.items() if any(drops.values())}

    def owns(self, address: str = V4) -> bool:
        """Whether the node's kernel owns the address."""
        return self.node.on and address in self.node.addresses()

    def said(self) -> str:
        """The log so far."""
        return self.log.read_text() if self.log.exists() else ""

    def until_said(self, text: str, seconds: float = 5.0, times: int = 1) -> float:
        """Wait until the log has it so many times; seconds it took."""
        return until(lambda: self.said().count(text) >= times, seconds, f"{self.node.name} says {text!r}")

    def until_dropped(self, reason: str, times: int = 1, seconds: float = 10.0) -> None:
        """Wait until so many advertisements were dropped for a reason."""
        until(lambda: self.drops().get(reason, 0) >= times, seconds, f"{self.node.name} drops {times} for {reason}")


@dataclass
class Group:
    """Members by number from 1, advskew 0, 20, 40, ... unless told otherwise."""

    network: Network
    folder: Path
    addresses: str = V4
    members: list[Member] = field(default_factory=list)
    watch: OwnerWatch = field(default_factory=lambda: OwnerWatch([*VIPS, V6]))

    def add(self, advskew: int | None = None, **env: str) -> Member:
        """A booted node with a daemon that is not started yet."""
        number = len(self.members) + 1
        node = self.network.add_node(f"node{number}", number)
        skew = 20 * (number - 1) if advskew is None else advskew
        short = {
            "CARP_VHID": str(VHID),
            "CARP_ADDRESSES": self.addresses,
            "CARP_PASSPHRASE_FILE": KEYS,
            "CARP_ADVSKEW": str(skew),
        }
        return self._member(node, {**short, "CARP_NTP": "off", **env})

    def add_configured(self, text: str, **env: str) -> Member:
        """The same with its settings in a file (``Member.configure``)."""
        number = len(self.members) + 1
        node = self.network.add_node(f"node{number}", number)
        member = self._member(node, {"CARP_CONFIG": CONFIG, **env})
        member.configure(text)
        return member

    def _member(self, node: Node, settings: dict[str, str]) -> Member:
        node.write(KEYS, f"{PASSPHRASE}\n", 0o600)
        member = Member(node, self.folder / f"{node.name}.log", {"CARP_KUBERNETES": "off", **settings})
        self.members.append(member)
        self.watch.attach(node)
        return member

    def upstream(self) -> Node:
        """A node that claims to be a reference clock; its chronyd runs."""
        node = self.network.add_node("upstream", 250)
        start_chrony(node, self.folder / "upstream.log")
        return node

    def serve_time(self, member: Member, reference: str) -> Process:
        """A chronyd on the member's node that follows the server at ``reference``."""
        return start_chrony(member.node, self.folder / f"{member.node.name}-chrony.log", reference=reference)

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

    def longest_gap(self, address: str = V4, since: float = 0.0) -> float:
        """The longest time that no kernel owned the address."""
        return longest(self.watch, address, since, lambda owners: not owners)

    def power_off(self, member: Member) -> float:
        """Cut the power; the moment."""
        at = time.monotonic()
        member.node.power_off()
        self.watch.detach(member.node.name, at)
        return at

    def power_on(self, member: Member) -> None:
        """Boot the node again and start its daemon."""
        member.node.boot()
        member.node.write(KEYS, f"{PASSPHRASE}\n", 0o600)
        if member.file:
            member.configure(member.file)
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
