"""Log lines: text or JSON, in UTC, one event a line, whatever a message contains.

Lines leave by a thread of their own: standard error may be a pipe that nobody reads, and the election must not wait
for it. Never a packet, never a secret: bytes given as a field are shown by their length.
"""

import json
import logging
import os
import queue
import re
import sys
import threading
import time
from collections.abc import Callable
from typing import Final, TextIO

_PLAIN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""What every record has; anything else was given as ``extra``."""
_ROOT: Final = "sidecar."
_FIELD: Final = re.compile(r"(vhid)=(\d+) ")
_CONTROL: Final = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {10: "\\n", 13: "\\r", 9: "\\t"}
_QUEUED: Final = 2000
"""Lines that wait for a reader; more are dropped and counted."""
_FLUSH: Final = 1.0
"""Seconds that the end of the process waits for its last lines to leave."""


def set_up(form: str, level: str, stream: TextIO | None = None) -> logging.Handler:
    """Log everything of ``level`` (debug, info, warning, error) and above to ``stream`` (standard error).

    ``form``: ``text`` or ``json``. Returns the handler; closing it writes what is left.
    """
    handler = Outlet(sys.stderr if stream is None else stream)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    for old in root.handlers[:]:
        if isinstance(old, Outlet):
            root.removeHandler(old)
            old.close()
    root.addHandler(handler)
    root.setLevel(level.upper())
    return handler


def _moment(record: logging.LogRecord) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{whole}.{int(record.msecs):03d}Z"


def _name(record: logging.LogRecord) -> str:
    return record.name.removeprefix(_ROOT)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {key: _shown(value) for key, value in vars(record).items() if key not in _PLAIN}


def _shown(value: object) -> object:
    """Bytes are keys and packets; neither belongs in a log."""
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


class TextFormatter(logging.Formatter):
    """``2026-11-24T08:44:42.123Z INFO carp vhid=10 ...``; a traceback follows, indented."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the lines of a traceback."""
        fields = "".join(f" {key}={_quoted(str(value))}" for key, value in _fields(record).items())
        message = record.getMessage().translate(_CONTROL)
        line = f"{_moment(record)} {record.levelname} {_name(record)}{fields} {message}"
        if record.exc_info and record.exc_info[0] is not None:
            line += "\n  " + self.formatException(record.exc_info).replace("\n", "\n  ")
        return line


def _quoted(text: str) -> str:
    return text if text and text.isprintable() and not set(text) & {" ", '"', "="} else json.dumps(text)


class JsonFormatter(logging.Formatter):
    """One object a line: ``time``, ``level``, ``logger``, ``message``, and the fields of the event."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON; a leading ``vhid=N`` becomes a field of its own."""
        message, found = record.getMessage(), {}
        if match := _FIELD.match(message):
            message, found = message[match.end() :], {match[1]: int(match[2])}
        event: dict[str, object] = {
            "time": _moment(record),
            "level": record.levelname.lower(),
            "logger": _name(record),
            "message": message,
            **found,
            **_fields(record),
        }
        if record.exc_info and record.exc_info[0] is not None:
            event["exception"] = self.formatException(record.exc_info)
        return json.dumps(event)


class Outlet(logging.Handler):
    """Writes lines from a thread. When nobody reads, the oldest stay, new ones are dropped and their number is told."""

    def __init__(self, stream: TextIO, limit: int = _QUEUED) -> None:
        super().__init__()
        self._put = _writer_to(stream)
        self._lines: queue.Queue[str | None] = queue.Queue(limit)
        self._dropped = 0
        self._closed = False
        self._writer = threading.Thread(target=self._write, name="log", daemon=True)
        self._writer.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Format it here, where the values are; hand it over without waiting."""
        try:
            self._lines.put_nowait(self.format(record) + "\n")
        except queue.Full:
            self._dropped += 1
        except Exception:  # noqa: BLE001 - as every handler does: a line that cannot be made must not end the daemon
            self.handleError(record)

    def close(self) -> None:
        """Write what is left, but do not wait for a reader that is not there."""
        if not self._closed:
            self._closed = True
            try:
                self._lines.put(None, timeout=_FLUSH)
            except queue.Full:
                pass
            else:
                self._writer.join(_FLUSH)
        super().close()

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            dropped, self._dropped = self._dropped, 0
            note = f"({dropped} lines were dropped here: nobody read the log)\n" if dropped else ""
            try:
                self._put(line + note)
            except (OSError, ValueError):  # the reader is gone, for good or until it comes back
                continue


def _writer_to(stream: TextIO) -> Callable[[str], None]:
    """Past the stream's buffer where there is a descriptor: the lock of a buffer that is stuck would abort the exit."""
    try:
        descriptor = stream.fileno()
    except (OSError, AttributeError):
        return lambda text: print(text, end="", file=stream, flush=True)

    def put(text: str) -> None:
        rest = memoryview(text.encode(errors="backslashreplace"))
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    return put
