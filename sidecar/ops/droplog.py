"""Which drops deserve a line: one a minute for each reason and source, however many there are.

A stranger may invent sources. Beyond a limit they share one entry a reason, so neither memory nor the log grows.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

PERIOD: Final = 60.0
"""Seconds between two lines of the same virtual host, reason and source."""
OTHERS: Final = "other sources"
_LIMIT: Final = 64
_log: Final = logging.getLogger("sidecar.carp")
_MEANINGS: Final = {
    "badlen": "not the length of a CARP advertisement; VRRP with this id on the same segment?",
    "badttl": "TTL or hop limit is not 255: it crossed a router or is forged",
    "badsum": "wrong checksum",
    "badver": "not CARP version 2; VRRP with this id on the same segment?",
    "badvhid": "another vhid",
    "badaddr": "a family, a group or a multicast-ness that this vhid does not use",
    "badauth": "wrong digest: another passphrase, or other virtual addresses under this vhid",
    "own": "our own advertisement came back: a loop in the network?",
    "tampered": "its header is not what carp-sidecar signed: somebody on the segment changes advertisements",
    "replay": "an old advertisement of carp-sidecar once more: somebody on the segment replays, or the network doubles",
    "unmarked": "not from carp-sidecar, though replay is strict or this source was carp-sidecar before",
}


@dataclass(slots=True)
class _Entry:
    said_at: float
    unsaid: int = 0


class DropLog:
    """Decides. ``now``: monotonic seconds; ``limit``: sources remembered, besides the others' entry for each reason.

    Sources are packed: what is dropped by the ten thousand must not be made readable each time.
    """

    def __init__(self, period: float = PERIOD, limit: int = _LIMIT) -> None:
        self._period = period
        self._limit = limit
        self._sources: dict[tuple[int, str, bytes], _Entry] = {}
        self._others: dict[tuple[int, str], _Entry] = {}

    def note(self, vhid: int, reason: str, source: bytes, now: float) -> tuple[bytes | None, int] | None:
        """Whom to name and how many were dropped since the last line, this one included; None for no line.

        Nobody is named (None) where the others share a line.
        """
        entry = self._entry_of((vhid, reason, source), now)
        name: bytes | None = source
        if entry is None:
            name, entry = None, self._others.setdefault((vhid, reason), _Entry(now - self._period))
        entry.unsaid += 1
        if now - entry.said_at < self._period:
            return None
        count, entry.unsaid, entry.said_at = entry.unsaid, 0, now
        return name, count

    def _entry_of(self, key: tuple[int, str, bytes], now: float) -> _Entry | None:
        """That source's own, a new one where there is room; whoever spoke last stands last."""
        entry = self._sources.get(key)
        if entry is None:
            self._make_room(now)
            if len(self._sources) >= self._limit:
                return None
            entry = _Entry(now - self._period)
        elif now - entry.said_at >= self._period:
            del self._sources[key]
        self._sources[key] = entry
        return entry

    def _make_room(self, now: float) -> None:
        """The entry that spoke longest ago may go once its minute is over: it would get its next line anyway."""
        if len(self._sources) >= self._limit:
            first = next(iter(self._sources))
            if now - self._sources[first].said_at >= self._period:
                del self._sources[first]


def drop_logger(clock: Callable[[], float], drops: DropLog | None = None) -> Callable[[int, str, bytes], None]:
    """What to call for each drop with vhid, reason and packed source; it logs those that deserve it, as warnings."""
    decide = DropLog() if drops is None else drops

    def note(vhid: int, reason: str, source: bytes) -> None:
        line = decide.note(vhid, reason, source, clock())
        if line is not None:
            name, count = line
            who = OTHERS if name is None else ip_address(name)
            meaning = _MEANINGS.get(reason, "not believed")
            since = f", {count} since the last line" if count > 1 else ""
            _log.warning("vhid=%d dropped advertisement from %s: %s (%s)%s", vhid, who, reason, meaning, since)

    return note
