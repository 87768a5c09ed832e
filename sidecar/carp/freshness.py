"""What is new. One order of ticks for a virtual host, whatever the source, the family or the key.

Ticks are a clock that the group shares: the latest of every node's coarse clock, carried on by elapsed time. A node
sends above all that it has sent and heard; it believes what lies above all that it has heard, is not its own, and is
no older than five seconds by that clock. Nothing is kept on disk: who starts anew is above its past by its clock, or
by what it hears. Decision 9 says what a recording can still do.
"""

from collections.abc import Callable
from typing import Final

from sidecar.carp.config import Family
from sidecar.carp.impersonation import MarkedSources
from sidecar.carp.marker import TICKS_PER_SECOND, fit

SLACK: Final = 5.0
"""Seconds that an advertisement may be behind the group's clock."""
_SLACK: Final = int(SLACK * TICKS_PER_SECOND)
_AHEAD: Final = 86_400 * TICKS_PER_SECOND
_YEARS_AHEAD: Final = 5 * 365 * _AHEAD
"""Ticks of a day that nobody has seen: by the group's clock, or by a wall clock that nobody has confirmed."""
_BESIDE: Final = 1 << 18
"""Counters above one of ours that have its advbase and advskew, too."""
_LOTS: Final = 4
"""Ticks among which a sender draws, so that two that count alike do not say the same for ever."""
_OUR_PACE: Final = TICKS_PER_SECOND * 7 / 8
_LEAST_PACE: Final = TICKS_PER_SECOND * 3 / 4
"""How fast the group's clock is carried on, by who sends and by who judges. One that was ahead of time is caught up
with, and a sender's may run slow by a tenth while NTP corrects it."""


class Freshness:
    """One virtual host's. ``now`` is monotonic seconds; ``clock`` the wall clock's ticks, 0 when there is none."""

    __slots__ = (
        "_base", "_base_at", "_clock", "_families", "_heard", "_heard_counter", "_jitter", "_met", "_sent", "marked",
        "sources",
    )  # fmt: skip

    def __init__(self, clock: Callable[[], int] = int, jitter: Callable[[], float] = float) -> None:
        """``clock`` as ``marker.ticks_of`` makes it; ``jitter``: a number in [0, 1)."""
        self._clock = clock
        self._jitter = jitter
        self.sources: frozenset[bytes] = frozenset()
        """The packed addresses that our advertisements leave with."""
        self.marked = MarkedSources()
        self._heard = self._heard_counter = -1
        self._families: tuple[Family, ...] = ()
        self._sent: dict[int, int] = {}
        self._base: int | None = None
        self._base_at = 0.0
        self._met = False

    def next_ticks(self, advbase: int, advskew: int, now: float, interval: float, count: int) -> list[int]:
        """The ticks of an advertisement that is about to leave, and of those that follow it at this interval."""
        last = max(self._heard, next(reversed(self._sent), -1))
        clock = self._clock()
        upcoming = []
        for number in range(count):
            pause = number * interval
            passed = int(pause * TICKS_PER_SECOND) if clock else 0
            least = max(last + 1, clock + passed, self._group_clock(now + pause, _OUR_PACE))
            last = fit(least + int(self._jitter() * _LOTS), advbase, advskew)
            upcoming.append(last)
        return upcoming

    def is_later(self, ticks: int) -> bool:
        """Whether they are above all that was heard."""
        return ticks > self._heard

    def sent(self, ticks: int, counter: int, now: float) -> None:
        """An advertisement has left. What is too old to be believed anyway is forgotten."""
        self._sent[ticks] = counter
        self._carry_on_from(ticks, now)
        while (oldest := next(iter(self._sent))) < ticks - _SLACK:
            del self._sent[oldest]

    def is_lower_than(self, source: bytes) -> bool:
        """Whether our source of the same family is the lower one."""
        for ours in self.sources:  # noqa: SIM110 - at every advertisement, and four times as fast
            if ours < source and len(ours) == len(source):
                return True
        return False

    def has_sent(self, ticks: int, counter: int) -> bool:
        """Whether this is one of our own of the last seconds."""
        return self._sent.get(ticks) == counter

    def is_chance(self, ticks: int, counter: int, now: float) -> bool:
        """Whether a counter that disagrees with its header is no carp-sidecar's, though its mark is right.

        Who goes on counting from one of ours comes upon a right mark once in 16,384 steps: a little above one that we
        know. Who draws at random mostly comes upon ticks of a day that nobody has seen.
        """
        known = self._heard_counter if ticks == self._heard else self._sent.get(ticks, counter)
        return 0 < counter - known < _BESIDE or self._is_of_no_day(ticks, now)

    def _is_of_no_day(self, ticks: int, now: float) -> bool:
        """Whether nobody can have sent this yet: a clock that has not been set is behind by years at most."""
        group = self._group_clock(now, _OUR_PACE)
        if self._met:
            return ticks > group + _AHEAD
        clock = self._clock()
        return clock > 0 and ticks > max(clock, group) + _YEARS_AHEAD

    def accept(self, ticks: int, counter: int, family: Family, now: float) -> bool:
        """Believe what is new, and expect more from now on. The same once more on the other family is new there."""
        again = counter == self._heard_counter and family not in self._families
        if not again and not self._is_new(ticks, counter, now):
            return False
        self._families = (*self._families, family) if again else (family,)
        self._heard, self._heard_counter = ticks, counter
        self._carry_on_from(ticks, now)
        return True

    def _is_new(self, ticks: int, counter: int, now: float) -> bool:
        if ticks <= self._heard or self.has_sent(ticks, counter):
            return False
        if ticks < self._group_clock(now, _LEAST_PACE) - _SLACK:
            return False
        return self._met or self._meets_the_clock(ticks, now)

    def _meets_the_clock(self, ticks: int, now: float) -> bool:
        """Until something heard agrees with the clock, nothing older than it is believed.

        Monotonic time carries on from there, from the later of the two (else a recording that is five seconds old
        would open the door to the next one for as long again), and whatever the clock does later moves nothing.
        """
        clock = self._clock()
        self._met = abs(ticks - clock) <= _SLACK
        if self._met:
            self._carry_on_from(clock, now)
        return ticks >= clock - _SLACK

    def _carry_on_from(self, ticks: int, now: float) -> None:
        if self._base is None or ticks >= self._group_clock(now, _LEAST_PACE):
            self._base, self._base_at = ticks, now

    def _group_clock(self, now: float, pace: float) -> int:
        return -1 if self._base is None else self._base + int((now - self._base_at) * pace)
