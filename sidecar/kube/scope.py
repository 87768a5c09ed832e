"""How far the notice board goes: what it leaves alone is neither watched nor written, whatever its account may do.

Pure. The daemon says it on the command line of its child.
"""

from dataclasses import dataclass
from typing import Final

NO_NODES: Final = "--no-nodes"
NO_EVENTS: Final = "--no-events"


@dataclass(frozen=True, slots=True)
class Scope:
    """``nodes``: label nodes, watch the own one, clear stale labels of others. ``events``: write Events."""

    nodes: bool = True
    events: bool = True

    @property
    def words(self) -> tuple[str, ...]:
        """What the child's command line says of it."""
        said = ((NO_NODES, self.nodes), (NO_EVENTS, self.events))
        return tuple(word for word, wanted in said if not wanted)


EVERYTHING: Final = Scope()
