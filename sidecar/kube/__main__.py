"""``python -m sidecar.kube FD``: started by the daemon with one end of a socketpair; ends when the other end does.

The main thread only listens to the parent, so that neither its end nor its news waits for the API. One thread writes,
three watch. A thread that fails, or hangs for a minute, ends the process: the parent starts another.
"""

import argparse
import logging
import os
import random
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sidecar.kube.confine import confine
from sidecar.kube.errors import WireError
from sidecar.kube.scope import NO_EVENTS, NO_NODES, Scope
from sidecar.kube.speaker import Speaker
from sidecar.kube.wire import LONGEST, Notice, decode

CREDENTIALS: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_TICK: Final = 1.0
_HUNG: Final = 60.0
"""Seconds without a beat of the writing thread."""
_LEAVE_TICKS: Final = 2
_SOFTWARE: Final = 70
"""Exit code (sysexits.h) of a process that found itself broken."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """What the parent says."""

    fd: int
    parent: int
    server: str
    credentials: Path
    scope: Scope


def parse(argv: Sequence[str]) -> Arguments:
    """The command line. The server is by default where every pod finds it."""
    parser = argparse.ArgumentParser(prog="python -m sidecar.kube", description="The notice board of carp-sidecar.")
    parser.add_argument("fd", type=int, help="one end of a socketpair(AF_UNIX, SOCK_SEQPACKET)")
    parser.add_argument("--parent", type=int, default=os.getppid(), help="process that must be the parent")
    parser.add_argument("--server", default=None, help="URL of the API")
    parser.add_argument("--credentials", type=Path, default=CREDENTIALS, help="folder with token and ca.crt")
    parser.add_argument(NO_NODES, dest="nodes", action="store_false", help="leave nodes alone")
    parser.add_argument(NO_EVENTS, dest="events", action="store_false", help="write no Events")
    found = parser.parse_args(argv)
    scope = Scope(nodes=found.nodes, events=found.events)
    return Arguments(found.fd, found.parent, found.server or _server(), found.credentials, scope)


def _server() -> str:
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def main(argv: Sequence[str]) -> int:
    """Until the parent ends or says that it leaves."""
    arguments = parse(argv)
    confine(arguments.parent)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # who stops a whole group of processes wants the last role to be shown
    threading.excepthook = _broken
    with socket.socket(fileno=arguments.fd) as channel:
        channel.setblocking(False)
        speaker = Speaker(channel)
        from sidecar.kube.board import Board, identity_of

        identity = identity_of(os.environ, arguments.credentials)
        board = Board(arguments.server, arguments.credentials, identity, speaker, random.random, arguments.scope)
        board.start()
        _listen(channel, board.put, board.beat, speaker)
    return 0


def _broken(args: threading.ExceptHookArgs) -> None:
    sys.__excepthook__(args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback)
    os._exit(_SOFTWARE)


def _listen(channel: socket.socket, put: Callable[[Notice], None], beat: Callable[[], float], speaker: Speaker) -> None:
    """Until there is nothing more to listen to."""
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    last_beat, beat_at, leaving = 0.0, time.monotonic(), 0
    while True:
        poll.poll(_TICK * 1000)
        notice = _drain(channel, speaker)
        if notice is not None:
            put(notice)
            leaving += notice.leaving
        speaker.flush()
        if beat() != last_beat:
            last_beat, beat_at = beat(), time.monotonic()
        leaving += leaving > 0 and notice is None
        if leaving > _LEAVE_TICKS:
            os._exit(0)
        if time.monotonic() - beat_at > _HUNG:
            speaker.say(logging.ERROR, "notice board: hung, starting anew")
            os._exit(_SOFTWARE)


def _drain(channel: socket.socket, speaker: Speaker) -> Notice | None:
    """The latest notice that waits. Ends the process when the parent has ended."""
    latest = None
    while True:
        try:
            packet = channel.recv(LONGEST + 1)
        except BlockingIOError:
            return latest
        except OSError:
            packet = b""
        if not packet:
            os._exit(0)
        try:
            line = decode(packet)
        except WireError as error:
            speaker.say(logging.WARNING, f"notice board: not understood: {error}")
            continue
        latest = line if isinstance(line, Notice) else latest


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
