"""Which drops deserve a line: one a minute for each reason and source, however many there are.

A stranger may invent sources. Beyond a limit they share one entry a reason, so neither memory nor the log grows.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

PERIOD: Final = 60.0
"""Seconds between two lines of the same virtual host, reason and source."""
OTHERS: Final = "other sources"
_LIMIT: Final = 256
_log: Final = logging.getLogger("sidecar.carp")
_MEANINGS: Final = {
    "badlen": "not the length of a CARP advertisement",
    "badttl": "TTL or hop limit is not 255: it crossed a router or is forged",
    "badsum": "wrong checksum",
    "badver": "not CARP version 2; VRRP on the same segment?",
    "badvhid": "another vhid",
    "badaddr": "a family, a group or a multicast-ness that this vhid does not use",
    "badauth": "wrong digest: another passphrase, or other virtual addresses under this vhid",
    "own": "our own advertisement came back: a loop in the network?",
}


@dataclass(slots=True)
class _Entry:
    said_at: float
    unsaid: int = 0


class DropLog:
    """Decides. ``now`` is monotonic seconds; ``limit`` entries are remembered, and one more a reason."""

    def __init__(self, period: float = PERIOD, limit: int = _LIMIT) -> None:
        self._period = period
        self._limit = limit
        self._entries: dict[tuple[int, str, str], _Entry] = {}

    def note(self, vhid: int, reason: str, source: str, now: float) -> tuple[str, int] | None:
        """Whom to name and how many were dropped since the last line, this one included; None for no line."""
        key = (vhid, reason, source)
        if key not in self._entries and not self._has_room(now):
            key = (vhid, reason, OTHERS)
        entry = self._entries.get(key)
        if entry is None:
            self._entries[key] = _Entry(now)
            return key[2], 1
        entry.unsaid += 1
        if now - entry.said_at < self._period:
            return None
        count, entry.unsaid, entry.said_at = entry.unsaid, 0, now
        self._entries[key] = self._entries.pop(key)  # the one that spoke longest ago stays first
        return key[2], count

    def _has_room(self, now: float) -> bool:
        """The entry that spoke longest ago makes room once its minute is over: it would get its line anyway."""
        if len(self._entries) >= self._limit:
            first = next(iter(self._entries))
            if now - self._entries[first].said_at >= self._period:
                del self._entries[first]
        return len(self._entries) < self._limit


def drop_logger(clock: Callable[[], float], drops: DropLog | None = None) -> Callable[[int, str, str], None]:
    """What to call for each drop with vhid, reason and source; it logs those that deserve it, as warnings."""
    decide = DropLog() if drops is None else drops

    def note(vhid: int, reason: str, source: str) -> None:
        line = decide.note(vhid, reason, source, clock())
        if line is not None:
            who, count = line
            meaning = _MEANINGS.get(reason, "not believed")
            since = f", {count} since the last line" if count > 1 else ""
            _log.warning("vhid=%d dropped advertisement from %s: %s (%s)%s", vhid, who, reason, meaning, since)

    return note
