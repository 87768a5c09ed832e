"""`lab up` to `lab down` as a person types them, by a lab of real ucarp nodes; and what a crash leaves.

ucarp, so that these facts are about the lab alone; `test_demo.py` runs the product.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.lab.plan import Plan
from sidecar.lab.services import check_programs
from sidecar.lab.space import SpaceError
from tests.lab.conftest import Person, commands_with, marked, send, wait_until

pytestmark = pytest.mark.lab
ADDRESS = "10.77.0.100"


def up(person: Person, *more: str) -> None:
    done = person.lab("up", "--all-ucarp", "--nodes=2", *more)
    assert done.returncode == 0, done.stderr


def is_calm(person: Person) -> bool:
    now = status(person)
    return bool(now["owners"][ADDRESS] == ["node1"] and now["client"]["heard"][ADDRESS] == "node1")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """Somebody with a running lab; who breaks a node heals it again."""
    person = Person(environment={"XDG_RUNTIME_DIR": str(tmp_path_factory.mktemp("us"))})
    up(person)
    yield person
    assert person.lab("down").stdout == "The lab is removed.\n"
    assert marked(person.mark) == []


@pytest.fixture
def us(running: Person) -> Person:
    """The same, when node1 has been the one master for a while."""
    wait_until(lambda: all(is_calm(running) for _ in range(4)), 30)
    return running


def status(person: Person) -> Any:
    done = person.lab("status", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def heard(person: Person) -> str | None:
    by: str | None = status(person)["client"]["heard"][ADDRESS]
    return by


def folder(person: Person) -> Path:
    (found,) = Path(person.environment["XDG_RUNTIME_DIR"]).glob("carp-sidecar-lab-*")
    return found


def owner(person: Person) -> int:
    return int(json.loads((folder(person) / "lab.json").read_text())["pid"])


def test_a_node_fails_and_heals_while_the_client_is_told_who_answers(us: Person) -> None:
    assert heard(us) == "node1"
    assert us.lab("fail", "node1", "--how", "power").returncode == 0
    assert "no power" in us.lab("status").stdout
    wait_until(lambda: heard(us) == "node2", 20)
    assert us.lab("heal", "node1").returncode == 0
    wait_until(lambda: heard(us) == "node1", 20)
    assert [node["power"] for node in status(us)["nodes"]] == [True, True]


@pytest.mark.parametrize(("how", "words"), [("link", "cable out"), ("freeze", "frozen"), ("kill", "CARP daemon ended")])
def test_every_trouble_is_named_and_healed(us: Person, how: str, words: str) -> None:
    assert us.lab("fail", "node1", "--how", how).returncode == 0
    assert words in us.lab("status").stdout
    wait_until(lambda: heard(us) == "node2", 20)
    assert us.lab("heal", "node1").returncode == 0
    wait_until(lambda: heard(us) == "node1", 20)
    assert words not in us.lab("status").stdout


def test_a_killed_ntp_server_is_named_and_started_again(us: Person) -> None:
    assert us.lab("fail", "node1", "--how", "ntp").returncode == 0
    assert "NTP server ended" in us.lab("status").stdout
    assert "answers it already" not in us.lab("heal", "node1").stderr
    wait_until(lambda: heard(us) == "node1")


def test_a_rebooted_node_comes_back_by_itself(us: Person) -> None:
    before = us.lab("exec", "node2", "--", "readlink", "/proc/1/ns/net").stdout
    assert us.lab("fail", "node2", "--how", "reboot").returncode == 0
    assert us.lab("exec", "node2", "--", "readlink", "/proc/1/ns/net").stdout != before
    assert [node["ended"] for node in status(us)["nodes"]] == [[], []]


def test_exec_runs_on_the_node_with_its_exit_code_input_and_output(us: Person) -> None:
    look = "hostname; cat; ip -4 -o addr show eth0 | grep -c 10.77.0.1/; exit 5"
    command = us.command("sidecar.lab", "exec", "node1", "--", "sh", "-c", look)
    done = subprocess.run(command, env=us.env(), input="typed\n", capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("node1\ntyped\n1\n", 5)
    assert us.lab("exec", "client", "--", "ping", "-c1", "-W2", ADDRESS).returncode == 0
    assert "10.77.1.1" in us.lab("exec", "node1", "--", "chronyc", "-n", "sources").stdout


def test_exec_says_which_command_or_node_is_missing(us: Person) -> None:
    assert "no-such-command is not installed" in us.lab("exec", "node1", "--", "no-such-command").stderr
    assert "no machine node9: there are upstream, client, node1, node2" in us.lab("exec", "node9", "--", "true").stderr
    assert "no node node9: the nodes are node1, node2" in us.lab("fail", "node9").stderr
    nothing = us.lab("exec", "node1")
    assert (nothing.returncode, nothing.stderr.strip().rpartition(": ")[2]) == (2, "lab exec NODE -- COMMAND")


def test_a_node_without_power_cannot_fail_again(us: Person) -> None:
    us.lab("fail", "node1")
    done = us.lab("fail", "node1", "--how", "ntp")
    assert us.lab("heal", "node1").returncode == 0
    assert done.returncode == 1
    assert done.stderr == "carp-sidecar lab fail: node1 is switched off: heal it first\n"


def test_watch_shows_the_nodes_until_ctrl_c(us: Person) -> None:
    with subprocess.Popen(us.command("sidecar.lab", "watch"), env=us.env(), stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout is not None
        time.sleep(6)  # it draws for terminals only, and shows its last picture at the end
        watch.send_signal(signal.SIGINT)
        shown = watch.stdout.read()
        assert watch.wait(10) == 0
    assert "node1" in shown
    assert f"{ADDRESS} owned, heard" in shown


def test_there_is_one_lab_at_a_time(us: Person) -> None:
    done = us.lab("up", "--all-ucarp")
    assert done.returncode == 1
    assert "running already" in done.stderr
    assert heard(us) == "node1"


def test_down_removes_everything_and_may_be_repeated(me: Person) -> None:
    up(me, "--no-wait")
    assert len(marked(me.mark)) > 8
    where = folder(me)
    assert me.lab("down").stdout == "The lab is removed.\n"
    assert marked(me.mark) == []
    assert not where.exists()
    assert me.lab("down").stdout == "No lab is running.\n"


@pytest.mark.parametrize("who", ["holder", "supervisor", "everybody"])
def test_a_crash_leaves_no_process_and_nothing_that_down_does_not_remove(me: Person, who: str) -> None:
    up(me, "--no-wait")
    where = folder(me)
    inner = max(commands_with(me.mark, "sidecar.lab.supervisor"))
    send({"holder": [owner(me)], "supervisor": [inner], "everybody": marked(me.mark)}[who], signal.SIGKILL)
    wait_until(lambda: not marked(me.mark))
    assert me.lab("status").returncode == 1
    assert where.exists()
    assert me.lab("down").stdout == "The lab is removed.\n"
    assert not where.exists()


def test_after_a_crash_up_works_at_once(me: Person) -> None:
    up(me, "--no-wait")
    os.kill(owner(me), signal.SIGKILL)
    wait_until(lambda: not marked(me.mark))
    up(me, "--no-wait")
    assert [node["name"] for node in status(me)["nodes"]] == ["node1", "node2"]


def test_a_lab_that_hangs_is_removed_by_force(me: Person) -> None:
    up(me, "--no-wait")
    send(commands_with(me.mark, "sidecar.lab.supervisor"), signal.SIGSTOP)
    assert me.lab("down").stdout == "The lab is removed.\n"
    wait_until(lambda: not marked(me.mark))


def test_a_reused_process_number_is_never_killed(me: Person) -> None:
    up(me, "--no-wait")
    os.kill(owner(me), signal.SIGKILL)
    wait_until(lambda: not marked(me.mark))
    with subprocess.Popen(["sleep", "60"]) as innocent:
        state = folder(me) / "lab.json"
        state.write_text(json.dumps(json.loads(state.read_text()) | {"pid": innocent.pid}))
        assert me.lab("down").returncode == 0
        assert innocent.poll() is None
        innocent.kill()


def test_a_folder_that_cannot_be_made_is_one_clear_line(me: Person, tmp_path: Path) -> None:
    me.environment |= {"XDG_RUNTIME_DIR": str(tmp_path / "missing")}
    done = me.lab("up")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "No such file or directory; set XDG_RUNTIME_DIR to a folder of yours" in done.stderr
    me.environment |= {"XDG_RUNTIME_DIR": str(tmp_path)}


@pytest.mark.parametrize("trap", ["link", "owner"])
def test_somebody_elses_folder_is_not_touched(me: Person, tmp_path: Path, trap: str) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    place = tmp_path / f"carp-sidecar-lab-{os.getuid()}"
    if trap == "link":
        place.symlink_to(precious)
    else:
        precious.rename(place)
        if not owned_by_another(place):
            return  # an ordinary user cannot set this trap
    for command in ("up", "down", "status"):
        done = me.lab(command)
        assert done.returncode == 1
        assert "belongs to somebody else" in done.stderr
    assert (place / "file").exists()
    if trap == "link":
        place.unlink()
    else:
        os.chown(place, os.getuid(), -1)


def owned_by_another(place: Path) -> bool:
    try:
        os.chown(place, 54321, -1)
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    "command", [["status"], ["watch"], ["fail", "node1"], ["heal", "node1"], ["exec", "a", "--", "b"]]
)
def test_without_a_lab_one_line_says_so(me: Person, command: list[str]) -> None:
    done = me.lab(*(part if part != "b" else "true" for part in command))
    assert done.returncode == 1
    assert done.stderr == f"carp-sidecar lab {command[0]}: no lab is running; `lab up` starts one\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--nodes=1"], "1: must be from 2 to 8"),
        (["--nodes=many"], "invalid"),
        (["--rate=0"], "0: must be from 1 to 1000"),
        (["--with=vrrp"], "invalid choice"),
    ],
)
def test_wrong_usage_is_exit_2_with_the_rule(me: Person, arguments: list[str], said: str) -> None:
    done = me.lab("up", *arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_ucarp_and_ipv6_exclude_each_other(me: Person) -> None:
    done = me.lab("up", "--with=ucarp", "--dual")
    assert done.returncode == 1
    assert "ucarp speaks IPv4 only" in done.stderr


def test_missing_programs_are_named_with_the_command_that_installs_them() -> None:
    with pytest.raises(SpaceError, match=r"sudo apt-get install chrony ucarp$"):
        check_programs(Plan(ucarp=True), {"ip", "tcpdump"})
    check_programs(Plan(), {"ip", "tcpdump", "chronyd"})


def test_the_real_daemon_shows_its_role_and_hands_the_address_over(me: Person) -> None:
    assert me.lab("up", "--nodes=2").returncode == 0
    roles = [node["daemon"]["vhosts"][0]["state"] for node in status(me)["nodes"]]
    assert roles == ["MASTER", "BACKUP"]
    assert "MASTER" in me.lab("status").stdout
    assert me.lab("fail", "node1", "--how", "ntp").returncode == 0
    wait_until(lambda: heard(me) == "node2", 20)
    assert status(me)["owners"][ADDRESS] == ["node2"]
    assert status(me)["nodes"][0]["daemon"]["ntp"]["state"] == "dead"
    assert me.lab("fail", "node2", "--how", "reboot").returncode == 0
    wait_until(lambda: me.lab("exec", "node2", "--", me.python, "-m", "sidecar", "status").returncode == 0)


def test_an_ordinary_user_has_a_lab_too(somebody: Person) -> None:
    up(somebody)
    assert heard(somebody) == "node1"
    done = somebody.lab("exec", "node1", "--", "sh", "-c", "id -u; ip link add made0 type veth; hostname; exit 4")
    assert (done.stdout, done.returncode) == ("0\nnode1\n", 4), done.stderr
    assert somebody.lab("fail", "node1", "--how", "freeze").returncode == 0
    wait_until(lambda: heard(somebody) == "node2", 20)
    assert somebody.lab("down").stdout == "The lab is removed.\n"
    assert marked(somebody.mark) == []
