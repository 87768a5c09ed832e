"""Ways to break a node that leave it running: a thread that is stopped alone, a file system that never answers or is
full, limits that sink below what is used, a storm of notices, a cable that carries one way.

All of them are the kernel's own; nothing of the daemon is patched.
"""

import contextlib
import ctypes
import itertools
import os
import resource
import signal
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from sidecar.lab.capture import Capture
from sidecar.lab.space import Process
from tests.netns.group import Group, Member, adverts, until

_PTRACE_SEIZE, _PTRACE_INTERRUPT, _PTRACE_DETACH = 0x4206, 0x4207, 17
_WALL = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_libc.ptrace.restype = ctypes.c_long

_HANG = """
import ctypes, os, sys, time
device = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
if ctypes.CDLL(None, use_errno=True).mount(b"hung", sys.argv[1].encode(), b"fuse", 6, options):
    sys.exit(f"mount: {os.strerror(ctypes.get_errno())}")
print("hung", flush=True)
time.sleep(600)
"""


def pid_of(member: Member) -> int:
    """The daemon's process number as seen from here."""
    assert member.daemon is not None
    return member.daemon.pid


def _ptrace(request: int, pid: int) -> None:
    if _libc.ptrace(request, pid, None, None):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextlib.contextmanager
def blocked_loop(member: Member) -> Iterator[None]:
    """The daemon's first thread, which is its loop, executes nothing; its other threads and its sockets live on.

    By ptrace, as a debugger does it. A tracer is a thread: this one waits for the end of the block by itself.
    """
    pid, failed = pid_of(member), list[OSError]()
    stopped, over = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            _ptrace(_PTRACE_SEIZE, pid)
            _ptrace(_PTRACE_INTERRUPT, pid)
            os.waitpid(pid, _WALL)
        except OSError as error:
            failed.append(error)
        stopped.set()
        over.wait()
        if not failed:
            _ptrace(_PTRACE_DETACH, pid)

    thread = threading.Thread(target=hold)
    thread.start()
    stopped.wait()
    try:
        assert not failed, failed
        yield
    finally:
        over.set()
        thread.join()


def hang(member: Member, folder: str) -> Process:
    """From now on whoever looks into the folder waits, as on a file server that is gone. Kill the process to end it."""
    log = member.log.with_suffix(".hung")
    holder = member.node.spawn([sys.executable, "-I", "-S", "-c", _HANG, folder], log=log)
    until(lambda: log.exists() and "hung" in log.read_text(), 5, f"{folder} hangs")
    return holder


def full_disk(member: Member, folder: str) -> None:
    """A file system without room for anything, not even for a name."""
    member.node.path(folder).mkdir(parents=True)
    # The file system is named, or mount repeats the uid that a user namespace shows, and the kernel refuses it.
    member.node.run(["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=2", "tmpfs", folder], check=True)
    member.node.write(f"{folder}/filler", "x" * 4096)


def room(member: Member, folder: str) -> None:
    """Somebody cleaned up."""
    member.node.run(["mount", "-t", "tmpfs", "-o", "remount,size=1m,nr_inodes=100", "tmpfs", folder], check=True)


@contextlib.contextmanager
def limited(member: Member, kind: int, most: int) -> Iterator[None]:
    """A resource limit of the running daemon; the old one afterwards."""
    before = resource.prlimit(pid_of(member), kind)
    resource.prlimit(pid_of(member), kind, (most, before[1]))
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid_of(member), kind, before)


def descriptors(member: Member) -> int:
    """How many files the daemon has open."""
    return len(os.listdir(f"/proc/{pid_of(member)}/fd"))


def memory(member: Member, what: str = "VmSize") -> int:
    """Bytes, by a name of /proc/PID/status."""
    lines = Path(f"/proc/{pid_of(member)}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{what}:"))


def storm_of_routes(member: Member, times: int = 6000) -> None:
    """Routes that come and go in the main table: twice as many notices for whoever listens, and nothing else."""
    family, table, boot, universe, unicast, local = socket.AF_INET, 254, 3, 0, 1, 1
    body = struct.pack("=BBBBBBBBI", family, 32, 0, 0, table, boot, universe, unicast, 0)
    body += struct.pack("=HH4s", 8, 1, socket.inet_aton("198.51.100.7")) + struct.pack("=HHI", 8, 4, local)
    add = struct.pack("=IHHII", 16 + len(body), 24, 0x1 | 0x400, 0, 0) + body
    drop = struct.pack("=IHHII", 16 + len(body), 25, 0x1, 0, 0) + body
    with member.node.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.setblocking(False)
        for _ in range(times):
            kernel.send(add + drop)
        with contextlib.suppress(BlockingIOError):
            raise AssertionError(f"the kernel refused a route: {kernel.recv(4096)!r}")


def overflow(member: Member, times: int = 5000) -> None:
    """More notices than whoever does not read has room for, all of them of the loopback interface: none is a hint.

    Long ones: some ten megabytes of them.
    """
    with member.node.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.setblocking(False)
        for number in range(times):
            alias = f"{number:>200}".encode()
            body = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, 1, 0, 0) + struct.pack("=HH", 4 + len(alias), 20) + alias
            kernel.send(struct.pack("=IHHII", 16 + len(body), 16, 0x1, 0, 0) + body)
        with contextlib.suppress(BlockingIOError):
            raise AssertionError(f"the kernel refused an alias: {kernel.recv(4096)!r}")


def deaf(member: Member, *, heal: bool = False) -> None:
    """Nothing reaches the node any more, though its carrier is there and what it says goes out."""
    _drop_at_port(member, "egress", heal=heal)


def mute(member: Member, *, heal: bool = False) -> None:
    """Nothing that the node says reaches anybody, and it cannot tell."""
    _drop_at_port(member, "ingress", heal=heal)


def speechless(member: Member, *, heal: bool = False) -> None:
    """The node's own kernel refuses to send advertisements (ENOBUFS), and nothing else."""
    if heal:
        member.node.run(["tc", "qdisc", "del", "dev", "eth0", "clsact"], check=True)
        return
    member.node.run(["tc", "qdisc", "add", "dev", "eth0", "clsact"], check=True)
    carp = "4,48 0 0 23,21 0 1 112,6 0 0 2,6 0 0 0"  # TC_ACT_SHOT for IP protocol 112, else TC_ACT_OK
    drop = ["tc", "filter", "add", "dev", "eth0", "egress", "bpf", "da", "bytecode", carp]
    member.node.run(drop, check=True)


def _drop_at_port(member: Member, side: str, *, heal: bool) -> None:
    """At the switch's port, where the node sees nothing of it."""
    switch, port = member.node.network.switch, member.node.port
    if heal:
        switch.run(["tc", "qdisc", "del", "dev", port, "clsact"], check=True)
        return
    switch.run(["tc", "qdisc", "add", "dev", port, "clsact"], check=True)
    drop = ["tc", "filter", "add", "dev", port, side, "bpf", "da", "bytecode", "1,6 0 0 2"]  # TC_ACT_SHOT
    switch.run(drop, check=True)


def intervals(seen: Capture, source: str) -> list[float]:
    """Seconds between the advertisements of one source, by the wire."""
    times = [at for at, one in adverts(seen) if one == source]
    return [later - earlier for earlier, later in itertools.pairwise(times)]


def stopped(member: Member) -> None:
    """SIGSTOP the daemon, and wait until it does stand."""
    member.kill(signal.SIGSTOP)
    state = Path(f"/proc/{pid_of(member)}/stat")
    until(lambda: state.read_text().rpartition(")")[2].split()[0] == "T", 2, "it stands")


def changes(group: Group, since: float, address: str) -> list[frozenset[str]]:
    """Every set of owners from then on."""
    return [one.owners for one in group.watch.changes if one.at > since and one.address == address]
