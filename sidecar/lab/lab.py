"""The laboratory itself: builds the network, runs the real programs, breaks and heals nodes, tells how things stand.

Everything is a child of this process and of its sandbox; `close()` or the end of the process removes it all.
"""

import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from sidecar.lab import services
from sidecar.lab.outcomes import Outcomes
from sidecar.lab.owners import OwnerWatch
from sidecar.lab.plan import CLIENT, CLIENT_NUMBER, UPSTREAM, UPSTREAM_NUMBER, UPSTREAM_PREFIX, LabError, Member, Plan
from sidecar.lab.space import Process, readable
from sidecar.lab.topology import Network, Node

CLIENT_PROGRAM = Path(__file__).with_name("client.py")
SETTLED_SECONDS = 0.5
HTTP_SECONDS = 0.5
SHUTDOWN_SECONDS = 5.0
DOWN_SECONDS = 1.0  # a reboot's time without power

Status = dict[str, object]


class Lab:
    """One laboratory. `logs`: folder for a log file per process. Build, use, close."""

    def __init__(self, plan: Plan, logs: Path) -> None:
        self.plan = plan
        self.logs = logs
        self.members = {member.name: member for member in plan.members}
        self.passphrase = secrets.token_hex(8)
        self.outcomes = Outcomes(plan.addresses, {member.reference: member.name for member in plan.members})
        self.outcomes_lock = threading.Lock()
        self.processes: dict[str, dict[str, Process]] = {name: {} for name in self.members}
        self.client: Process | None = None
        self.network = Network()
        self.owners = OwnerWatch(plan.addresses)

    def build(self) -> None:
        """The segment with its upstream clock, client and nodes, everything started. Raises `SidecarError`."""
        services.check_programs(self.plan, {name for name in services.PROGRAMS if shutil.which(name)})
        upstream = self.network.add_node(UPSTREAM, UPSTREAM_NUMBER, boot=False)
        upstream.extra = [f"addr add {member.reference}/32 dev eth0" for member in self.plan.members]
        upstream.boot()
        services.start_chrony(upstream, self._log(UPSTREAM, "chrony"))
        self.network.add_node(CLIENT, CLIENT_NUMBER)
        for member in self.plan.members:
            node = self.network.add_node(member.name, member.number, boot=False)
            node.extra = [f"route add {UPSTREAM_PREFIX}0/24 dev eth0"]
        for name in self.members:
            self.switch_on(name)

    def switch_on(self, name: str) -> None:
        """Boot a node and start what runs on it."""
        node = self.node(name)
        node.boot()
        self.owners.attach(node)
        self.start_services(name)

    def start_services(self, name: str) -> None:
        """Start what ought to run on a node and does not."""
        node, member, processes = self.node(name), self.members[name], self.processes[name]
        for program in ("chrony", "carp"):
            if (running := processes.get(program)) and running.poll() is None:
                continue
            log = self._log(name, program)
            if program == "chrony":
                processes[program] = services.start_chrony(node, log, reference=member.reference)
            else:
                processes[program] = services.start_member(node, member, self.plan, self.passphrase, log)

    def start_client(self, rate: float, seconds: float) -> None:
        """Let the client query all addresses, `rate` queries a second together, for at most `seconds`."""
        reader, writer = os.pipe()
        inner = [sys.executable, "-I", "-S", str(CLIENT_PROGRAM), f"--rate={rate}", f"--seconds={seconds}"]
        with self._log(CLIENT).open("ab") as log:
            self.client = self.network.nodes[CLIENT].spawn(
                [*inner, *self.plan.addresses], log=writer, stderr=log.fileno()
            )
        os.close(writer)
        threading.Thread(target=self._listen, args=(reader,), name="client", daemon=True).start()

    def _listen(self, reader: int) -> None:
        with os.fdopen(reader) as lines:
            for line in lines:
                with self.outcomes_lock:
                    self.outcomes.feed(json.loads(line))

    def node(self, name: str) -> Node:
        if name not in self.members:
            raise LabError(f"no node {name}: the nodes are {', '.join(self.members)}")
        return self.network.nodes[name]

    def machine(self, name: str) -> Node:
        """Any machine of the lab, the client and the upstream included."""
        if name not in self.network.nodes:
            raise LabError(f"no machine {name}: there are {', '.join(self.network.nodes)}")
        return self.network.nodes[name]

    def fail(self, name: str, how: str) -> None:
        """Break a node in one of the ways of `HOWS`."""
        node = self.node(name)
        if not node.on:
            raise LabError(f"{name} is switched off: heal it first")
        actions: dict[str, Callable[[], object]] = {
            "power": lambda: self.cut_power(name),
            "link": lambda: node.link(up=False),
            "freeze": node.freeze,
            "kill": lambda: self._kill(name, "carp"),
            "ntp": lambda: self._kill(name, "chrony"),
            "reboot": lambda: self.reboot(name),
        }
        actions[how]()

    def heal(self, name: str) -> None:
        """Undo whatever was done to a node."""
        node = self.node(name)
        if not node.connected:
            node.link(up=True)
        if not node.on:
            self.switch_on(name)
        if node.frozen:
            node.thaw()
        self.start_services(name)

    def cut_power(self, name: str) -> float:
        """Returns when that was (monotonic seconds)."""
        at = time.monotonic()
        self.node(name).power_off()
        self.processes[name].clear()
        self.owners.detach(name)
        return at

    def reboot(self, name: str) -> None:
        """An orderly restart of the machine: SIGTERM, power off, power on."""
        for program in ("carp", "chrony"):
            if process := self.processes[name].get(program):
                process.stop(SHUTDOWN_SECONDS)
        self.cut_power(name)
        time.sleep(DOWN_SECONDS)
        self.switch_on(name)

    def _kill(self, name: str, program: str) -> None:
        process = self.processes[name].get(program)
        if process is None or process.poll() is not None:
            raise LabError(f"{program} does not run on {name}: heal it first")
        process.send_signal(signal.SIGKILL)
        readable(process.fileno(), SHUTDOWN_SECONDS)

    def wait_for_master(self, vhid: int, name: str, timeout: float) -> None:
        """Wait until exactly `name` owns the addresses of a virtual host and the client hears good time from it.

        Raises `LabError` when a daemon has ended or `timeout` seconds have passed.
        """
        addresses = next(vhost.addresses for vhost in self.plan.vhosts if vhost.vhid == vhid)
        deadline = time.monotonic() + timeout
        since: float | None = None
        while since is None or time.monotonic() - since < SETTLED_SECONDS:
            since = (since or time.monotonic()) if self.serves(name, addresses) else None
            self.check_programs()
            if time.monotonic() > deadline:
                raise LabError(f"{name} is not the one master of vhid {vhid} after {timeout:.0f} s: {self.brief()}")
            time.sleep(0.02)

    def serves(self, name: str, addresses: tuple[str, ...]) -> bool:
        with self.outcomes_lock:
            heard = {self.outcomes.hears(address) for address in addresses}
        return heard == {name} and all(self.owners.owners(address) == {name} for address in addresses)

    def check_programs(self) -> None:
        """Raise `LabError` if a CARP daemon or the client failed by itself (one that was killed is no surprise)."""
        watched = [(name, "carp", processes.get("carp")) for name, processes in self.processes.items()]
        for name, program, process in [*watched, (CLIENT, "", self.client)]:
            code = None if process is None else process.poll()
            if process is not None and code is not None and code > 0:
                lines = self._log(name, program).read_text(errors="replace").strip().splitlines()
                said = " | ".join(lines[-3:])
                raise LabError(f"{name}: {' '.join(process.argv[:3])} ended with exit code {code}: {said}")

    def brief(self) -> str:
        """Who owns what and who is heard, in one line."""
        with self.outcomes_lock:
            return "; ".join(
                f"{address} owned by {', '.join(sorted(self.owners.owners(address))) or 'nobody'}, "
                f"answered by {self.outcomes.hears(address) or 'nobody'}"
                for address in self.plan.addresses
            )

    def close(self) -> None:
        self.network.close()
        self.owners.close()

    def _log(self, name: str, program: str = "") -> Path:
        return self.logs / f"{name}{'-' if program else ''}{program}.log"

    # ------------------------------------------------------------------------------------------------ how it stands

    def status(self) -> Status:
        """Everything `lab status` shows."""
        with self.outcomes_lock:
            outcomes = self.outcomes
            heard = {address: outcomes.hears(address) for address in self.plan.addresses}
            client = {
                "sent": outcomes.sent,
                "answered": outcomes.answered,
                "unanswered": outcomes.unanswered,
                "late": outcomes.late,
                "duplicates": outcomes.duplicates,
                "heard": heard,
                "answers": {f"{name} {address}": count for (address, name), count in outcomes.by_node.items()},
            }
        nodes = [self._node_status(member) for member in self.plan.members]
        owners = {address: sorted(self.owners.owners(address)) for address in self.plan.addresses}
        return {"addresses": list(self.plan.addresses), "owners": owners, "client": client, "nodes": nodes}

    def _node_status(self, member: Member) -> Status:
        node, processes = self.node(member.name), self.processes[member.name]
        ended = sorted(program for program, process in processes.items() if process.poll() is not None)
        owns = [address for address in self.plan.addresses if member.name in self.owners.owners(address)]
        state: Status = {"name": member.name, "power": node.on, "link": node.connected, "frozen": node.frozen}
        state |= {"ended": ended, "owns": owns, "ucarp": member.ucarp, "advskews": list(member.advskews)}
        if node.on and not member.ucarp and "carp" not in ended and not node.frozen:
            state["daemon"] = daemon_status(node)
        return state


def daemon_status(node: Node) -> Status | None:
    """`/status` of the daemon on a node, asked on its own loopback; None if it does not answer."""
    connection = http.client.HTTPConnection("127.0.0.1", services.HTTP_PORT, timeout=HTTP_SECONDS)
    try:
        connection.sock = node.socket(socket.AF_INET, socket.SOCK_STREAM)
        connection.sock.settimeout(HTTP_SECONDS)
        connection.sock.connect(("127.0.0.1", services.HTTP_PORT))
        connection.request("GET", "/status")
        return cast(Status, json.loads(connection.getresponse().read()))
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
