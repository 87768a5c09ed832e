"""A frame as it was caught, wherever it comes from, and what is said where none can be had."""

from typing import Final, NamedTuple

from sidecar.errors import SidecarError

MAX_FRAME: Final = 0x40000
"""Bytes: libpcap's own limit; more is damage."""


class CaptureError(SidecarError):
    """A capture that cannot be read, or not any further."""


class Frame(NamedTuple):
    """One frame: its ``number`` from 1, seconds since 1970 (None: not recorded), LINKTYPE, and the bytes captured."""

    number: int
    time: float | None
    link_type: int
    data: bytes
