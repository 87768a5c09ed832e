"""Many notice boards in one process, each with its own threads, connections, token and pod; the code of each is the
real one from ``Board`` down to TLS: ``python -m tests.e2e.api.crowd FOLDER FIRST COUNT URL NAMESPACE``.

``FOLDER/NUMBER`` holds ``token``, ``ca.crt`` and ``uid``. A line on standard input is the role of all of them from then
on; ``count`` and ``errors`` answer how many have shown it and how many requests failed.
"""

import random
import sys
import threading
from pathlib import Path

from sidecar.kube.board import Board
from sidecar.kube.speaker import Speaker
from sidecar.kube.teller import Identity
from sidecar.kube.wire import Hints, Notice
from tests.runtime.kube_child import vhost


class Ear(Speaker):
    """A parent that only counts."""

    def __init__(self) -> None:
        self.hints = Hints()

    def hint(self, hints: Hints) -> None:
        self.hints = hints

    def say(self, level: int, text: str) -> None:
        """Not interesting."""


def main(folder: Path, first: int, count: int, url: str, namespace: str) -> None:
    threading.stack_size(256 * 1024)
    crowd: list[tuple[Board, Ear]] = []
    for number in range(first, first + count):
        ear, own = Ear(), folder / str(number)
        identity = Identity(namespace, f"carp-{number}", (own / "uid").read_text())
        board = Board(url, own, identity, ear, random.random)
        board.start()
        crowd.append((board, ear))
    serial = 0
    for line in sys.stdin:
        word = line.strip()
        if word == "count":
            print(sum(ear.hints.written == serial for _, ear in crowd), flush=True)
        elif word == "errors":
            print(sum(ear.hints.errors for _, ear in crowd), flush=True)
        else:
            serial += 1
            for board, _ in crowd:
                board.put(Notice(serial, (vhost(word, interval_s=1.0),), healthy=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5])
