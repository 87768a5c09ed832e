"""The protocol's arithmetic, in seconds, from the notes and not from the core: its mistakes must not excuse themselves.

``node.knows`` is the configuration that a node was told, ``node.told`` the demotion.
"""

from collections.abc import Collection

from sidecar.carp.config import Config, Dialect
from sidecar.carp.packet import Advertisement
from tests.sim.node import Node

EPSILON = 1e-4
"""The kernels' whole microseconds, and floating point (s)."""
Rank = tuple[int, float]
"""Less is fitter: demotion of its own byte, then the interval."""


def effective_advskew(config: Config, demotion: int) -> int:
    if config.dialect is Dialect.OPENBSD:
        return config.advskew
    return max(config.advskew, min(240, config.advskew + demotion))


def demote_byte(config: Config, demotion: int) -> int:
    return min(255, demotion) if config.dialect is Dialect.OPENBSD else 0


def interval_of(advbase: int, advskew: int) -> float:
    return advbase + (advskew / 256 if advbase else max(advskew, 1) / 256)


def interval(node: Node) -> float:
    """Between two advertisements of this node, were it master."""
    return interval_of(node.knows.advbase, effective_advskew(node.knows, node.told))


def dead_time(node: Node) -> float:
    """Of silence, before this node takes over: what carp(4) says, and a demoted one is more patient than others."""
    config, demotion = node.knows, node.told
    skew = effective_advskew(config, demotion)
    every = config.advbase == 0 or config.dialect is Dialect.OPENBSD
    formula = 3 * interval(node) if every else 3 * config.advbase + skew / 256
    if config.dialect is Dialect.OPENBSD:
        return formula + demote_byte(config, demotion) / 256
    return formula + (config.advskew / 256 if demotion and skew >= 240 else 0)


def longest_silence(node: Node) -> float:
    """The dead time, and the lot that an equal drew, which is a part of what it waits by now."""
    return dead_time(node) + interval(node) / 4


def rank_of(node: Node) -> Rank:
    """How fit a node is by what it was told: the less the better."""
    return demote_byte(node.knows, node.told), interval(node)


def lots_of(nodes: Collection[Node]) -> int:
    """Intervals that two of these may be master together: who counts alike says the same counter once in four times,
    and they are together until they do not (decision 9): for longer than four intervals once in a thousand times that
    they begin in one moment, which in thousands of node-days happens; for longer than eight once in 260,000."""
    said = {(min(-(-demote // 16), 15), every) for demote, every in map(rank_of, nodes)}
    return 8 if len(said) < len(nodes) else 1


def rank_heard(node: Node, ad: Advertisement) -> Rank:
    """How fit a peer is by what it says, as this node reads it."""
    return ad.demote if node.knows.dialect is Dialect.OPENBSD else 0, interval_of(ad.advbase, ad.advskew)
