"""Who owns an address, as the kernels themselves tell it: one rtnetlink subscription per node, no polling.

Times are monotonic seconds of this machine. `freeze` of a node does not hide it: its kernel goes on.
"""

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pyroute2.netlink.rtnl.marshal import MarshalRtnl

from sidecar.lab.topology import Node

RTMGRP_IPV4_IFADDR = 0x10
RTMGRP_IPV6_IFADDR = 0x100
RTM_GETADDR = 22
DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
REMEMBERED = 10_000


@dataclass(frozen=True)
class Change:
    """From `at` on exactly `owners` had `address` in their kernels."""

    at: float
    address: str
    owners: frozenset[str]


class OwnerWatch:
    """Watches `addresses` on every attached node from a thread of its own; `changes` is the whole story.

    `priority`: SCHED_FIFO of that thread, where permitted. Without one, whoever has a real-time priority himself is
    seen up to a millisecond late on a busy machine.
    """

    def __init__(self, addresses: Iterable[str], priority: int = 0) -> None:
        self._priority = priority
        self.changes: list[Change] = []
        self._owners: dict[str, frozenset[str]] = {address: frozenset() for address in addresses}
        self._sockets: dict[str, socket.socket] = {}
        self._lock = threading.Lock()
        self._marshal = MarshalRtnl()
        self._woken, self._wake = socket.socketpair()
        self._running = True
        self._thread = threading.Thread(target=self._watch, name="owners", daemon=True)
        self._thread.start()

    def attach(self, node: Node) -> None:
        """Start to watch a node that has just been booted."""
        subscription = node.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        subscription.bind((0, RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR))
        subscription.setblocking(False)
        subscription.send(_dump_request())
        with self._lock:
            self._sockets[node.name] = subscription
        self._wake.send(b"x")

    def detach(self, name: str, at: float | None = None) -> None:
        """The node lost its power at `at`: it owns nothing from then on."""
        with self._lock:
            subscription = self._sockets.pop(name, None)
            for address in self._owners:
                self._set(address, name, False, time.monotonic() if at is None else at)
        self._wake.send(b"x")
        if subscription is not None:
            subscription.close()

    def owners(self, address: str) -> frozenset[str]:
        """The nodes whose kernels have the address now."""
        with self._lock:
            return self._owners[address]

    def close(self) -> None:
        self._running = False
        self._wake.send(b"x")
        self._thread.join()
        for subscription in self._sockets.values():
            subscription.close()
        self._woken.close()
        self._wake.close()

    def _watch(self) -> None:
        if self._priority:
            with contextlib.suppress(OSError):
                os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(self._priority))
        while self._running:
            with self._lock:
                names = {subscription: name for name, subscription in self._sockets.items()}
            try:
                ready, _, _ = select.select([self._woken, *names], [], [], 1.0)
            except (OSError, ValueError):  # one was detached, and closed, meanwhile
                continue
            for readable in ready:
                if readable is self._woken:
                    self._woken.recv(4096)
                else:
                    self._read(names[readable], readable)

    def _read(self, name: str, subscription: socket.socket) -> None:
        at = time.monotonic()
        with contextlib.suppress(OSError), self._lock:  # detached meanwhile, or events lost: then ask for all
            if self._sockets.get(name) is not subscription:
                return
            try:
                data = subscription.recv(1 << 17)
            except OSError:
                subscription.send(_dump_request())
                return
            for message in self._marshal.parse(data):
                self._take(name, message, at)

    def _take(self, name: str, message: Any, at: float) -> None:
        if message["event"] not in {"RTM_NEWADDR", "RTM_DELADDR"}:
            return
        address = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
        if address in self._owners:
            self._set(address, name, message["event"] == "RTM_NEWADDR", at)

    def _set(self, address: str, name: str, owns: bool, at: float) -> None:
        before = self._owners[address]
        after = before | {name} if owns else before - {name}
        if after != before:
            self._owners[address] = after
            self.changes.append(Change(at, address, after))
            del self.changes[:-REMEMBERED]


def _dump_request() -> bytes:
    header = (20).to_bytes(4, "little") + RTM_GETADDR.to_bytes(2, "little") + DUMP.to_bytes(2, "little")
    return header + bytes(8) + bytes(4)  # sequence 0, any port; family unspecified


def overlap(changes: Iterable[Change], address: str, end: float) -> float:
    """Seconds until `end` for which two or more nodes owned `address` at the same time."""
    total, since = 0.0, None
    for change in changes:
        if change.address != address or change.at > end:
            continue
        if since is not None:
            total += change.at - since
        since = change.at if len(change.owners) > 1 else None
    return total + (end - since if since is not None else 0.0)
