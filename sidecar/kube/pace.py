"""When to try again: exponential with jitter, never sooner than a server asks for, at once when there is news."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from sidecar.kube.errors import ForbiddenError, KubeError, RefusedError, UnreachableError

FIRST: Final = 0.5
LONGEST_SILENT: Final = 6.0
"""Seconds at most between two attempts to reach a server that is away: labels are right 10 s after it is back."""
LONGEST: Final = 30.0
LONGEST_USELESS: Final = 240.0
"""Seconds at most before something forbidden or refused is tried again. Not at once: a server that has just started
forbids everything for a moment."""
LONGEST_ASKED: Final = 120.0
"""Seconds of a Retry-After that are believed."""


@dataclass(slots=True)
class Backoff:
    """``draw``: a number in [0, 1). Seconds throughout."""

    draw: Callable[[], float]
    silent: float = LONGEST_SILENT
    """At most between two attempts to reach a server that is away."""
    _failures: Counter[type[KubeError]] = field(default_factory=Counter, init=False)
    """Since it last worked, each kind by itself: a server that is back and answers otherwise has a new chance, one that
    alternates between silence, 429 and 504 has not."""

    def failed(self, error: KubeError) -> float:
        """Seconds to wait after one more failure."""
        kind = UnreachableError if isinstance(error, UnreachableError) else type(error)
        ceiling = min(self._longest(error), FIRST * (1 << min(self._failures[kind], 16)))
        self._failures[kind] += 1
        return between(self.draw, ceiling / 4, ceiling) + min(error.retry_after or 0.0, LONGEST_ASKED)

    def reset(self) -> None:
        """It worked, or there is news."""
        self._failures.clear()

    def _longest(self, error: KubeError) -> float:
        if isinstance(error, ForbiddenError | RefusedError):
            return LONGEST_USELESS
        return self.silent if isinstance(error, UnreachableError) else LONGEST


def between(draw: Callable[[], float], least: float, most: float) -> float:
    """Seconds from ``least`` up to ``most``."""
    return least + draw() * (most - least)
