"""Why a node may change its state, judged from what it was told and what it heard; promise 5 asks."""

from collections.abc import Callable

from sidecar.carp.effects import Reason
from sidecar.carp.events import AdvertisementReceived, Event
from sidecar.carp.packet import Advertisement
from tests.sim.arithmetic import EPSILON, dead_time, interval_of, rank_heard, rank_of
from tests.sim.node import Node


def _was_silent(node: Node, _: Event, now: float) -> bool:
    """Nothing was heard on some family for as long as the formula says."""
    oldest = min(max(node.heard.get(family, node.since), node.since) for family in node.families)
    return now - oldest >= dead_time(node) - EPSILON


def _may_take_over(node: Node, _: Event, __: float) -> bool:
    """What was heard last is worse, and taken over for one of the three reasons; which one came first is no matter."""
    if node.last is None:
        return False
    ad, ours = node.last.advertisement, rank_of(node)
    theirs = rank_heard(node, ad)
    too_slow = dead_time(node) < interval_of(ad.advbase, ad.advskew)
    return theirs[0] > ours[0] or too_slow or (node.knows.preempt and theirs > ours)


def _hears(judge: Callable[[Node, Advertisement], bool]) -> Callable[[Node, Event, float], bool]:
    def judged(node: Node, event: Event, _: float) -> bool:
        return isinstance(event, AdvertisementReceived) and judge(node, event.advertisement)

    return judged


CAUSES: dict[Reason, Callable[[Node, Event, float], bool]] = {
    Reason.MASTER_DOWN: _was_silent,
    Reason.PREEMPT: _may_take_over,
    Reason.PEER_DEMOTED: _may_take_over,
    Reason.PEER_TOO_SLOW: _may_take_over,
    Reason.PEER_BOWED_OUT: lambda node, _, now: node.left_at > now - 2.0 or node.disturbed_at >= node.left_at,
    Reason.BETTER_PEER: _hears(lambda node, ad: rank_heard(node, ad) < rank_of(node)),
    Reason.EQUAL_PEER: _hears(lambda node, ad: rank_heard(node, ad) == rank_of(node)),
}
"""Why a node may change its state; the reasons that are left are commands, which need no other cause."""
