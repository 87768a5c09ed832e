"""Server replies for the NTP tests, built by hand from RFC 5905 figure 8 and not with the product's own code."""

from struct import pack

COOKIE = bytes(range(1, 9))
NOW = 0xEE123456_80000000  # transmit timestamp: some time in 2026


def timestamp(seconds: float) -> int:
    return int(seconds * 2**32)


def reply_bytes(
    cookie: bytes = COOKIE,
    *,
    leap: int = 0,
    version: int = 4,
    mode: int = 4,
    stratum: int = 2,
    delay_s: float = 0.002,
    dispersion_s: float = 0.003,
    refid: bytes = bytes([198, 51, 100, 1]),
    age_s: float = 16.0,
    reference: int | None = None,
    transmit: int = NOW,
) -> bytes:
    """A reply that is perfectly good unless told otherwise."""
    if reference is None:
        reference = (transmit - timestamp(age_s)) % 2**64
    first = leap << 6 | version << 3 | mode
    short = [int(value * 2**16) for value in (delay_s, dispersion_s)]
    return pack("!BBbb2I4sQ8sQQ", first, stratum, 6, -24, *short, refid, reference, cookie, transmit, transmit)
