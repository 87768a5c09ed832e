"""The promises of the README ("What is promised"), as code; each names its promise by number.

``Promises`` sees every step of every node of ours; the functions below it judge a group, ``tests.sim.fates`` asks them
while the days pass.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from sidecar.carp.effects import (
    Effect,
    HoldAddresses,
    ReleaseAddresses,
    SendAdvertisement,
    State,
    StateChanged,
)
from sidecar.carp.events import ConfigChanged, Event
from sidecar.carp.receive import DropReason
from tests.sim.arithmetic import (
    EPSILON,
    dead_time,
    demote_byte,
    effective_advskew,
    interval,
    longest_silence,
    lots_of,
    rank_of,
)
from tests.sim.causes import CAUSES
from tests.sim.node import Node
from tests.sim.picture import Scene, gaps, overlaps
from tests.sim.promise import promise
from tests.sim.questions import unasked, was_asked_lately

if TYPE_CHECKING:
    from tests.sim.cluster import Cluster


# -- what holds at every step


class Promises:
    """What a node of ours keeps at every step, whatever the network does."""

    def stepped(self, node: Node, event: Event, effects: Sequence[Effect], now: float) -> None:
        """Look at one step, before its effects are applied."""
        if node.is_bsd:
            return
        after = state_after(node, effects)
        _the_deadline_lies_ahead(node, after, now)
        _only_a_master_speaks(node, after, event, effects)
        _leaving_releases_before_anything_else(effects)
        _a_new_master_owns_before_it_speaks(effects)
        for effect in effects:
            if isinstance(effect, StateChanged):
                node.waited = longest_silence(node)
                _a_change_has_its_cause(node, effect, event, now)

    def applied(self, node: Node, now: float) -> None:
        """Look at a node after its effects were applied."""
        owns_as = node.state is State.MASTER or not node.kernel.owns(now)
        promise(owns_as, 3, f"a node that owns the addresses is master: {node} is {node.state}")

    def renewed(self, node: Node, now: float) -> None:
        """A lease is about to be renewed."""
        promise(node.is_bsd or node.spoke_at == now, 3, f"{node} renews its lease only when an advertisement left")

    def said(self, node: Node, ad: SendAdvertisement) -> None:
        """A node says something else than before."""
        if node.is_bsd or (ad.advbase == ad.advskew == 255):
            return
        config, demotion = node.knows, node.told
        promise(node.kernel.addresses, 1, f"{node} says {ad} and owns nothing")
        truth = config.advbase, effective_advskew(config, demotion), demote_byte(config, demotion)
        promise((ad.advbase, ad.advskew, ad.demote) == truth, 7, f"{node} says {ad}, and the truth is {truth}")


def state_after(node: Node, effects: Sequence[Effect]) -> State:
    """The state that a step leads to."""
    changes = [effect.new for effect in effects if isinstance(effect, StateChanged)]
    return changes[-1] if changes else node.state


def _the_deadline_lies_ahead(node: Node, state: State, now: float) -> None:
    deadline = node.machine.deadline
    promise((deadline is None) is (state is State.INIT), 2, f"{node} is {state} with deadline {deadline}")
    promise(deadline is None or deadline > now, 2, f"the deadline {deadline} of {node} lies ahead of {now}")


def _only_a_master_speaks(node: Node, state: State, event: Event, effects: Sequence[Effect]) -> None:
    for effect in effects:
        if isinstance(effect, SendAdvertisement):
            bow_out = effect.advbase == effect.advskew == 255
            allowed = state is State.MASTER or (bow_out and node.state is State.MASTER)
            promise(allowed, 7, f"only a master speaks: {node} answers {event} with {effect}")


def _leaving_releases_before_anything_else(effects: Sequence[Effect]) -> None:
    leaves = any(isinstance(effect, StateChanged) and effect.old is State.MASTER for effect in effects)
    promise(not leaves or isinstance(effects[0], ReleaseAddresses), 1, f"leaving releases first: {effects}")


def _a_new_master_owns_before_it_speaks(effects: Sequence[Effect]) -> None:
    """A predecessor lets go when it hears; between the two nothing may be asked in vain, nor of one that cannot own."""
    kinds = [type(effect) for effect in effects]
    if any(isinstance(effect, StateChanged) and effect.new is State.MASTER for effect in effects):
        early = SendAdvertisement in kinds
        promise(kinds[:2] == [StateChanged, HoldAddresses] and not early, 6, f"own, then speak: {effects}")


def _a_change_has_its_cause(node: Node, change: StateChanged, event: Event, now: float) -> None:
    known = CAUSES.get(change.reason)
    promise(known is None or known(node, event, now), 5, f"{node} has no cause for {change} at {now} in {event}")
    if change.new is State.MASTER:
        promise(now >= node.rests_until - EPSILON, 4, f"{node} resigned until {node.rests_until}, not {now}")


# -- what holds at every moment, in view of what has befallen the group


class Circumstances(NamedTuple):
    """``whole_since``: the network loses nothing since then (inf: it does); ``still_since``: nothing befell anybody
    since then; ``late``: the most that a timer or a frame is late (s); ``played``: how old a recording may be (s)."""

    whole_since: float
    still_since: float
    late: float
    played: float = 0.0


def sound(nodes: Sequence[Node], now: float) -> list[Node]:
    """Ours that can serve and want to."""
    return [node for node in nodes if node.is_sound and not node.is_bsd and node.resting_until <= now]


def undisturbed_since(node: Node) -> float:
    return max(node.disturbed_at, node.resting_until)


def two_owners_agree(scene: Scene, known: Circumstances) -> None:
    """1: an interval when both live and hear each other (a leaver waits a second), else the lease of the dead one.

    Equals that become master in the same moment draw lots who is heard: mostly one interval, hardly ever four.
    """
    for start, end, pair in overlaps(scene, known.whole_since):
        one, other = (scene.nodes[number] for number in pair)
        together = end - max(start, one.disturbed_at, other.disturbed_at)
        live = one.is_sound and other.is_sound
        together_for = lots_of((one, other)) * max(interval(one), interval(other), 1.0)
        bound = together_for if live else max(one.kernel.lent, other.kernel.lent)
        text = f"nodes {pair} both owned the addresses from {start:.4f} to {end:.4f}, {together:.4f} s of it in vain"
        promise(together <= bound + known.late + EPSILON, 1, text)


def somebody_owns(scene: Scene, known: Circumstances) -> None:
    """2: with a sound node on a whole network nobody is without an owner for longer than the dead time.

    Who begins while nobody is master may be told that one lives by what was just recorded (decision 9).
    """
    able = sound(scene.nodes, scene.now)
    if not able:
        return
    ranks = [rank_of(node) for node in able]
    collisions = 2 if len(set(ranks)) < len(ranks) else 1
    silence = max(max(longest_silence(node), node.waited) for node in able)
    bound = collisions * (silence + known.late) + known.played + EPSILON
    since = max(known.whole_since, min(map(undisturbed_since, able)))
    for start, end in gaps(scene, since):
        promise(
            end - start <= bound, 2, f"nobody owned the addresses from {start:.4f} to {end:.4f}, over {bound:.4f} s"
        )


def who_hears_nobody_takes_over(node: Node, scene: Scene, known: Circumstances) -> None:
    """2: of every node by itself, whatever the network loses."""
    quiet_since = max(undisturbed_since(node), node.since, *node.heard.values(), node.rests_until)
    silence = scene.now - quiet_since
    patient = node.state is State.MASTER or silence <= longest_silence(node) + known.late + EPSILON
    promise(patient, 2, f"{node} is {node.state} after {silence:.4f} s of silence, its dead time is {dead_time(node)}")


def a_master_speaks_on_time(node: Node, scene: Scene, known: Circumstances) -> None:
    """7: every interval, but for the second in which a leaver waits for its successor."""
    quiet = scene.now - max(node.spoke_at, node.disturbed_at)
    bound = max(interval(node), 1.0) + known.late + EPSILON
    promise(node.state is not State.MASTER or quiet <= bound, 7, f"{node} is master and silent for {quiet:.4f} s")


def time_to_settle(nodes: Sequence[Node]) -> float:
    """Seconds after which a group that nothing befalls is at rest."""
    ours = [node for node in nodes if not node.is_bsd]
    return 2.5 * max(map(longest_silence, ours)) + 3 * max(map(interval, ours)) + 3.0


def a_group_in_peace_is_at_rest(cluster: "Cluster", known: Circumstances, *, preempts: bool) -> None:
    """1, 4 and 5: one master, the fittest one, and nothing has moved since it settled."""
    settled_at = known.still_since + time_to_settle(cluster.nodes)
    if cluster.now < settled_at or not sound(cluster.nodes, cluster.now) or known.whole_since > known.still_since:
        return
    if was_asked_lately(cluster, lots_of(cluster.nodes)) and len(cluster.masters) > 1:
        return
    master = one_is_master(cluster)
    if preempts and not master.is_bsd:
        better = [node for node in sound(cluster.nodes, cluster.now) if rank_of(node) < rank_of(master)]
        promise(not better, 4, f"{master} serves at {rank_of(master)}, and {better} would be fitter")
        moved = [str(entry) for entry in unasked(cluster, settled_at)]
        promise(not moved, 5, f"at rest since {settled_at}, and then {moved}")


def a_hand_over_loses_nothing(scene: Scene, left_at: float) -> None:
    """6: whoever left in peace has been answering until its successor did."""
    for start, end in gaps(scene, left_at):
        promise(start > left_at + 1.5, 6, f"left at {left_at:.4f}, and nobody owned from {start:.4f} to {end:.4f}")


def nobody_is_refused(nodes: Sequence[Node]) -> None:
    """9: while keys are changed step by step every node believes every other."""
    for node in nodes:
        drops = getattr(node.wire, "drops", {})
        promise(not drops.get(DropReason.BADAUTH), 9, f"{node} refused one of its own group: {drops}")


def few_changes_for_a_cause(cluster: "Cluster", known: Circumstances) -> None:
    """5: whatever happened, a node changes its state a few times because of it, and no more."""
    for node in sound(cluster.nodes, known.still_since):
        changes = [entry for entry in unasked(cluster, known.still_since) if entry.node == node.number]
        promise(len(changes) <= 8, 5, f"{node} changed {len(changes)} times since {known.still_since}")


# -- what a picture of the group tells


def a_shutdown_says_goodbye_once(node: Node, was_master: bool) -> None:
    promise(node.stopped, 6, f"{node} stops when told to")
    promise(node.bow_outs == (1 if was_master else 0), 6, f"{node} said goodbye {node.bow_outs} times")


def a_stopped_node_owns_nothing(node: Node, now: float) -> None:
    promise(not node.stopped or not node.kernel.owns(now), 3, f"{node} has stopped and owns nothing")


def two_nodes_never_own_the_addresses_for_longer_than(seconds: float, scene: Scene, since: float = 0.0) -> None:
    for start, end, nodes in overlaps(scene, since):
        text = f"nodes {nodes} both owned the addresses from {start:.4f} to {end:.4f}, longer than {seconds} s"
        promise(end - start <= seconds, 1, text)


def the_addresses_are_never_without_an_owner(scene: Scene, since: float, tolerated: float = 0.0) -> None:
    for start, end in gaps(scene, since):
        promise(end - start <= tolerated, 2, f"nobody owned the addresses from {start:.4f} to {end:.4f}")


def one_is_master(cluster: "Cluster") -> Node:
    """Of the nodes that take part and hear each other, exactly one is master and owns the addresses."""
    masters = [node for node in cluster.nodes if node.takes_part and node.state is State.MASTER]
    promise(len(masters) == 1, 1, f"one is master, not {masters}")
    promise(masters[0].kernel.owns(cluster.now), 2, f"{masters[0]} is master and owns the addresses")
    return masters[0]


def the_master_is_the_fittest(cluster: "Cluster") -> Node:
    """One is master, and no other that could take its place stands better."""
    master = one_is_master(cluster)
    better = [node for node in cluster.nodes if node.takes_part and node.standing() < master.standing()]
    promise(not better, 4, f"the fittest is master: {master} at {master.standing()} is, {better} would be better")
    return master


def nothing_moves(cluster: "Cluster", seconds: float) -> None:
    """A group at rest stays as it is."""
    before = len(cluster.journal)
    cluster.run(seconds)
    moved = cluster.journal[before:]
    promise(not moved, 5, f"nothing moves in a group at rest: {[str(entry) for entry in moved]}")


def a_step_changes_nothing_when_the_configuration_is_the_same(node: Node, now: float) -> None:
    before = node.election.deadline
    effects = node.election.handle(ConfigChanged(node.knows), now)
    promise(effects == (), 9, f"the same configuration asks for nothing, not {effects}")
    promise(node.election.deadline == before, 9, "the same configuration moves no deadline")
