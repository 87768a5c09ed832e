"""Which node advertised when, read from captured frames: just enough of CARP to time an election."""

import ipaddress
import time
from collections.abc import Iterable
from dataclasses import dataclass

from sidecar.lab.capture import NANOSECONDS, Frame

EXPRESSION = "ip proto 112"
ETHERNET = 14
CARP_ADVERTISEMENT = 0x21  # version 2, type 1: what VRRP has there too, so only the address tells (the lab has no VRRP)


@dataclass(frozen=True)
class Advert:
    """One IPv4 advertisement; `at` in monotonic seconds."""

    at: float
    source: str
    vhid: int
    advskew: int
    advbase: int

    @property
    def bow_out(self) -> bool:
        return self.advbase == 255 and self.advskew == 255


def adverts(frames: Iterable[Frame]) -> list[Advert]:
    """The CARP advertisements among the frames, in order."""
    offset = time.time_ns() - time.monotonic_ns()
    return [advert for frame in frames if (advert := parse(frame.data, (frame.time_ns - offset) / NANOSECONDS))]


def parse(data: bytes, at: float) -> Advert | None:
    ip = data[ETHERNET:]
    if len(ip) < 20 or ip[0] >> 4 != 4:
        return None
    carp = ip[(ip[0] & 15) * 4 :]
    if len(carp) < 36 or carp[0] != CARP_ADVERTISEMENT:
        return None
    return Advert(at, str(ipaddress.IPv4Address(ip[12:16])), vhid=carp[1], advskew=carp[2], advbase=carp[5])
