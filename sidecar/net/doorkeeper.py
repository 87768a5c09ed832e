"""How much of a crowd of strangers is listened to: pure arithmetic, time is an argument (monotonic seconds).

Known peers never pass here. A stranger whose advertisement is not believed costs one of a limited number of looks; who
is refused too often within one turn is muted for a while. A node that may soon conclude something from silence listens
to everybody.
"""

from collections import Counter
from typing import Final

RATE: Final = 2000.0
"""Looks a second, in the long run: a few hundredths of a processor."""
BURST: Final = 256
TURN: Final = 0.016
"""Seconds until the next look, when they are used up."""
LOUD: Final = 16
"""Refusals within a turn that mute a source."""
MUTE: Final = 5.0
"""Seconds."""
_MOST_MUTED: Final = 32


class Doorkeeper:
    """Looks left, and who is muted. ``limiting``: strangers are more than are listened to."""

    def __init__(self) -> None:
        self._looks = float(BURST)
        self._at = 0.0
        self._refused: Counter[bytes] = Counter()
        self._muted: dict[bytes, float] = {}
        self.limiting = False

    @property
    def muted(self) -> frozenset[bytes]:
        """Sources that nobody listens to now."""
        return frozenset(self._muted)

    def looks(self, now: float) -> int:
        """How many strangers may be looked at now."""
        self._looks = min(float(BURST), self._looks + max(0.0, now - self._at) * RATE)
        self._at = now
        return int(self._looks)

    def refuse(self, source: bytes) -> None:
        """One was not believed."""
        self._looks = max(0.0, self._looks - 1)
        self._refused[source] += 1

    def turn(self, now: float) -> None:
        """A turn is over: mute who was loud, and forgive whose time has come; done when all looks are there again."""
        loud = [source for source, count in self._refused.items() if count >= LOUD]
        self._refused.clear()
        self._muted = {source: until for source, until in self._muted.items() if until > now}
        for source in loud[: _MOST_MUTED - len(self._muted)]:
            self._muted[source] = now + MUTE
        self.limiting = bool(self._muted) or self.looks(now) < BURST

    def forgive(self) -> None:
        """Listen to everybody again."""
        self._refused.clear()
        self._muted.clear()
        self._looks = float(BURST)
        self.limiting = False
