"""What the command answers: usage, exit codes, what it prints and what it never imports."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from sidecar import __version__, cli, commands
from sidecar.errors import SidecarError

NOT_IN_RUN = ["rich", "scapy", "kubernetes", "sidecar.lab", "sidecar.sniff", "sidecar.ops.commands"]


@pytest.fixture(autouse=True)
def _no_settings_of_this_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("CARP_")]:
        monkeypatch.delenv(name)


def command(arguments: Sequence[str], stdout: int = subprocess.PIPE) -> "subprocess.CompletedProcess[str]":
    """The real command, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "sidecar", *arguments],
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=30,
        check=False,
    )


def test_version_is_that_of_the_package() -> None:
    done = command(["--version"])
    assert (done.returncode, done.stdout, done.stderr) == (0, f"carp-sidecar {__version__}\n", "")


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([name, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: carp-sidecar {name}")


@pytest.mark.parametrize("name", ["demo", "up", "status", "watch", "fail", "heal", "exec", "down"])
def test_every_command_of_the_laboratory_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["lab", name, "--help"]) == 0
    usage, _, text = capsys.readouterr().out.partition("\n\n")
    assert usage.startswith(f"usage: carp-sidecar lab {name}")
    assert text.partition("\n\n")[0].endswith(".")


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    told = capsys.readouterr().out
    assert all(f"\n    {name}" in told for name in commands.COMMANDS)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["walk"],
        ["run", "--speed", "9"],
        ["run", "now"],
        ["run", "--vhid"],
        ["run", "--adv", "1"],
        ["status", "--now"],
        ["resign", "--for", "soon"],
        ["resign", "--for", "-1"],
        ["resign", "--for", "nan"],
        ["resign", "--for", "86401"],
        ["maintenance"],
        ["maintenance", "maybe"],
        ["sniff"],
        ["sniff", "--interface", "lo", "--pcap", "x"],
        ["lab"],
        ["lab", "fail"],
        ["lab", "fail", "node1", "--ho", "link"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_2_with_a_hint(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("usage: carp-sidecar")
    assert "Traceback" not in said.err


@pytest.mark.parametrize("arguments", [["run", "--speed", "9"], ["status", "now"], ["check", "--vhdi", "1"]])
def test_an_option_that_there_is_not_leads_to_the_help_of_its_command(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    assert f"{' '.join(arguments[1:])} (carp-sidecar {arguments[0]} --help lists" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["run", "sniff"])
@pytest.mark.parametrize("spelled", [["--passphrase", "hunter2"], ["--password=hunter2"], ["--pass", "hunter2"]])
def test_a_passphrase_on_the_command_line_is_refused_unrepeated(
    name: str, spelled: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([name, *spelled]) == 2
    said = capsys.readouterr()
    assert "use --passphrase-file" in said.err
    assert "hunter2" not in said.err + said.out


def test_invalid_settings_are_78_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "--vhid", "300", "--log", "xml"]) == 78
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("carp-sidecar: ") for line in lines)
    assert lines[0].startswith("carp-sidecar: --vhid=300: ")


def test_flags_reach_the_settings(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARP_LOG_LEVEL", "loud")
    assert cli.main(["run", "--preempt", "--advskew=x", "--passphrase-file", "/nowhere", "--peers", ""]) == 78
    told = capsys.readouterr().err
    assert "--preempt" not in told
    assert "--peers" not in told
    assert all(f"{key}: " in told for key in ("--advskew=x", "--passphrase-file=/nowhere", "CARP_LOG_LEVEL=loud"))


def test_a_failure_is_1_and_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["sniff", "--pcap", str(tmp_path / "none.pcap")]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("carp-sidecar: ")
    assert (said.out, len(said.err.splitlines())) == ("", 1)


def test_an_interrupted_command_is_130_and_silent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(args: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setitem(commands.COMMANDS, "sniff", interrupted)
    assert cli.main(["sniff", "--interface", "lo"]) == 130
    assert capsys.readouterr() == ("", "")


def test_a_failure_in_between_keeps_its_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failed(args: object) -> int:
        raise SidecarError("first\nsecond")

    monkeypatch.setitem(commands.COMMANDS, "sniff", failed)
    assert cli.main(["sniff", "--interface", "lo"]) == 1
    assert capsys.readouterr().err == "carp-sidecar: first\ncarp-sidecar: second\n"


@pytest.mark.parametrize("arguments", [["--version"], ["run", "--help"]], ids=" ".join)
def test_a_reader_that_went_away_is_no_reason_to_complain(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = command(arguments, stdout=writer)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


FRAMES = Path(__file__).parents[1] / "golden/data/pcaps/ucarp-v4-basic.pcap"


@pytest.mark.parametrize(
    "arguments", [["--version"], ["sniff", "--pcap", str(FRAMES)], ["sniff", "--json", "--pcap", str(FRAMES)]]
)
def test_output_that_a_full_disk_refuses_is_a_failure_and_one_line(arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = command(arguments, stdout=full.fileno())
    told = "carp-sidecar: the output cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, told)


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("run --vhid 300 2>/dev/full", 78),
        ("walk 2>/dev/full", 2),
        ("run --vhid 300 2>&-", 78),
        ("--version >&-", 0),
        ("run --vhid 300 <&- >&- 2>&-", 78),
        ("sniff --pcap - <&-", 1),
    ],
)
def test_an_exit_code_does_not_depend_on_whether_anybody_can_read(typed: str, code: int) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        f"{sys.executable} -m sidecar {typed}",
        shell=True,
        env=environment,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == code
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["status", "resign", "maintenance"])
def test_clients_refuse_a_control_socket_that_cannot_be(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CARP_CONTROL", "relative")
    assert cli.main([name, *(["on"] if name == "maintenance" else [])]) == 78
    assert "CARP_CONTROL=relative: must be an absolute path" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["status", "resign", "maintenance"])
def test_an_empty_control_socket_is_told_as_that(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([name, *(["on"] if name == "maintenance" else []), "--control", ""]) == 78
    assert capsys.readouterr().err == "carp-sidecar: --control=: is empty; give the path of the socket\n"


LISTING = """
import json, sys
from sidecar.cli import main
assert main(["run", "--vhid", "300"]) == 78
print(json.dumps(sorted(sys.modules)))
"""


def loaded(program: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    modules: list[str] = json.loads(done.stdout)
    return modules


def test_run_imports_nothing_foreign_but_its_loop_and_netlink_before_it_advertises() -> None:
    """The exact list: whoever adds to it adds to the start and to the memory of every node."""
    modules = loaded(LISTING)
    foreign = {name.partition(".")[0] for name in modules} - sys.stdlib_module_names
    own = {"cython_runtime", "sitecustomize"}  # uvloop's, and the distribution's, which every Python there imports
    assert {name for name in foreign - own if name[0] != "_"} == {"sidecar", "pyroute2", "uvloop"}
    assert {"http.server", "sqlite3", "email.parser", "sidecar.app.surface", "pyroute2.ndb"}.isdisjoint(modules)


def test_run_does_not_carry_what_only_others_use() -> None:
    modules = loaded(LISTING)
    assert [
        name for name in modules if name in NOT_IN_RUN or name.startswith(tuple(f"{one}." for one in NOT_IN_RUN))
    ] == []


def test_the_clients_do_not_carry_the_validation() -> None:
    program = "import json, sys, sidecar.commands, sidecar.settings.control\nprint(json.dumps(sorted(sys.modules)))"
    assert {"pydantic", "pydantic_settings", "yaml", "asyncio"}.isdisjoint(loaded(program))


AT_FIRST = """
import json, os, sys
first = set(sys.modules)
def spawn(*_, **__):
    print(json.dumps(sorted(set(sys.modules) - first)))
    raise OSError
os.posix_spawn = spawn
from sidecar.cli import main
assert main(["run", "--vhid", "300"]) == 1
"""


def test_the_settings_begin_to_be_judged_before_anything_else_is_imported() -> None:
    """Whatever came first would make every start longer by its whole time."""
    own = ["sidecar", "sidecar.cli", "sidecar.errors", "sidecar.settings", "sidecar.settings.ahead"]
    assert loaded(AT_FIRST) == own


WHO_IMPORTS = """
import asyncio, importlib.abc, json, sys, threading
from sidecar.app import main
by_thread = {}
class Watch(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        by_thread.setdefault(threading.get_ident() == threading.main_thread().ident, []).append(name)
sys.meta_path.insert(0, Watch())
try:
    asyncio.run(main._surface(None))
except AttributeError:  # made of no daemon
    pass
heavy = {"sidecar.ops.metrics", "prometheus_client"} & set(by_thread[False])
print(json.dumps([*sorted(heavy), *by_thread.get(True, [])]))
"""


def test_what_stands_beside_the_elections_is_imported_by_a_thread() -> None:
    """On the loop it would hold a master for 50 ms, with a dead time of 35."""
    assert loaded(WHO_IMPORTS) == ["prometheus_client", "sidecar.ops.metrics"]
