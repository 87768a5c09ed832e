"""The promises of the README, as code. ``Promises`` sees every step; the functions judge a cluster at rest."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from sidecar.carp.effects import (
    Effect,
    HoldAddresses,
    ReleaseAddresses,
    SendAdvertisement,
    State,
    StateChanged,
    Stopped,
)
from sidecar.carp.events import ConfigChanged, Event
from tests.sim.node import Node

if TYPE_CHECKING:
    from tests.sim.cluster import Cluster


class BrokenPromiseError(AssertionError):
    """What was promised, and what happened instead."""


class Overlap(NamedTuple):
    """Two nodes that owned the addresses at the same time."""

    start: float
    end: float
    nodes: tuple[int, int]


def state_after(node: Node, effects: Sequence[Effect]) -> State:
    """The state that a step leads to."""
    changes = [effect.new for effect in effects if isinstance(effect, StateChanged)]
    return changes[-1] if changes else node.state


def promise(kept: object, text: str) -> None:
    """Raise when a promise is broken."""
    if not kept:
        raise BrokenPromiseError(text)


class Promises:
    """What holds at every step of every node of ours, whatever the network does."""

    def stepped(self, node: Node, event: Event, effects: Sequence[Effect], now: float) -> None:
        """Look at one step, before its effects are applied."""
        if not node.is_bsd:
            after = state_after(node, effects)
            self._the_deadline_lies_ahead(node, after, now)
            self._only_a_master_speaks(node, after, event, effects)
            self._leaving_releases_before_anything_else(effects)
            self._a_new_master_owns_before_it_speaks(effects)

    def applied(self, node: Node, now: float) -> None:
        """Look at a node after its effects were applied."""
        promise(
            node.state is State.MASTER or not node.kernel.owns(now),
            f"a node that owns the addresses is master: {node} is {node.state}",
        )

    @staticmethod
    def _the_deadline_lies_ahead(node: Node, state: State, now: float) -> None:
        deadline = node.machine.deadline
        promise((deadline is None) is (state is State.INIT), f"{state} with deadline {deadline}")
        promise(deadline is None or deadline > now, f"the deadline {deadline} lies ahead of {now}")

    @staticmethod
    def _only_a_master_speaks(node: Node, state: State, event: Event, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, SendAdvertisement):
                bow_out = effect.advbase == effect.advskew == 255
                allowed = state is State.MASTER or (bow_out and node.state is State.MASTER)
                promise(allowed, f"only a master speaks: {node} answers {event} with {effect}")

    @staticmethod
    def _leaving_releases_before_anything_else(effects: Sequence[Effect]) -> None:
        leaves = any(isinstance(effect, StateChanged) and effect.old is State.MASTER for effect in effects)
        promise(not leaves or isinstance(effects[0], ReleaseAddresses), f"leaving releases first: {effects}")

    @staticmethod
    def _a_new_master_owns_before_it_speaks(effects: Sequence[Effect]) -> None:
        """A predecessor lets go when it hears; between the two nothing may be asked in vain."""
        kinds = [type(effect) for effect in effects]
        if any(isinstance(effect, StateChanged) and effect.new is State.MASTER for effect in effects):
            promise(kinds[:3] == [StateChanged, HoldAddresses, SendAdvertisement], f"own, then speak: {effects}")


def a_shutdown_says_goodbye_once(node: Node, was_master: bool) -> None:
    promise(node.stopped, f"{node} stops when told to")
    promise(node.bow_outs == (1 if was_master else 0), f"{node} said goodbye {node.bow_outs} times")


def a_stopped_node_owns_nothing(node: Node, now: float) -> None:
    promise(not node.stopped or not node.kernel.owns(now), f"{node} has stopped and owns nothing")


def overlaps(cluster: "Cluster", since: float = 0.0) -> list[Overlap]:
    """Every moment after ``since`` that two nodes owned the addresses, merged when one follows another."""
    spells = [
        (max(spell.start, since), spell.end, node.number)
        for node in cluster.nodes
        for spell in node.kernel.spells(cluster.now)
        if spell.end > since
    ]
    spells.sort()
    found: list[Overlap] = []
    for index, (_, end, number) in enumerate(spells):
        for later, until, other in spells[index + 1 :]:
            if later >= end:
                break
            if number != other:
                found.append(Overlap(later, min(end, until), (number, other)))
    return sorted(found)


def gaps(cluster: "Cluster", since: float) -> list[tuple[float, float]]:
    """Every stretch after ``since`` in which no node owned the addresses."""
    spells = sorted(
        (max(spell.start, since), spell.end)
        for node in cluster.nodes
        for spell in node.kernel.spells(cluster.now)
        if spell.end > since
    )
    covered = [(since, since)]
    for start, end in spells:
        if start <= covered[-1][1]:
            covered[-1] = (covered[-1][0], max(covered[-1][1], end))
        else:
            covered.append((start, end))
    covered.append((cluster.now, cluster.now))
    return [(end, start) for (_, end), (start, _) in pairwise(covered) if start > end]


def two_nodes_never_own_the_addresses_for_longer_than(seconds: float, cluster: "Cluster", since: float = 0.0) -> None:
    for overlap in overlaps(cluster, since):
        promise(
            overlap.end - overlap.start <= seconds,
            f"nodes {overlap.nodes} both owned the addresses from {overlap.start:.4f} to {overlap.end:.4f}, "
            f"longer than {seconds} s",
        )


def the_addresses_are_never_without_an_owner(cluster: "Cluster", since: float, tolerated: float = 0.0) -> None:
    for start, end in gaps(cluster, since):
        promise(end - start <= tolerated, f"nobody owned the addresses from {start:.4f} to {end:.4f}")


def one_is_master(cluster: "Cluster") -> Node:
    """Of the nodes that take part and hear each other, exactly one is master and owns the addresses."""
    masters = [node for node in cluster.nodes if node.takes_part and node.state is State.MASTER]
    promise(len(masters) == 1, f"one is master, not {masters}")
    promise(masters[0].kernel.owns(cluster.now), f"{masters[0]} is master and owns the addresses")
    return masters[0]


def the_master_is_the_fittest(cluster: "Cluster") -> Node:
    """One is master, and no other that could take its place stands better."""
    master = one_is_master(cluster)
    better = [node for node in cluster.nodes if node.takes_part and node.standing() < master.standing()]
    promise(not better, f"the fittest is master: {master} at {master.standing()} is, {better} would be better")
    return master


def nothing_moves(cluster: "Cluster", seconds: float) -> None:
    """A group at rest stays as it is."""
    before = len(cluster.journal)
    cluster.run(seconds)
    moved = cluster.journal[before:]
    promise(not moved, f"nothing moves in a group at rest: {[str(entry) for entry in moved]}")


def a_step_changes_nothing_when_the_configuration_is_the_same(node: Node, now: float) -> None:
    before = node.election.deadline
    effects = node.election.handle(ConfigChanged(node.config), now)
    promise(effects == (), f"the same configuration asks for nothing, not {effects}")
    promise(node.election.deadline == before, "the same configuration moves no deadline")


def stopped(effects: Sequence[Effect]) -> bool:
    return any(isinstance(effect, Stopped) for effect in effects)
