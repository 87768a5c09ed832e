"""Log lines: one an event whatever a message contains, in UTC, and never waited for."""

import io
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from sidecar.ops import logs

MOMENT = 1_795_000_000.1239


def record(message: str = "vhid=10 BACKUP -> MASTER", *args: object, **extra: object) -> logging.LogRecord:
    made = logging.getLogger("sidecar.carp").makeRecord(
        "sidecar.carp", logging.INFO, __file__, 1, message, args, None, extra=extra
    )
    made.created, made.msecs = MOMENT, 123.9
    return made


def text(*args: object, **extra: object) -> str:
    return logs.TextFormatter().format(record(*args, **extra))  # type: ignore[arg-type]


def event(*args: object, **extra: object) -> dict[str, object]:
    line = logs.JsonFormatter().format(record(*args, **extra))  # type: ignore[arg-type]
    assert "\n" not in line
    found = json.loads(line)
    assert isinstance(found, dict)
    return found


def test_a_text_line_is_time_level_part_and_message() -> None:
    assert text() == "2026-11-18T11:06:40.123Z INFO carp vhid=10 BACKUP -> MASTER"


def test_fields_stand_before_the_message_and_are_quoted_where_they_must() -> None:
    shown = text("moved", vhid=10, why="nothing heard", empty="")
    assert shown == '2026-11-18T11:06:40.123Z INFO carp vhid=10 why="nothing heard" empty="" moved'


@pytest.mark.parametrize("trick", ["a\n2026-11-18 INFO forged", "a\rb", "\x1b[2Jb", "\x9b31m", "a\x00b"])
def test_a_message_cannot_forge_a_line_or_steer_a_terminal(trick: str) -> None:
    for shown in (text(trick), text("x", source=trick)):
        assert shown.isprintable()


def test_json_has_the_same_in_fields() -> None:
    assert event(why="silence") == {
        "time": "2026-11-18T11:06:40.123Z",
        "level": "info",
        "logger": "carp",
        "message": "BACKUP -> MASTER",
        "vhid": 10,
        "why": "silence",
    }


@pytest.mark.parametrize("secret", [b"hunter2hunter2", bytearray(b"hunter2hunter2")])
def test_bytes_are_shown_by_their_length(secret: bytes) -> None:
    assert "hunter2" not in text("loaded", passphrase=secret)
    assert event("loaded", passphrase=secret)["passphrase"] == "<14 bytes>"


def test_a_traceback_is_indented_text_or_one_json_field() -> None:
    try:
        raise OSError("gone")
    except OSError:
        failed = record("failed")
        failed.exc_info = sys.exc_info()
    lines = logs.TextFormatter().format(failed).splitlines()
    assert lines[0].endswith("INFO carp failed")
    assert lines[-1] == "  OSError: gone"
    assert all(line.startswith("  ") for line in lines[1:])
    assert json.loads(logs.JsonFormatter().format(failed))["exception"].endswith("OSError: gone")


@pytest.fixture
def _own_root() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers[:]:
        if isinstance(handler, logs.Outlet):
            root.removeHandler(handler)
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("_own_root")
def test_set_up_logs_from_its_level_upwards() -> None:
    stream = io.StringIO()
    handler = logs.set_up("text", "warning", stream)
    logging.getLogger("sidecar.net").info("quiet")
    logging.getLogger("sidecar.net").warning("loud %d", 1)
    handler.close()
    assert stream.getvalue().endswith("WARNING net loud 1\n")
    assert stream.getvalue().count("\n") == 1


@pytest.mark.usefixtures("_own_root")
def test_set_up_again_replaces_and_does_not_double() -> None:
    first, second = io.StringIO(), io.StringIO()
    logs.set_up("text", "info", first)
    handler = logs.set_up("json", "info", second)
    logging.getLogger("sidecar.net").info("once")
    handler.close()
    assert first.getvalue() == ""
    assert json.loads(second.getvalue())["message"] == "once"


def test_nobody_waits_for_a_reader_that_is_stuck() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream, os.fdopen(reading, "r") as stuck:  # the reader goes first, also on failure
        outlet = logs.Outlet(stream, limit=100)
        began = time.monotonic()
        for _ in range(5000):  # 500 kB into a pipe of 64 kB
            outlet.handle(record("x" * 100))
        assert time.monotonic() - began < 30
        assert any("lines were dropped here: nobody read the log" in line for line in stuck)  # now somebody reads
        outlet.close()


def test_a_reader_that_left_is_no_failure() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        outlet = logs.Outlet(stream)
        outlet.handle(record())
        outlet.handle(record())
        outlet.close()


def test_the_last_line_leaves_before_the_process_does() -> None:
    program = (
        "import logging; from sidecar.ops import logs; logs.set_up('text', 'info');"
        "[logging.getLogger('sidecar').info('line %d', n) for n in range(500)]; raise SystemExit(3)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].endswith("INFO sidecar line 499")
    assert len(done.stderr.splitlines()) == 500


def test_a_process_ends_in_peace_though_nobody_reads_its_log() -> None:
    program = (
        "import logging; from sidecar.ops import logs; logs.set_up('text', 'info');"
        "[logging.getLogger('sidecar').info('x' * 1000) for n in range(500)]; raise SystemExit(3)"
    )
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    began = time.monotonic()
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, env=buffered) as stuck:
        try:
            assert stuck.wait(30) == 3
            assert time.monotonic() - began < 15
        finally:
            stuck.kill()
