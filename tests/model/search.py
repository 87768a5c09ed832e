"""Every world that choices lead to, breadth first, each once: up to a depth, and from each the way back to rest."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.model.world import BrokenError, World

Path = tuple[tuple[str, int], ...]


@dataclass
class Search:
    """``states`` found, ``steps`` taken, ``accepted`` recordings believed on the way."""

    states: int = 0
    steps: int = 0
    accepted: int = 0
    levels: list[int] = field(default_factory=list)

    def explore(self, start: World, depth: int) -> None:
        """``BrokenError`` tells the shortest way to what must not be."""
        seen = {start.key()}
        level: list[tuple[bytes, Path]] = [(start.freeze(), ())]
        self.states = 1
        for _ in range(depth):
            following: list[tuple[bytes, Path]] = []
            for frozen, path in level:
                for world, choice in self._successors(frozen, path):
                    key = world.key()
                    if key not in seen:
                        seen.add(key)
                        following.append((world.freeze(), (*path, choice)))
                        self._settle(world, (*path, choice))
            level = following
            self.levels.append(len(level))
            self.states += len(level)

    @staticmethod
    def _settle(world: World, path: Path) -> None:
        try:
            world.settles()
        except BrokenError as broken:
            raise BrokenError(f"{broken}\nafter {path}") from broken

    def _successors(self, frozen: bytes, path: Path) -> Iterator[tuple[World, tuple[str, int]]]:
        """A recording that is dropped leaves the world as it was: the next one is tried in the same copy."""
        world = World.thaw(frozen)
        choices = [*world.choices()]
        for recording in [*world.recordings()]:
            if self._step(world, path, recording):
                yield world, recording
                world = World.thaw(frozen)
        for choice in choices:
            world = World.thaw(frozen)
            self._step(world, path, choice)
            yield world, choice

    def _step(self, world: World, path: Path, choice: tuple[str, int]) -> bool:
        before = world.accepted
        self.steps += 1
        try:
            world.step(choice)
        except BrokenError as broken:
            raise BrokenError(f"{broken}\nafter {(*path, choice)}") from broken
        self.accepted += world.accepted - before
        return world.accepted > before
