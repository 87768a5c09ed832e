"""Who owned the addresses when: what a client on the segment saw."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol

from tests.sim.node import Node


class Scene(Protocol):
    """A group at a moment."""

    @property
    def nodes(self) -> Sequence[Node]: ...

    @property
    def now(self) -> float: ...


class Overlap(NamedTuple):
    """Two nodes that owned the addresses at the same time."""

    start: float
    end: float
    nodes: tuple[int, int]


def overlaps(scene: Scene, since: float = 0.0) -> list[Overlap]:
    """Every moment after ``since`` that two nodes owned the addresses, merged when one follows another."""
    spells = _spells(scene, since)
    found: list[Overlap] = []
    for index, (_, end, number) in enumerate(spells):
        for later, until, other in spells[index + 1 :]:
            if later >= end:
                break
            if number != other:
                found.append(Overlap(later, min(end, until), (number, other)))
    return sorted(found)


def gaps(scene: Scene, since: float) -> list[tuple[float, float]]:
    """Every stretch after ``since`` in which no node owned the addresses."""
    covered = [(since, since)]
    for start, end, _ in _spells(scene, since):
        if start <= covered[-1][1]:
            covered[-1] = (covered[-1][0], max(covered[-1][1], end))
        else:
            covered.append((start, end))
    covered.append((scene.now, scene.now))
    return [(end, start) for (_, end), (start, _) in pairwise(covered) if start > end]


def _spells(scene: Scene, since: float) -> list[tuple[float, float, int]]:
    return sorted(
        (max(spell.start, since), spell.end, node.number)
        for node in scene.nodes
        for spell in node.kernel.spells(scene.now)
        if spell.end > since
    )
