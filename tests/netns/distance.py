"""Puts a client some milliseconds away: what passes its port of the switch is held for so long, in order.

Run by path in the switch's namespace with two interfaces and the seconds, standard library only: not every kernel has
netem.
"""

import contextlib
import os
import select
import socket
import sys
import time
from collections import deque

PACKET_IGNORE_OUTGOING = 23
PACKET_VNET_HDR = 15


def opened(interface: str) -> socket.socket:
    """Everything that arrives at an interface, for whomever it is."""
    one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    one.setsockopt(263, PACKET_IGNORE_OUTGOING, 1)
    one.setsockopt(263, PACKET_VNET_HDR, 1)  # keeps checksums that the sender's kernel left to the hardware
    one.bind((interface, 3))
    one.setsockopt(263, 1, socket.if_nametoindex(interface).to_bytes(4, sys.byteorder) + b"\1\0\0\0" + bytes(8))
    one.setblocking(False)
    return one


def main() -> None:
    """INTERFACE INTERFACE SECONDS"""
    near, far, delay = opened(sys.argv[1]), opened(sys.argv[2]), float(sys.argv[3])
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(45))
    other = {near: far, far: near}
    held: deque[tuple[float, socket.socket, bytes]] = deque()
    while True:
        wait = max(0.0, held[0][0] - time.monotonic()) if held else None
        for one in select.select([near, far], [], [], wait)[0]:
            held.append((time.monotonic() + delay, other[one], one.recv(2048)))
        while held and held[0][0] <= time.monotonic():
            _, to, frame = held.popleft()
            with contextlib.suppress(OSError):
                to.send(frame)


if __name__ == "__main__":
    main()
