"""A client that asks the address for the time each millisecond and writes down which questions were answered, and when.

Run by path in the client's namespace, standard library only, ahead of everything else where the kernel permits. Each
question is a record of three doubles in the file: when it was sent, when answered (0: never), by which node. The latest
answer stands in FILE.latest meanwhile, as two doubles.

While nothing answers it asks four times as often besides, into FILE.fine: when answers begin again is not to be told by
the pause of its own. What is lost is counted by the questions of each millisecond alone.
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
FINE = 0.00025
SILENT, GIVEN_UP = 0.005, 10.0
"""Seconds without an answer from which on, and up to which, it asks so often."""
LIMIT_SECONDS = 900
QUESTION = struct.Struct("!BBBb11I")
LATEST = struct.Struct("=dd")


class Prober:
    """``records`` of each millisecond's questions and of those in between: sent, answered, node; three numbers each."""

    def __init__(self, target: str, latest: mmap.mmap) -> None:
        self.target = (target, 123)
        self.latest = latest
        self.records = (array.array("d"), array.array("d"))
        self.heard = 0.0
        self.stopping = False
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)

    def run(self) -> None:
        """Ask until told to stop, and a little longer for the last answers."""
        due = finely = time.monotonic()
        end = due + LIMIT_SECONDS
        while not self.stopping and due < end:
            now = time.monotonic()
            until = min(due, finely) if SILENT < now - self.heard < GIVEN_UP else due
            if select.select([self.socket], [], [], max(0.0, until - now))[0]:
                self.read()
            now = time.monotonic()
            if now >= due:
                self.ask(0)
                due = max(due + PERIOD, now - 5 * PERIOD)
                finely = now + FINE
            elif now >= until:
                self.ask(1)
                finely = now + FINE
        time.sleep(0.2)
        self.read()

    def ask(self, kind: int) -> None:
        """One question; its number and kind are its cookie."""
        records = self.records[kind]
        number = len(records) // 3
        records.extend((time.monotonic(), 0.0, 0.0))
        with contextlib.suppress(OSError):
            self.socket.sendto(QUESTION.pack(0x23, 0, 4, -20, *([0] * 10), number * 2 + kind), self.target)

    def read(self) -> None:
        """Every answer that is there."""
        with contextlib.suppress(OSError):
            while True:
                data = self.socket.recv(64)
                number, kind = divmod(int.from_bytes(data[28:32]), 2)
                records, number = self.records[kind], number * 3
                if records[number + 1] == 0.0:
                    records[number + 1] = self.heard = at = time.monotonic()
                    records[number + 2] = node = float(data[15])
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
    for name, records in zip((sys.argv[2], sys.argv[2] + ".fine"), prober.records, strict=True):
        with open(name, "wb") as file:
            records.tofile(file)


if __name__ == "__main__":
    main()
