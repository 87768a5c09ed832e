"""What becomes of a frame between two nodes: lost, late, doubled, overtaken, heard one way only, or reflected.

All chance comes from the cluster's one stream of random numbers.
"""

from collections.abc import Iterable
from random import Random
from typing import NamedTuple

from sidecar.carp.config import Family

Hearing = tuple[int, int]
"""(sender, receiver)."""


class Weather(NamedTuple):
    """``loss``, ``doubled``, ``overtaken``: probabilities a delivery; ``delay``: the shortest and longest way (s)."""

    loss: float = 0.0
    delay: tuple[float, float] = (0.0002, 0.0002)
    doubled: float = 0.0
    overtaken: float = 0.0

    @property
    def is_fair(self) -> bool:
        """Whether every frame arrives, once, in order, at the same time everywhere."""
        return not (self.loss or self.doubled or self.overtaken) and self.delay[0] == self.delay[1]


FAIR = Weather()


class Network:
    """One segment. ``deaf``: (sender, receiver) and family for every way that is cut."""

    def __init__(self, random: Random, weather: Weather = FAIR) -> None:
        self._random = random
        self._last_arrival: dict[Hearing, float] = {}
        self.weather = weather
        self.deaf: set[tuple[Hearing, Family]] = set()
        self.mirror = False

    @property
    def broadcasts(self) -> bool:
        """Whether what one sends all others hear at the same moment, once."""
        return not self.deaf and self.weather.is_fair

    @property
    def loses_nothing(self) -> bool:
        """Whether every frame arrives somehow."""
        return not self.deaf and not self.weather.loss

    def cut(self, sender: int, receiver: int, families: Iterable[Family]) -> None:
        """From now on ``receiver`` does not hear ``sender``."""
        self.deaf |= {((sender, receiver), family) for family in families}

    def partition(self, side_of: dict[int, int]) -> None:
        """Nodes of different sides do not hear each other."""
        for one, here in side_of.items():
            for other in (other for other, there in side_of.items() if there != here):
                self.cut(one, other, Family)

    def arrivals(self, sender: int, receiver: int, family: Family, now: float) -> list[float]:
        """When a frame sent now arrives: never, once or twice."""
        weather, random = self.weather, self._random
        if ((sender, receiver), family) in self.deaf or (weather.loss and random.random() < weather.loss):
            return []
        copies = 2 if weather.doubled and random.random() < weather.doubled else 1
        return [self._arrival((sender, receiver), now) for _ in range(copies)]

    def _arrival(self, hearing: Hearing, now: float) -> float:
        """A switch does not reorder what one port sends to another; two links bundled, or a wireless bridge, do."""
        weather = self.weather
        arrival = now + self._random.uniform(*weather.delay)
        if weather.overtaken and self._random.random() < weather.overtaken:
            return arrival + self._random.uniform(0, 3 * weather.delay[1])
        arrival = max(arrival, self._last_arrival.get(hearing, 0.0))
        self._last_arrival[hearing] = arrival
        return arrival
