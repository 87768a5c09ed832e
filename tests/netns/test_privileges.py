"""What the daemon may do, and that it can do all of its work with it: capabilities, system calls, who commands it."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sidecar.ops.control import is_obeyed
from tests.netns.faults import pid_of
from tests.netns.group import CONTROL, KEYS, PASSPHRASE, V6, Group, Member, until
from tests.netns.test_notice_board import board_of, pod, signal_board
from tests.netns.time_server import TimeServer

NET_ADMIN, NET_RAW, IPC_LOCK = 1 << 12, 1 << 13, 1 << 14
PROFILE = Path("packaging/seccomp/carp-sidecar.json").absolute()
LOADER = Path(__file__).with_name("under_seccomp.py")


def fields(status: Path) -> dict[str, str]:
    """A process or thread, by the words of /proc/PID/status."""
    return dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)


def limited_memory(member: Member) -> bool:
    """Whether its locked memory is limited, so that every allocation needs CAP_IPC_LOCK."""
    lines = Path(f"/proc/{pid_of(member)}/limits").read_text().splitlines()
    return "unlimited" not in next(line for line in lines if line.startswith("Max locked memory"))


def test_what_root_was_given_beyond_the_network_is_laid_down_in_every_thread(group: Group) -> None:
    member = pod(group)
    member.start()
    group.wait_for_owner(member)
    until(lambda: board_of(member) != 0, 10, "its child runs")
    expected = NET_ADMIN | NET_RAW | (IPC_LOCK if limited_memory(member) else 0)
    threads = list(Path(f"/proc/{pid_of(member)}/task").iterdir())
    assert len(threads) > 1
    for thread in threads:
        found = fields(thread / "status")
        assert {int(found[name], 16) for name in ("CapEff", "CapPrm")} == {expected}, thread.name
        assert {int(found[name], 16) for name in ("CapInh", "CapAmb", "CapBnd")} == {0}
        assert found["NoNewPrivs"] == "1"
    child = fields(Path(f"/proc/{board_of(member)}/status"))
    assert {int(child[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd")} == {0}
    assert child["NoNewPrivs"] == "1"


def test_who_lacks_the_rights_is_told_which_and_left_with_1(group: Group) -> None:
    member = group.add()
    member.prefix = ["setpriv", "--bounding-set=-all", "--"]
    member.start()
    assert member.daemon is not None
    assert member.daemon.wait(10.0) == 1
    assert "CAP_NET_ADMIN and CAP_NET_RAW missing: run as root" in member.said()


# -------------------------------------------------------------------------------------------------------- system calls


def confined(group: Group) -> Member:
    """A daemon, with a notice board, that dies of any system call that the shipped profile does not name."""
    member = pod(group)
    member.prefix = [sys.executable, "-I", "-S", str(LOADER), str(PROFILE), "--"]
    member.env |= {"CARP_NTP": "localhost:123", "CARP_LOG_LEVEL": "debug"}
    return member


def test_the_whole_life_of_a_daemon_passes_the_shipped_seccomp_profile(dual: Group) -> None:
    """Start, take over, reload, dump, hand over, be maintained, lose its carpdev and its child, get both back, stop."""
    first, second = confined(dual), confined(dual)
    with TimeServer(first.node, "127.0.0.1", "::1"), TimeServer(second.node, "127.0.0.1", "::1"):
        for member in (first, second):
            member.start()
        dual.wait_for_owner(first, 20, V6)
        until(lambda: board_of(first) != 0, 10, "its child runs")
        until(lambda: first.ask()["ntp"]["state"] == "ok", 10, "its NTP server is known by name")
        for path in ("/", "/status", "/metrics", "/livez", "/readyz", "/role", "/nowhere"):
            assert first.http(path).code in {200, 404, 503}
        first.node.write(KEYS, f"{PASSPHRASE}\nanother\n", 0o600)
        first.kill(signal.SIGHUP)
        first.until_said("reloaded: vhid 10: 2 keys")
        first.kill(signal.SIGUSR1)
        first.until_said("flight record written")
        assert "the notice board ended;" not in first.said() + second.said()
        signal_board(first, signal.SIGKILL)
        first.control("resign", "--for", "1")
        dual.wait_for_owner(second, 8, V6)
        dual.wait_for_owner(first, 8, V6)
        for wish in ("on", "off"):
            second.control("maintenance", wish)
        node = first.node
        node.ip("link del eth0")
        dual.wait_for_owner(second, 8, V6)
        node.network.batch(
            f"link add {node.port} type veth peer name eth0 address {node.mac} netns {node.pid}",
            f"link set {node.port} master br0 up",
        )
        node.ip(f"addr add {node.ipv4}/24 dev eth0", "link set eth0 up")
        dual.wait_for_owner(first, 15, V6)
        until(lambda: board_of(first) != 0, 15, "another child runs")
        assert fields(Path(f"/proc/{pid_of(first)}/status"))["Seccomp"] == "2"
        assert fields(Path(f"/proc/{board_of(first)}/status"))["Seccomp"] == "2"
        assert first.said().count("the notice board ended;") == 1
        assert [first.stop(), second.stop()] == [0, 0]
    assert "Traceback" not in first.said() + second.said()


@pytest.mark.parametrize(
    "command",
    [
        ["unshare", "--net", "true"],
        ["unshare", "--user", "true"],
        ["mount", "-t", "tmpfs", "none", "/run"],
        [sys.executable, "-c", "import socket; socket.socket(socket.AF_VSOCK)"],
        [sys.executable, "-c", "import ctypes; ctypes.CDLL(None).ptrace(0, 0, 0, 0)"],
    ],
    ids=lambda command: " ".join(command)[-40:],
)
def test_what_the_daemon_never_does_is_not_in_the_profile(command: list[str]) -> None:
    """And so the test above would notice."""
    loaded = [sys.executable, "-I", "-S", str(LOADER), str(PROFILE), "--", *command]
    assert subprocess.run(loaded, capture_output=True, check=False).returncode == -signal.SIGSYS


def test_the_profile_says_no_more_than_engines_understand() -> None:
    profile = json.loads(PROFILE.read_text())
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    allowed = [name for entry in profile["syscalls"] if entry["action"] == "SCMP_ACT_ALLOW" for name in entry["names"]]
    assert not {"ptrace", "mount", "bpf", "unshare", "setns", "init_module", "keyctl", "perf_event_open"} & {*allowed}
    assert sorted(profile["syscalls"][0]["names"]) == profile["syscalls"][0]["names"]


# ------------------------------------------------------------------------------------------------------ who commands it


def test_only_root_and_the_daemons_own_user_are_obeyed_whatever_the_mode_of_the_socket(group: Group) -> None:
    assert is_obeyed(0)
    assert is_obeyed(os.geteuid())
    assert not is_obeyed(65534)
    if "4294967295" not in Path("/proc/self/uid_map").read_text():
        return  # a user namespace with one user: there is nobody else to ask
    member = group.add()
    member.start()
    group.wait_for_owner(member)
    member.ask()
    path = member.node.path(CONTROL)
    path.parent.chmod(0o777)
    path.chmod(0o666)
    program = (
        "import os, socket, sys; os.setuid(65534); caller = socket.socket(socket.AF_UNIX); caller.settimeout(5);"
        'caller.connect(sys.argv[1]); caller.sendall(b\'{"v": 1, "do": "resign"}\\n\'); print(caller.recv(4096))'
    )
    said = member.node.run(["python3", "-c", program, CONTROL])
    assert "own user are obeyed, not uid 65534" in said.stdout, said.stderr
    assert "control: uid 65534 asked and was refused" in member.said()
    assert member.state() == "MASTER"


def test_a_thousand_callers_of_the_control_socket_keep_nobody_from_steering(pair: Group) -> None:
    first, second = pair.members
    first.ask()
    callers = []
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # an ordinary user begins with 1024
    try:
        for _ in range(1000):
            caller = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            callers.append(caller)
            caller.connect(str(first.node.path(CONTROL)))
            caller.sendall(b'{"v": 1, ')
        began = time.monotonic()
        first.control("resign", "--for", "2")
        print(f"answered after {time.monotonic() - began:.3f} s")
        pair.wait_for_owner(second)
    finally:
        for caller in callers:
            caller.close()
