"""What people and Kubernetes wish of this node: maintenance by several sources, and to be drained. Elections decide.

A source that takes back its wish does not take back another's. A drain demotes by less than everything: equals move
nothing among themselves, and a node that can serve no time stays behind one that is only being drained.
"""

from collections.abc import Sequence
from typing import Final

from sidecar.app.vhost import VirtualHost
from sidecar.carp.constants import FULL_DEMOTION
from sidecar.carp.events import DemotionSet, StepDownRequested

MAINTENANCE: Final = "maintenance"
DRAIN: Final = "drain"
DRAIN_DEMOTION: Final = 120
COMMAND: Final = "command"
"""The source that is the control socket."""


class Wishes:
    """For all virtual hosts of the node."""

    def __init__(self, vhosts: Sequence[VirtualHost], *sources: str) -> None:
        """``sources``: who wishes maintenance already; the elections know."""
        self._vhosts = vhosts
        self._sources = frozenset(sources)
        self._draining = False

    @property
    def sources(self) -> list[str]:
        """Who wishes maintenance."""
        return sorted(self._sources)

    def maintain(self, source: str, *, wanted: bool) -> None:
        """One source wishes it, or no longer does."""
        self._change((self._sources | {source}) if wanted else (self._sources - {source}), again=wanted)

    def maintain_by_annotation(self, places: Sequence[str]) -> None:
        """The places where an annotation wishes it, all others do not."""
        self._change(frozenset(places) | (self._sources & {COMMAND}), again=False)

    def _change(self, sources: frozenset[str], *, again: bool) -> None:
        """``again``: hand over even when it was wished already."""
        if sources == self._sources and not again:
            return
        more, self._sources = bool(sources - self._sources) or again, sources
        for vhost in self._vhosts:
            vhost.driver.post(DemotionSet(MAINTENANCE, FULL_DEMOTION if sources else 0))
            if more:
                vhost.driver.post(StepDownRequested(MAINTENANCE))

    def drain(self, *, wanted: bool) -> None:
        """The node is cordoned or this pod is to be replaced: whoever is not takes over first."""
        if wanted == self._draining:
            return
        self._draining = wanted
        for vhost in self._vhosts:
            vhost.driver.post(DemotionSet(DRAIN, DRAIN_DEMOTION if wanted else 0))
            if wanted and not vhost.config.preempt:
                vhost.driver.post(StepDownRequested(DRAIN))
