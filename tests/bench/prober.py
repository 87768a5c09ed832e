"""A client that asks the address for the time each millisecond and writes down which questions were answered, and when.

Run by path in the client's namespace, standard library only, ahead of everything else where the kernel permits. Each
question is a record of three doubles in the file: when it was sent, when answered (0: never), by which node. The latest
answer stands in FILE.latest meanwhile, as two doubles.
"""

import array
import contextlib
import gc
import mmap
import os
import select
import signal
import socket
import struct
import sys
import time

PERIOD = 0.001
LIMIT_SECONDS = 900
QUESTION = struct.Struct("!BBBb11I")
LATEST = struct.Struct("=dd")


class Prober:
    """``records``: sent, answered, node; three numbers a question."""

    def __init__(self, target: str, latest: mmap.mmap) -> None:
        self.target = (target, 123)
        self.latest = latest
        self.records = array.array("d")
        self.stopping = False
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)

    def run(self) -> None:
        """Ask until told to stop, and a little longer for the last answers."""
        due = time.monotonic()
        end = due + LIMIT_SECONDS
        while not self.stopping and due < end:
            if select.select([self.socket], [], [], max(0.0, due - time.monotonic()))[0]:
                self.read()
            if time.monotonic() >= due:
                self.ask()
                due = max(due + PERIOD, time.monotonic() - 5 * PERIOD)
        time.sleep(0.2)
        self.read()

    def ask(self) -> None:
        """One question; its number is its cookie."""
        number = len(self.records) // 3
        self.records.extend((time.monotonic(), 0.0, 0.0))
        with contextlib.suppress(OSError):
            self.socket.sendto(QUESTION.pack(0x23, 0, 4, -20, *([0] * 10), number), self.target)

    def read(self) -> None:
        """Every answer that is there."""
        with contextlib.suppress(OSError):
            while True:
                data = self.socket.recv(64)
                number = int.from_bytes(data[28:32]) * 3
                if self.records[number + 1] == 0.0:
                    self.records[number + 1] = at = time.monotonic()
                    self.records[number + 2] = node = float(data[15])
                    LATEST.pack_into(self.latest, 0, at, node)


def latest_in(name: str) -> mmap.mmap:
    """A file of nothing yet that others may look into."""
    with open(name, "w+b") as file:
        file.write(bytes(LATEST.size))
        file.flush()
        return mmap.mmap(file.fileno(), LATEST.size)


def main() -> None:
    """prober.py TARGET FILE"""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
    gc.disable()
    prober = Prober(sys.argv[1], latest_in(sys.argv[2] + ".latest"))
    signal.signal(signal.SIGTERM, lambda *_: setattr(prober, "stopping", True))
    prober.run()
    with open(sys.argv[2], "wb") as file:
        prober.records.tofile(file)


if __name__ == "__main__":
    main()
