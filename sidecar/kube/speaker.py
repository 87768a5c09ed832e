"""The child's mouth: hints and log lines to the parent, never waiting for it. The latest hints win."""

import socket
import threading
import time
from typing import Final

from sidecar.kube.wire import Hints, Line, Say, encode

ALIVE: Final = 20.0
"""Seconds after which hints are told again, so that the parent knows a living child from a frozen one."""
_NOISE: Final = 50
"""Log lines of one process that are told; who has so much to say says nothing."""


class Speaker:
    """For any thread."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._lock = threading.Lock()
        self._unsent: Hints | None = None
        self._latest = Hints()
        self._told_at = time.monotonic()
        self._said = 0

    def hint(self, hints: Hints) -> None:
        """Tell these, now or when the parent listens again."""
        with self._lock:
            self._unsent = self._latest = hints
            self._flush()

    def say(self, level: int, text: str) -> None:
        """Have a line logged, if the parent listens."""
        with self._lock:
            if self._said < _NOISE and self._send(Say(level, text)):
                self._said += 1

    def flush(self) -> None:
        """Try again what could not be told; say that we live."""
        with self._lock:
            if time.monotonic() - self._told_at >= ALIVE:
                self._unsent = self._latest
            self._flush()

    def _flush(self) -> None:
        if self._unsent is not None and self._send(self._unsent):
            self._unsent = None
            self._told_at = time.monotonic()

    def _send(self, line: Line) -> bool:
        try:
            self._channel.send(encode(line), socket.MSG_DONTWAIT)
        except OSError:
            return False
        return True
