"""A command in the sandbox reaches nothing of the machine, ends with everything it started, and passes for itself."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.lab.sandbox import explain
from tests.lab.conftest import Person, marked, wait_until

SANDBOX = "sidecar.lab.sandbox"


@contextlib.contextmanager
def started(person: Person, *command: str) -> Iterator["subprocess.Popen[str]"]:
    """The sandbox with a command in it; ended with the test, also with one that fails or takes too long."""
    words = person.command(SANDBOX, "--", *command)
    with subprocess.Popen(words, env=person.env(), stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_the_exit_code_is_the_commands_own(me: Person) -> None:
    assert me.run(SANDBOX, "--", "sh", "-c", "exit 7").returncode == 7


def test_a_command_ended_by_a_signal_ends_the_sandbox_by_the_same_signal(me: Person) -> None:
    assert me.run(SANDBOX, "--", "sh", "-c", "kill -KILL $$").returncode == -signal.SIGKILL


def test_output_errors_directory_and_environment_are_the_callers(me: Person, tmp_path: Path) -> None:
    command = me.command(SANDBOX, "--", "sh", "-c", "pwd; echo $GIVEN; echo wrong >&2; cat")
    done = subprocess.run(
        command,
        env=me.env() | {"GIVEN": "x y"},
        cwd=tmp_path,
        input="typed",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == f"{tmp_path}\nx y\ntyped"
    assert done.stderr == "wrong\n"


def test_network_run_and_processes_are_private_and_loopback_is_up(me: Person) -> None:
    look = "ip -o link | wc -l; ping -c1 -W1 127.0.0.1 >/dev/null && echo alive; echo $$; touch /run/ours; ls /run"
    links, alive, pid, *run = me.run(SANDBOX, "--", "sh", "-c", look).stdout.split()
    assert (links, alive) == ("1", "alive")
    assert int(pid) < 20
    assert sorted(run) == ["lock", "ours"]
    assert not Path("/run/ours").exists()


def test_the_runtime_folder_of_the_user_stays_visible(me: Person) -> None:
    inner = [sys.executable, "-m", SANDBOX, "--", "cat", "/run/user/7/kept"]
    prepare = "mkdir -p /run/user/7; echo kept > /run/user/7/kept; XDG_RUNTIME_DIR=/run/user/7 exec " + " ".join(inner)
    assert me.run(SANDBOX, "--", "sh", "-c", prepare).stdout == "kept\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_to_the_sandbox_reaches_the_command(me: Person, number: signal.Signals) -> None:
    script = f"trap 'echo got it; exit 9' {number.name.removeprefix('SIG')}; echo ready; while :; do sleep 0.05; done"
    with started(me, "sh", "-c", script) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.read() == "got it\n"
        assert process.wait(10) == 9


def test_ctrl_c_at_the_terminal_reaches_the_command_once(me: Person) -> None:
    program = (
        "import signal\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\n"
        "print('ready', flush=True)\n"
        "wait = 5\n"
        "while signal.sigtimedwait([signal.SIGINT], wait): print('interrupted', flush=True); wait = 1\n"
    )
    ours, theirs = os.openpty()
    command = ["setsid", "--ctty", "--wait", *me.command(SANDBOX, "--", sys.executable, "-c", program)]
    with subprocess.Popen(command, env=me.env(), stdin=theirs, stdout=theirs, stderr=theirs):
        os.close(theirs)
        said = os.read(ours, 1000)
        os.write(ours, b"\x03")
        with contextlib.suppress(OSError):  # the terminal is closed when everything has ended
            while more := os.read(ours, 1000):
                said += more
    os.close(ours)
    assert said.count(b"interrupted") == 1


def test_what_the_command_left_running_ends_with_it(me: Person) -> None:
    done = me.run(SANDBOX, "--", "sh", "-c", "sleep 300 & setsid sleep 300 & exit 0")
    assert done.returncode == 0
    assert marked(me.mark) == []


def test_a_killed_sandbox_takes_everything_inside_with_it(me: Person) -> None:
    with started(me, "sh", "-c", "setsid sleep 300 & echo ready; sleep 300") as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert len(marked(me.mark)) >= 4
        process.kill()
        wait_until(lambda: not marked(me.mark))


def test_a_sandbox_works_inside_a_sandbox(me: Person) -> None:
    inner = [sys.executable, "-m", SANDBOX, "--", "sh", "-c", "ip link add made0 type veth; echo $$; exit 5"]
    done = me.run(SANDBOX, "--", sys.executable, "-m", SANDBOX, "--", *inner)
    assert done.returncode == 5, done.stderr
    assert int(done.stdout) < 20


def test_an_ordinary_user_is_root_inside_and_may_make_interfaces(somebody: Person) -> None:
    look = "id -u; ip link add made0 type veth && ip link set made0 up && ip netns add inner && echo made"
    done = somebody.run(SANDBOX, "--", somebody.python, "-m", SANDBOX, "--", "sh", "-c", look)
    assert done.stdout == "0\nmade\n", done.stderr


def test_a_command_that_is_not_there_is_one_clear_line(me: Person) -> None:
    done = me.run(SANDBOX, "--", "/no/such/command")
    assert done.returncode == 1
    assert done.stderr == "sandbox: No such file or directory: /no/such/command\n"


def test_no_command_is_wrong_usage(me: Person) -> None:
    assert me.run(SANDBOX).returncode == 2


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ("user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"),
    ],
)
def test_what_the_kernel_refuses_is_named_with_the_remedy(tmp_path: Path, name: str, value: str, advice: str) -> None:
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text(value + "\n")
    said = explain("unshare: unshare failed:\nOperation not permitted", tmp_path, privileged=False)
    assert advice in said
    assert "\n" not in said


def test_a_user_without_namespaces_gets_exit_1_and_one_line(somebody: Person) -> None:
    forbid = "echo 0 > /proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-all --inh-caps=-all "
    inner = f"{somebody.python} -m {SANDBOX} -- true"
    done = somebody.run(SANDBOX, "--", "sh", "-c", forbid + inner)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "user.max_user_namespaces=0" in done.stderr


def test_the_sandbox_is_quick(me: Person) -> None:
    before = time.monotonic()
    me.run(SANDBOX, "--", "true")
    assert time.monotonic() - before < 5
