"""Which sources are carp-sidecar: an unmarked advertisement from one of them is somebody else's.

A source that became another implementation recovers by being one for ten minutes without a pause. So nobody waits a
mark out in silence: every advertisement until then is refused, counted and logged. Only a marked advertisement that
was new makes an entry, hence no flood pushes one out.
"""

from dataclasses import dataclass
from typing import Final

PERIOD: Final = 600.0
"""Seconds of nothing but unmarked advertisements after which a source is believed to be another implementation."""
PAUSE: Final = 60.0
"""Seconds of silence that begin the period anew, unless three of our own intervals are longer."""
_LIMIT: Final = 64
"""Sources remembered; the one silent for longest makes room."""


@dataclass(slots=True)
class _Doubt:
    """Since when, and when last, a source was heard without a mark."""

    since: float
    last: float


class MarkedSources:
    """Packed source addresses. ``now``: monotonic seconds."""

    __slots__ = ("_doubts",)

    def __init__(self) -> None:
        self._doubts: dict[bytes, _Doubt | None] = {}

    def __contains__(self, source: object) -> bool:
        """Whether this source is carp-sidecar, as far as is known."""
        return source in self._doubts

    def hear(self, source: bytes) -> None:
        """This one has just said something marked and new."""
        self._doubts.pop(source, None)
        while len(self._doubts) >= _LIMIT:
            del self._doubts[next(iter(self._doubts))]
        self._doubts[source] = None

    def refuses(self, source: bytes, pause: float, now: float) -> bool:
        """Whether an unmarked advertisement cannot be this source's own. ``pause``: seconds that break the period."""
        if source not in self._doubts:
            return False
        doubt = self._doubts[source]
        if doubt is None or now - doubt.last > pause:
            doubt = self._doubts[source] = _Doubt(now, now)
        doubt.last = now
        if now - doubt.since < PERIOD:
            return True
        del self._doubts[source]
        return False
