"""An NTP client that never pauses: it asks every address in turn at a fixed rate and writes down all that happens.

Run by path in the client's namespace, standard library only. It judges nothing: each line of output is a JSON object
with the queries sent (`q`: [number, monotonic seconds, address index]) and the replies (`r`: [number, monotonic
seconds, reference, stratum, leap, true if it came from the address asked]). Replies that match no query are counted
(`strangers`).
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import struct
import sys
import time
from typing import cast

NTP_PORT = 123
CLIENT_V4_MODE_3 = 0x23
SERVER_MODE = 4
PACKET = 48
REPORT_SECONDS = 0.1
REMEMBERED_SECONDS = 10.0
LAST_REPLIES_SECONDS = 1.0
RATE_MAX = 1000.0

Query = tuple[int, float, int]
Reply = tuple[int, float, str, int, int, bool]


class Client(asyncio.DatagramProtocol):
    """One socket to one address. Not connected, so that replies from a wrong address are seen and not swallowed."""

    def __init__(self, target: str, record: "Record") -> None:
        self.target = target
        self.record = record
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)  # before 3.13 it is none by inheritance

    def ask(self, index: int) -> None:
        assert self.transport is not None
        cookie = self.record.sent(index)
        packet = struct.pack("!BBBb11I", CLIENT_V4_MODE_3, 0, 4, -20, *([0] * 9), cookie >> 32, cookie & 0xFFFFFFFF)
        self.transport.sendto(packet, (self.target, NTP_PORT))

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.record.received(data, addr[0] == self.target and addr[1] == NTP_PORT)

    def error_received(self, exc: Exception) -> None:
        """An unreachable host shows as a query without an answer."""


class Record:
    """What was asked and answered since the last report."""

    def __init__(self) -> None:
        self.number = 0
        self.open: dict[int, Query] = {}  # by origin time stamp: random, so only a reply to this very query matches
        self.queries: list[Query] = []
        self.replies: list[Reply] = []
        self.strangers = 0

    def sent(self, index: int) -> int:
        cookie = int.from_bytes(os.urandom(8))
        self.number += 1
        query = (self.number, time.monotonic(), index)
        self.open[cookie] = query
        self.queries.append(query)
        return cookie

    def received(self, data: bytes, from_target: bool) -> None:
        now = time.monotonic()
        is_reply = len(data) >= PACKET and data[0] & 7 == SERVER_MODE
        query = self.open.get(int.from_bytes(data[24:32])) if is_reply else None
        if query is None:
            self.strangers += 1
            return
        reference = socket.inet_ntoa(data[12:16])
        self.replies.append((query[0], now, reference, data[1], data[0] >> 6, from_target))

    def report(self) -> str:
        oldest = time.monotonic() - REMEMBERED_SECONDS
        while self.open and next(iter(self.open.values()))[1] < oldest:  # in the order they were asked
            del self.open[next(iter(self.open))]
        line = json.dumps({"q": self.queries, "r": self.replies, "strangers": self.strangers})
        self.queries, self.replies = [], []
        return line


async def query(addresses: list[str], rate: float, seconds: float) -> None:
    """Ask at `rate` per second (all addresses together) until `seconds` have passed, report every 100 ms."""
    record = Record()
    clients = [await connect(address, record) for address in addresses]
    reporter = asyncio.create_task(report(record))
    at = time.monotonic()
    end = at + seconds
    turn = 0
    while at < end:
        clients[turn % len(clients)].ask(turn % len(clients))
        turn += 1
        at = max(at + 1 / rate, time.monotonic())  # a late turn moves the later ones: no bursts
        await asyncio.sleep(at - time.monotonic())
    await asyncio.sleep(LAST_REPLIES_SECONDS)
    reporter.cancel()
    print(record.report(), flush=True)


async def connect(address: str, record: Record) -> Client:
    family, anywhere = (socket.AF_INET6, "::") if ":" in address else (socket.AF_INET, "0.0.0.0")
    loop = asyncio.get_running_loop()
    _, client = await loop.create_datagram_endpoint(
        lambda: Client(address, record), family=family, local_addr=(anywhere, 0)
    )
    return client


async def report(record: Record) -> None:
    while True:
        await asyncio.sleep(REPORT_SECONDS)
        print(record.report(), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("addresses", nargs="+")
    parser.add_argument("--rate", type=float, default=100.0, help="queries a second, all addresses together")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long")
    options = parser.parse_args()
    if not 0 < options.rate <= RATE_MAX:
        parser.error(f"--rate {options.rate}: more than 0 and at most {RATE_MAX:.0f} a second")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored when somebody started all this in the background
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        asyncio.run(query(options.addresses, options.rate, options.seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
