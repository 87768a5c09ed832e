"""A frozen picture of one election, for whoever shows it. It says nothing that the election does not know."""

from dataclasses import dataclass

from sidecar.carp.config import Config
from sidecar.carp.effects import State
from sidecar.carp.peers import Peer


@dataclass(frozen=True, slots=True)
class Status:
    """``since`` and peers' ``heard_at`` are on the election's clock (monotonic seconds)."""

    config: Config
    state: State
    since: float
    reason: str
    effective_advskew: int
    demotion: int
    causes: dict[str, int]
    handing_over: bool
    resting_until: float | None
    master: Peer | None
    peers: tuple[Peer, ...]
