"""Real nodes behind a real switch, all on this machine: the building blocks of the lab and of tests/netns.

The wire is veth pairs into a Linux bridge; everything above it is the real kernel. Every namespace lives only as long
as its process 1, and that only as long as the process that made it, so nothing can be left behind.

    with Network() as network:
        one = network.add_node("node1", 1)                       # 10.77.0.1/24 and fd77::1/64 on eth0, booted
        daemon = one.spawn(["carp-sidecar", "run"], log=Path("one.log"), env={...})
        one.run(["ip", "addr"]).stdout                           # in its namespaces, to the end
        one.link(up=False)                                       # the switch port: carrier loss at the node
        one.power_off(); one.boot()                              # no frame more; a fresh kernel state
        with network.capture(expression="ip proto 112") as seen:  # on the switch; node=one: what one itself emits
            ...                                                  # seen.frames; a file name makes it a pcap too

Must run with CAP_SYS_ADMIN: as root, or inside `python -m sidecar.lab.sandbox`.
"""

import contextlib
import ipaddress
import json
import signal
import socket
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from subprocess import CompletedProcess
from types import TracebackType
from typing import IO, Self

from sidecar.lab.capture import Capture, capturing
from sidecar.lab.netns import ip_batch, run_in, socket_in
from sidecar.lab.space import Process, Space, SpaceError, may_unshare

BRIDGE = "br0"
IPV6_HERE = Path("/proc/sys/net/ipv6").exists()


class Network:
    """One Ethernet segment. `ipv4` and `ipv6` are the prefixes nodes get their addresses from (by their number)."""

    def __init__(self, ipv4: str = "10.77.0.0/24", ipv6: str = "fd77::/64") -> None:
        if not may_unshare():
            raise SpaceError("a network of nodes needs root or `python -m sidecar.lab.sandbox -- COMMAND`")
        self.ipv4 = ipaddress.IPv4Network(ipv4)
        self.ipv6 = ipaddress.IPv6Network(ipv6) if IPV6_HERE else None
        self.nodes: dict[str, Node] = {}
        self.switch = Space("switch")
        try:
            self.batch(f"link add {BRIDGE} type bridge stp_state 0 mcast_snooping 0", f"link set {BRIDGE} up")
        except BaseException:
            self.close()
            raise

    def add_node(self, name: str, number: int, *, boot: bool = True) -> "Node":
        """A new machine on the segment; `number` (1-254) gives its addresses and MAC and must be unique."""
        node = self.nodes[name] = Node(self, name, number)
        if boot:
            node.boot()
        return node

    def batch(self, *lines: str) -> None:
        """`ip` commands in the switch's namespace."""
        ip_batch(self.switch.pid, *lines)

    def mac_table(self) -> dict[str, str]:
        """Which node the switch sends a learnt MAC address to: {mac: node name}."""
        ports = {node.port: name for name, node in self.nodes.items()}
        entries = json.loads(run_in(self.switch.pid, ["bridge", "-j", "fdb", "show", "br", BRIDGE]) or "[]")
        return {
            entry["mac"]: ports[entry["ifname"]]
            for entry in entries
            if entry.get("state") != "permanent" and "master" in entry and entry["ifname"] in ports
        }

    def capture(
        self, file: Path | None = None, expression: str = "", node: "Node | None" = None
    ) -> AbstractContextManager[Capture]:
        """Record every frame on the segment or, with `node`, only those that this node itself emits.

        `.frames` of the result grows live; `file` gets them as pcap at the end. `expression` is tcpdump's language.
        """
        if node is None:
            return capturing(self.switch.pid, BRIDGE, expression, file=file)
        return capturing(self.switch.pid, node.port, expression, incoming=True, file=file)

    def close(self) -> None:
        """Switch every node off and remove everything. May be repeated."""
        for node in self.nodes.values():
            if node.space is not None:
                node.space.close()
                node.space = None
        self.switch.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class Node:
    """A machine: own network, mounts (/run, /proc, /sys), processes and host name; `eth0` goes to the switch."""

    def __init__(self, network: Network, name: str, number: int) -> None:
        self.network = network
        self.name = name
        self.number = number
        self.port = f"p-{name}"[:15]
        self.mac = f"02:77:00:00:00:{number:02x}"
        self.ipv4 = str(network.ipv4[number])
        self.ipv6 = str(network.ipv6[number]) if network.ipv6 else None
        self.link_local = f"fe80::77:ff:fe00:{number:x}"  # EUI-64 of the MAC
        self.extra: list[str] = []  # further `ip` commands at boot
        self.space: Space | None = None
        self.connected = True
        self.frozen = False

    @property
    def on(self) -> bool:
        return self.space is not None

    @property
    def pid(self) -> int:
        """Process 1 of the node, as seen from here (for nsenter, /proc/PID/root, /proc/PID/ns)."""
        return self._space().pid

    def boot(self) -> None:
        """Switch on: fresh namespaces, the same MAC and addresses, nothing running. Already on: nothing happens."""
        if self.space is not None:
            return
        self.space = Space(self.name)
        state = "up" if self.connected else "down"
        try:
            self.network.batch(
                f"link add {self.port} type veth peer name eth0 address {self.mac} netns {self.pid}",
                f"link set {self.port} master {BRIDGE} {state}",
            )
            self._configure()
        except BaseException:
            self.power_off()
            raise

    def _configure(self) -> None:
        lines = [f"addr add {self.ipv4}/{self.network.ipv4.prefixlen} dev eth0"]
        if self.network.ipv6:
            lines += [
                "link set eth0 addrgenmode none",
                f"addr add {self.link_local}/64 dev eth0 nodad",  # the kernel's own choice, but good at once
                f"addr add {self.ipv6}/{self.network.ipv6.prefixlen} dev eth0 nodad",
                "link set eth0 addrgenmode eui64",
            ]
        ip_batch(self.pid, *lines, "link set eth0 up", *self.extra)

    def power_off(self) -> None:
        """Cut the power: not a frame more, every process killed, kernel state gone. Already off: nothing happens."""
        if self.space is None:
            return
        space, self.space = self.space, None
        self.frozen = False
        with contextlib.suppress(SpaceError):
            space.signal_all(signal.SIGSTOP)  # nobody inside is to see the carrier go
            self.network.batch(f"link set {self.port} down")
        space.close()
        with contextlib.suppress(SpaceError):
            self.network.batch(f"link del {self.port}")

    def link(self, *, up: bool) -> None:
        """Plug or pull the cable, at the switch: the node sees its carrier come or go."""
        self.connected = up
        if self.on:
            self.network.batch(f"link set {self.port} {'up' if up else 'down'}")

    def freeze(self) -> None:
        """Stop every process (SIGSTOP); the kernel keeps what they left in it."""
        self._space().signal_all(signal.SIGSTOP)
        self.frozen = True

    def thaw(self) -> None:
        self._space().signal_all(signal.SIGCONT)
        self.frozen = False

    def spawn(
        self,
        argv: Sequence[str],
        log: Path | IO[bytes] | int | None = None,
        env: Mapping[str, str] | None = None,
        stderr: int | None = None,
        cwd: str = "/",
    ) -> Process:
        """Start a process; output is appended to `log` (`stderr`: a descriptor for errors, default the same).

        `env` replaces the whole environment. The process ends with the node's power at the latest.
        """
        return self._space().spawn(argv, log=log, stderr=stderr, env=env, cwd=cwd)

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float = 30.0,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
        check: bool = False,
    ) -> CompletedProcess[str]:
        """Run a command to its end, like `subprocess.run(..., capture_output=True, text=True)`."""
        return self._space().run(argv, timeout=timeout, stdin=stdin, env=env, check=check)

    def ip(self, *lines: str) -> None:
        """`ip` commands (without the word ip) in this node; raises `SpaceError` with what ip said."""
        ip_batch(self.pid, *lines)

    def path(self, inside: str) -> Path:
        """A file or Unix socket of this node as a path that works from here."""
        return self._space().path(inside)

    def write(self, inside: str, text: str, mode: int = 0o644) -> str:
        """Create a file (and its folder) in this node; returns its name as the node's processes see it."""
        file = self.path(inside)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
        return inside

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """A socket in this node's network, held by this process. Close it: it keeps the network alive."""
        return socket_in(self.pid, family, kind, protocol)

    def addresses(self) -> set[str]:
        """Every IP address this node's kernel owns, without prefix lengths."""
        links = json.loads(run_in(self.pid, ["ip", "-j", "addr", "show"]))
        return {entry["local"] for link in links for entry in link.get("addr_info", ()) if "local" in entry}

    def _space(self) -> Space:
        if self.space is None:
            raise SpaceError(f"{self.name} is switched off")
        return self.space
