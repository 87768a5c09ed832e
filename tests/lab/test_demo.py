"""`lab demo`: the product's main promise, kept by the real daemon; and a broken promise is not called kept."""

import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.lab.conftest import Person, commands_with, marked, send, wait_until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]


def test_the_address_survives_a_power_cut_of_its_master(me: Person) -> None:
    done = me.lab("demo", timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The address answered as promised." in done.stdout
    assert "BROKEN" not in done.stdout
    took = re.search(r"node2 took over (\d+\.\d+) s after the last advertisement of node1", done.stdout)
    assert took is not None, done.stdout
    assert 3.0 < float(took[1]) < 3.7
    assert marked(me.mark) == []


def test_an_ordinary_user_sees_the_same_with_ucarp_as_a_member(somebody: Person) -> None:
    done = somebody.lab("demo", "--with", "ucarp", "--nodes=2", "--seconds=1", timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ucarp (advskew 40, ucarp)" in done.stdout


def test_two_addresses_of_both_families_share_the_load(me: Person) -> None:
    done = me.lab("demo", "--share", "--dual", "--nodes=2", "--seconds=1", timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    shares = re.search(r"answers from .* node1 (\d+) .* node2 (\d+)", done.stdout)
    assert shares is not None, done.stdout
    assert all(int(count) > 100 for count in shares.groups())
    assert "silence, fd77::101" in done.stdout


def test_ctrl_c_ends_it_at_once_and_leaves_nothing(me: Person) -> None:
    with subprocess.Popen(
        me.command("sidecar.lab", "demo", "--all-ucarp"), env=me.env(), stdout=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout is not None
        assert "built" in demo.stdout.readline()
        demo.send_signal(signal.SIGINT)
        assert demo.wait(15) == 130
    assert marked(me.mark) == []


def test_a_killed_demo_leaves_nothing(me: Person) -> None:
    with subprocess.Popen(
        me.command("sidecar.lab", "demo", "--all-ucarp"), env=me.env(), stdout=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout is not None
        demo.stdout.readline()
        assert len(marked(me.mark)) > 8
        demo.kill()
        wait_until(lambda: not marked(me.mark))


def test_when_nobody_takes_over_the_demo_fails_and_keeps_the_logs(me: Person) -> None:
    with subprocess.Popen(
        me.command("sidecar.lab", "demo", "--all-ucarp", "--nodes=2", "--seconds=1"),
        env=me.env(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        assert demo.stderr is not None
        line = demo.stdout.readline()
        while "is the one master" not in line:
            line = demo.stdout.readline()
        send(commands_with(me.mark, "--advskew=20"), signal.SIGKILL)
        said = demo.stderr.read()
        assert demo.wait(60) == 1
    assert "node2 is not the one master of vhid 10" in said
    kept = Path(said.strip().rpartition(" ")[2])
    assert (kept / "node2-carp.log").exists()
    for log in kept.iterdir():
        log.unlink()
    kept.rmdir()


def test_it_says_at_every_step_what_it_does(me: Person) -> None:
    before = time.monotonic()
    done = me.lab("demo", "--all-ucarp", "--nodes=2", "--seconds=1", timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    steps = ("built", "a client asks", "is the one master", "is cut", "has power again", "is removed again", "promised")
    found = [done.stdout.find(step) for step in steps]
    assert -1 not in found
    assert found == sorted(found)
    assert time.monotonic() - before < 60
