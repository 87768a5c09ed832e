"""The control socket and the commands that use it: real sockets, both loops, and whatever a client may send."""

import asyncio
import json
import os
import pty
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sidecar.carp.effects import Reason, State
from sidecar.errors import ConfigError, ControlError
from sidecar.ops import commands, routes
from sidecar.ops.client import call
from sidecar.ops.control import CONTROL_LIMITS, LONGEST_PATH, ControlServer, Handler
from sidecar.ops.listener import Limits
from sidecar.report import VhostReport
from tests.runtime.loops import LOOPS, LoopFactory, on, until
from tests.unit.ops_reports import peer, report, transition

both_loops = pytest.mark.parametrize("loop", LOOPS)


def refuse(_params: dict[str, Any]) -> dict[str, Any]:
    raise ControlError("not today, because of the weather")


def fail(_params: dict[str, Any]) -> dict[str, Any]:
    raise KeyError("secret detail")


async def slow(params: dict[str, Any]) -> dict[str, Any]:
    await asyncio.sleep(params["seconds"])
    return {"slept": params["seconds"]}


HANDLERS: dict[str, Handler] = {"echo": lambda params: params, "refuse": refuse, "fail": fail, "slow": slow}


@contextmanager
def daemon(
    path: Path,
    handlers: dict[str, Handler] = HANDLERS,
    loop: LoopFactory = asyncio.new_event_loop,
    limits: Limits = CONTROL_LIMITS,
) -> Iterator[ControlServer]:
    """A control server on a loop in a thread, as a client in another process would meet it."""
    server = ControlServer(path, handlers, limits)
    ready, stop = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        await server.start()
        ready.set()
        await stop.wait()
        await server.close()

    thread = threading.Thread(target=on, args=(loop, main()))
    thread.start()
    try:
        assert ready.wait(10)
        yield server
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "control.sock"


def raw(path: Path, data: bytes) -> bytes:
    """Send bytes and say no more; everything that comes back."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(path))
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


@both_loops
def test_a_command_gets_its_result(path: Path, loop: LoopFactory) -> None:
    with daemon(path, loop=loop):
        assert call(path, "echo", a=1, b="ü", c=[None]) == {"a": 1, "b": "ü", "c": [None]}


@both_loops
def test_a_slow_command_is_waited_for_and_holds_up_nobody_else(path: Path, loop: LoopFactory) -> None:
    with daemon(path, loop=loop):
        results: list[dict[str, Any]] = []
        waiter = threading.Thread(target=lambda: results.append(call(path, "slow", seconds=3.0)))
        waiter.start()
        assert call(path, "echo", quick=True) == {"quick": True}
        assert results == [], "answered while the slow one goes on"
        waiter.join(20)
        assert results == [{"slept": 3.0}]


def test_several_requests_go_over_one_connection(path: Path) -> None:
    with daemon(path):
        answers = raw(path, b'{"v":1,"do":"echo","n":1}\n{"v":1,"do":"echo","n":2}\n').splitlines()
        assert [json.loads(answer)["result"]["n"] for answer in answers] == [1, 2]


@both_loops
@pytest.mark.parametrize(
    ("garbage", "said"),
    [
        (b"\n", "one JSON object a line"),
        (b"hello\n", "one JSON object a line"),
        (b"[1, 2]\n", "one JSON object a line"),
        (b"\xff\xfe\x00\n", "one JSON object a line"),
        (b"[" * 4000 + b"\n", "one JSON object a line"),
        (b'{"do": "echo"}\n', "speaks version 1"),
        (b'{"v": 2, "do": "echo"}\n', "speaks version 1 of the control protocol, not 2"),
        (b'{"v": 1}\n', "a request names its command"),
        (b'{"v": 1, "do": ["echo"]}\n', "a request names its command"),
        (b'{"v": 1, "do": "reboot"}\n', "no command 'reboot'; there are echo, fail, refuse, slow"),
        (b"x" * 50_000, "at most 4096 bytes"),
    ],
    ids=lambda value: repr(value[:16]) if isinstance(value, bytes) else "",
)
def test_garbage_gets_a_sentence_and_harms_nobody(path: Path, loop: LoopFactory, garbage: bytes, said: str) -> None:
    with daemon(path, loop=loop):
        answer = json.loads(raw(path, garbage))
        assert (answer["v"], answer["ok"]) == (1, False)
        assert said in answer["error"]
        assert call(path, "echo") == {}


def test_half_a_request_gets_nothing(path: Path) -> None:
    with daemon(path):
        assert raw(path, b'{"v":1,"do":"ec') == b""
        assert call(path, "echo") == {}


def test_a_refusal_is_raised_as_it_was_said(path: Path) -> None:
    with daemon(path), pytest.raises(ControlError, match=r"^not today, because of the weather$"):
        call(path, "refuse")


def test_a_bug_is_logged_and_not_told(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with daemon(path):
        with pytest.raises(ControlError, match="its log says why"):
            call(path, "fail")
        assert "secret detail" in caplog.text
        assert call(path, "echo") == {}


def test_a_client_that_leaves_early_harms_nobody(path: Path) -> None:
    with daemon(path):
        for _ in range(50):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                client.sendall(b'{"v":1,"do":"slow","seconds":0.1}\n')
        assert call(path, "echo") == {}


@both_loops
def test_silent_clients_make_room(path: Path, loop: LoopFactory) -> None:
    with daemon(path, loop=loop):
        silent = [socket.socket(socket.AF_UNIX) for _ in range(40)]
        for client in silent:
            client.connect(str(path))
        assert call(path, "echo") == {}
        for client in silent:
            client.close()


def test_a_silent_client_is_dropped_in_time(path: Path) -> None:
    with daemon(path, limits=replace(CONTROL_LIMITS, first=0.2)), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(path))
        assert client.recv(1) == b""


@both_loops
def test_only_the_owner_may_open_it_and_the_folder_is_made(path: Path, loop: LoopFactory) -> None:
    with daemon(path, loop=loop):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) & 0o027 == 0


@both_loops
def test_it_is_gone_when_the_daemon_is(path: Path, loop: LoopFactory) -> None:
    with daemon(path, loop=loop):
        assert path.exists()
    assert not path.exists()


@both_loops
def test_what_a_dead_daemon_left_is_replaced(path: Path, loop: LoopFactory) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with daemon(path, loop=loop):
        assert call(path, "echo") == {}


@both_loops
def test_a_living_daemon_is_waited_for(path: Path, loop: LoopFactory, caplog: pytest.LogCaptureFixture) -> None:
    first: dict[str, Handler] = {"who": lambda _: {"name": "first"}}
    second: dict[str, Handler] = {"who": lambda _: {"name": "second"}}
    with daemon(path, first, loop) as older:
        with daemon(path, second, loop):
            assert call(path, "who") == {"name": "first"}
            time.sleep(2.2)  # two more attempts
            assert caplog.text.count("another daemon answers") == 1
            assert call(path, "who") == {"name": "first"}
        assert call(path, "who") == {"name": "first"}  # the newer left, and did not take the socket with it
    assert older is not None


@both_loops
def test_a_newer_daemon_takes_over_when_the_older_has_gone(path: Path, loop: LoopFactory) -> None:
    async def main() -> None:
        older = ControlServer(path, {"who": lambda _: {"name": "older"}})
        newer = ControlServer(path, {"who": lambda _: {"name": "newer"}})
        await older.start()
        await newer.start()
        await older.close()
        await until(path.exists)
        assert await asyncio.to_thread(call, path, "who") == {"name": "newer"}
        await newer.close()

    on(loop, main())
    assert not path.exists()


def test_a_daemon_that_was_replaced_leaves_the_socket_to_the_newer(path: Path) -> None:
    with daemon(path, {"who": lambda _: {"name": "newer"}}):
        with daemon(path.with_name("other.sock"), {"who": lambda _: {"name": "older"}}):
            path.rename(path.with_name("kept.sock"))
            path.with_name("other.sock").unlink()
            path.with_name("kept.sock").rename(path.with_name("other.sock"))
        assert call(path.with_name("other.sock"), "who") == {"name": "newer"}


@both_loops
def test_a_command_under_way_does_not_hold_up_the_end(path: Path, loop: LoopFactory) -> None:
    async def main() -> None:
        server = ControlServer(path, HANDLERS)
        await server.start()
        waiting = asyncio.create_task(asyncio.to_thread(call, path, "slow", seconds=30))
        await asyncio.sleep(0.3)
        async with asyncio.timeout(5):
            await server.close()
            with pytest.raises(ControlError, match="hung up before it had answered"):
                await waiting

    on(loop, main())


def test_a_socket_that_was_swept_away_comes_back(path: Path) -> None:
    with daemon(path):
        path.unlink()
        deadline = time.monotonic() + 15
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert call(path, "echo") == {}


def test_a_file_in_its_place_is_not_touched(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.parent.mkdir()
    path.write_text("precious")
    with daemon(path):
        assert "is no socket; remove it or choose another path with --control" in caplog.text
    assert path.read_text() == "precious"


def test_a_folder_that_cannot_be_made_is_not_fatal(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    with daemon(tmp_path / "file" / "control.sock"):
        assert "cannot listen yet" in caplog.text


def test_a_path_too_long_for_a_socket_is_a_wrong_setting(tmp_path: Path) -> None:
    longest = Path("/" + "x" * (LONGEST_PATH - 1))
    ControlServer(longest, {})
    with pytest.raises(ConfigError, match=r"CARP_CONTROL=/x+y: .* at most 107 bytes; choose a shorter one"):
        ControlServer(longest.with_name(longest.name + "y"), {})


class TestCall:
    """Every failure of the client is a sentence that helps."""

    def test_no_daemon(self, path: Path) -> None:
        with pytest.raises(
            ControlError, match=r"no daemon at .*: is `carp-sidecar run` running, and with this --control"
        ):
            call(path, "status")

    def test_a_daemon_that_died(self, path: Path) -> None:
        path.parent.mkdir()
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
        with pytest.raises(ControlError, match="the one that made this socket is gone"):
            call(path, "status")

    @pytest.mark.parametrize("what", ["folder", "file"])
    def test_what_is_no_socket(self, tmp_path: Path, what: str) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(ControlError, match=r"is no socket; name the one .* --control"):
            call(tmp_path / ("" if what == "folder" else what), "status")

    def test_no_permission(self, path: Path) -> None:
        program = "import sys; from sidecar.ops.client import call; call(sys.argv[1], 'status')"
        mortal = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
        with daemon(path):
            path.parent.chmod(0)
            command = [*mortal, sys.executable, "-c", program, str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            path.parent.chmod(0o750)
        assert "permission denied; ask as root or as the user that the daemon runs as" in done.stderr

    def test_no_answer_in_time(self, path: Path) -> None:
        with daemon(path), pytest.raises(ControlError, match=r"did not answer within 0\.2 s"):
            call(path, "slow", seconds=1, timeout=0.2)

    def test_a_path_too_long(self) -> None:
        with pytest.raises(ControlError, match="too long"):
            call("/" + "x" * 200, "status")

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (b"", "hung up before it had answered"),
            (b'{"v": 1', "hung up before it had answered"),
            (b"220 mail.example ESMTP\n", "is no carp-sidecar"),
            (b"[]\n", "is no carp-sidecar"),
            (b'{"v": 1, "ok": true}\n', "is no carp-sidecar"),
            (b'{"v": 9, "ok": true, "result": {}}\n', "speaks version 9 of the control protocol"),
        ],
    )
    def test_something_else_answers(self, path: Path, answer: bytes, said: str) -> None:
        path.parent.mkdir()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
            other.listen()

            def reply() -> None:
                client, _ = other.accept()
                with client:
                    client.recv(4096)
                    client.sendall(answer)

            thread = threading.Thread(target=reply)
            thread.start()
            with pytest.raises(ControlError, match=said):
                call(path, "status", timeout=5)
            thread.join(5)


class Fake:
    """A daemon behind the real handlers, with reports that a test may change."""

    def __init__(self) -> None:
        self.reports: list[VhostReport] = [report(State.MASTER, peers=(peer(heard=200),))]
        self.resigned: list[float] = []
        self.maintenance: list[bool] = []
        self.maintenance_by: list[str] = []
        self.outcome: dict[str, Any] = {
            "after_s": 0.0042,
            "vhosts": [
                {"vhid": 10, "state": "BACKUP", "successor": "192.0.2.2", "reason": "resigned: for 30 s, to 192.0.2.2"}
            ],
        }
        self.node = routes.Node("1.2.3", "node-a", "role", lambda: self.reports, list, time.monotonic)

    async def resign(self, seconds: float) -> dict[str, Any]:
        self.resigned.append(seconds)
        await asyncio.sleep(0.01)
        return self.outcome

    def maintain(self, on: bool) -> dict[str, Any]:
        self.maintenance.append(on)
        return {"maintenance": on or bool(self.maintenance_by), "wished_by": self.maintenance_by}

    @property
    def handlers(self) -> dict[str, Handler]:
        return routes.handlers(self.node, self.resign, self.maintain)


@pytest.fixture
def fake(path: Path) -> Iterator[Fake]:
    made = Fake()
    with daemon(path, made.handlers):
        yield made


@pytest.mark.parametrize("seconds", [0, 0.5, 30, 86400])
def test_resign_takes_a_number_of_seconds(fake: Fake, path: Path, seconds: float) -> None:
    assert call(path, "resign", seconds=seconds) == fake.outcome
    assert fake.resigned == [seconds]


@pytest.mark.parametrize(
    ("do", "params"),
    [
        ("resign", {"seconds": -1}),
        ("resign", {"seconds": True}),
        ("resign", {"seconds": "30"}),
        ("resign", {"seconds": 86401}),
        ("resign", {"seconds": float("nan")}),
        ("resign", {"seconds": 1, "quietly": True}),
        ("maintenance", {}),
        ("maintenance", {"on": "on"}),
        ("maintenance", {"on": 1}),
        ("status", {"verbose": True}),
    ],
)
def test_a_wrong_parameter_is_refused_and_nothing_is_done(
    fake: Fake, path: Path, do: str, params: dict[str, Any]
) -> None:
    with pytest.raises(ControlError):
        call(path, do, **params)
    assert (fake.resigned, fake.maintenance) == ([], [])


def arguments(path: Path, **more: Any) -> Namespace:
    return Namespace(control=str(path), **{"json": False, "watch": False} | more)


@pytest.mark.usefixtures("fake")
def test_status_is_text_for_people(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.status(arguments(path)) == 0
    assert "vhid 10 on eth0: MASTER" in capsys.readouterr().out


def test_status_as_json_is_the_object_of_the_http_server(
    fake: Fake, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands.status(arguments(path, json=True)) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(routes.build(fake.node)["/status"]().body)


@pytest.mark.parametrize("command", [commands.status, commands.resign, commands.maintenance])
def test_a_silent_daemon_is_one_line_and_exit_code_1(
    path: Path, capsys: pytest.CaptureFixture[str], command: Callable[[Namespace], int]
) -> None:
    assert command(arguments(path, seconds=30.0, mode="on")) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"carp-sidecar: no daemon at {path}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("vhosts", "said"),
    [
        ([{"vhid": 10, "state": "BACKUP", "successor": "192.0.2.2", "reason": "resigned: for 5 s, to 192.0.2.2"}],
         "vhid 10: 192.0.2.2 took over after 4 ms"),
        ([{"vhid": 10, "state": "BACKUP", "successor": "192.0.2.2", "reason": "resigned: for 5 s, nobody took over"}],
         "vhid 10: nobody took over within 4 ms; the addresses are released"),
        ([{"vhid": 10, "state": "MASTER", "successor": None, "reason": "preempt"}], "vhid 10: still master after 4 ms"),
        ([], "this node was not master"),
    ],
)  # fmt: skip
def test_resign_says_who_took_over_and_after_how_long(
    fake: Fake, path: Path, capsys: pytest.CaptureFixture[str], vhosts: list[dict[str, Any]], said: str
) -> None:
    fake.outcome["vhosts"] = vhosts
    assert commands.resign(arguments(path, seconds=5.0)) == 0
    assert said in capsys.readouterr().out
    assert fake.resigned == [5.0]


@pytest.mark.parametrize(("mode", "on_"), [("on", True), ("off", False)])
def test_maintenance_is_switched(
    fake: Fake, path: Path, capsys: pytest.CaptureFixture[str], mode: str, on_: bool
) -> None:
    assert commands.maintenance(arguments(path, mode=mode)) == 0
    assert fake.maintenance == [on_]
    assert capsys.readouterr().out.startswith(f"maintenance {mode}:")


def test_maintenance_that_somebody_else_wishes_is_not_called_off(
    fake: Fake, path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake, "maintenance_by", ["node", "pod"])
    assert commands.maintenance(arguments(path, mode="off")) == 0
    assert (
        "maintenance stays on: the annotation carp-sidecar.io/maintenance of the node and pod"
        in capsys.readouterr().out
    )


WATCH = (
    "import sys; from argparse import Namespace; from sidecar.ops import commands;"
    "sys.exit(commands.status(Namespace(control=sys.argv[1], json=False, watch=True)))"
)


@contextmanager
def watching(path: Path, **streams: Any) -> Iterator["subprocess.Popen[bytes]"]:
    watcher = subprocess.Popen([sys.executable, "-c", WATCH, str(path)], **streams)
    try:
        yield watcher
    finally:
        watcher.kill()
        watcher.wait(10)


def test_watch_without_a_terminal_is_a_line_a_change(fake: Fake, path: Path) -> None:
    with watching(path, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as watcher:
        assert watcher.stdout is not None
        assert b"vhid 10 MASTER (started)" in watcher.stdout.readline()
        moved = transition(0, State.MASTER, State.BACKUP, Reason.BETTER_PEER)
        fake.reports = [report(reason="better_peer", transitions=(moved,), master=peer())]
        assert b"vhid 10 BACKUP (better_peer); master 192.0.2.2" in watcher.stdout.readline()
        time.sleep(2.2)  # asked twice more
        watcher.send_signal(signal.SIGINT)
        assert watcher.wait(10) == 0
        assert watcher.stdout.read() == b""  # nothing was repeated
        watcher.stdout.close()


@pytest.mark.usefixtures("fake")
def test_watch_on_a_terminal_ends_with_q(path: Path) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "r+b", buffering=0) as terminal, os.fdopen(theirs) as its:
        with watching(path, stdout=its, stdin=its, stderr=its) as watcher:
            seen = b""
            while b"only master heard" not in seen:
                seen += terminal.read(4096)
            assert b"q ends" in seen
            terminal.write(b"q")
            assert watcher.wait(10) == 0


def test_watch_tells_that_the_daemon_went_and_came_back(path: Path) -> None:
    made = Fake()
    with daemon(path, made.handlers):
        watcher = subprocess.Popen([sys.executable, "-c", WATCH, str(path)], stdout=subprocess.PIPE)
        assert watcher.stdout is not None
        assert b"MASTER" in watcher.stdout.readline()
    try:
        assert b"no daemon at" in watcher.stdout.readline()
        with daemon(path, made.handlers):
            assert b"MASTER" in watcher.stdout.readline()
    finally:
        watcher.kill()
        watcher.wait(10)
        watcher.stdout.close()
