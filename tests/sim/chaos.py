"""A group to which anything may happen: after each thing the promises are checked, and when everything is mended the
group must come to rest. ``Chaos`` draws what happens from a seed; Hypothesis may choose it instead (``Fates``).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from sidecar.carp.config import Config
from tests.sim.cluster import Cluster
from tests.sim.invariants import (
    BrokenPromiseError,
    a_shutdown_says_goodbye_once,
    a_stopped_node_owns_nothing,
    nothing_moves,
    one_is_master,
    the_master_is_the_fittest,
    two_nodes_never_own_the_addresses_for_longer_than,
)
from tests.sim.node import Node

DAY = 86_400.0
DEMOTIONS = (0, 0, 80, 160, 240)


class Fates:
    """One group, everything that may happen to it, and the promises that hold nevertheless."""

    def __init__(self, members: Sequence[Config], *, seed: int = 0, loss: float = 0.0) -> None:
        self._preempt = all(member.preempt for member in members)
        self.cluster = Cluster(members, seed=seed, loss=loss)
        self._whole_since = 0.0
        self.cluster.start()

    def node(self, number: int) -> Node:
        return self.cluster.nodes[number % len(self.cluster.nodes)]

    def keep_the_promises(self) -> None:
        cluster = self.cluster
        for node in cluster.nodes:
            a_stopped_node_owns_nothing(node, cluster.now)
        if not cluster.deaf and not cluster.loss:
            longest = max(node.kernel.lease for node in cluster.nodes)
            two_nodes_never_own_the_addresses_for_longer_than(longest, cluster, self._whole_since)

    def mend(self) -> None:
        """Put everything right, and see the group come to rest with its fittest member as master."""
        cluster = self.cluster
        cluster.happens("mend")
        self.heal()
        for node in cluster.nodes:
            node.sends_fail = node.holds_fail = False
            if node.frozen:
                cluster.thaw(node.number)
            if not node.link_up or not node.alive or node.stopped or {"senderr", "addresses"} & self.blamed(node):
                cluster.set_link(node.number, False)
                cluster.set_link(node.number, True)
            if not node.alive or node.stopped:
                cluster.start(node.number)
        cluster.run(max([0.0, *(node.resting_until - cluster.now for node in cluster.nodes)]))
        cluster.run(12.0)
        self.keep_the_promises()
        if not cluster.loss:
            self._rest()

    @staticmethod
    def blamed(node: Node) -> set[str]:
        """Causes of demotion that the node found by itself."""
        return set(node.election.status.causes)

    def _rest(self) -> None:
        cluster = self.cluster
        if len(cluster.masters) != 1 or not cluster.owners:
            cluster.run(
                12.0
            )  # equals met for the first time; or a demoted master asked just now whether anybody is fit
        (the_master_is_the_fittest if self._preempt else one_is_master)(cluster)
        if not any(node.causes.get("ntp", 0) for node in cluster.nodes):
            nothing_moves(cluster, 100.0)

    # -- what may happen

    def kill(self, number: int) -> None:
        self.cluster.kill(self.node(number).number)

    def power_off(self, number: int) -> None:
        self.cluster.power_off(self.node(number).number)

    def restart(self, number: int) -> None:
        self.cluster.start(self.node(number).number)

    def freeze(self, number: int) -> None:
        if self.node(number).alive:
            self.cluster.freeze(self.node(number).number)

    def thaw(self, number: int) -> None:
        if self.node(number).frozen:
            self.cluster.thaw(self.node(number).number)

    def pull_or_plug(self, number: int) -> None:
        self.cluster.set_link(self.node(number).number, not self.node(number).link_up)

    def cut(self, number: int, other: int) -> None:
        if self.node(number) is not self.node(other):
            self.cluster.cut(self.node(number).number, self.node(other).number)

    def part(self, number: int) -> None:
        alone = self.node(number).number
        self.cluster.partition([alone], [other.number for other in self.cluster.nodes if other.number != alone])

    def heal(self) -> None:
        if self.cluster.deaf:
            self.cluster.heal()
            self._whole_since = self.cluster.now + 2.0

    def demote(self, number: int, amount: int) -> None:
        self.cluster.demote(self.node(number).number, "ntp", amount)

    def resign(self, number: int, seconds: float) -> None:
        self.cluster.resign(self.node(number).number, seconds)

    def step_down(self, number: int) -> None:
        self.cluster.step_down(self.node(number).number)

    def fail_or_recover(self, number: int, *, sends: bool) -> None:
        """Sending, or owning addresses, fails from now on, or works again."""
        node = self.node(number)
        self.cluster.happens(f"fail_or_recover({node.number}, sends={sends})")
        if sends:
            node.sends_fail = not node.sends_fail
        else:
            node.holds_fail = not node.holds_fail

    def shut_down(self, number: int) -> None:
        node = self.node(number)
        if not node.takes_part:
            return
        was_master, said = node.number in self.cluster.masters, node.bow_outs
        can_say = not node.sends_fail
        self.cluster.shut_down(node.number)
        self.cluster.run(1.5)
        node.bow_outs -= said
        if can_say:
            a_shutdown_says_goodbye_once(node, was_master)

    def reconfigure(self, number: int, advskew: int) -> None:
        node = self.node(number)
        self.cluster.reconfigure(node.number, replace(node.config, advskew=advskew))


class Chaos(Fates):
    """Random fates from one seed. ``rate``: happenings a virtual hour; ``skews``: what advskew may become."""

    def __init__(
        self, seed: int, *members: Config, loss: float = 0.0, rate: float = 60.0, skews: Sequence[int] = range(100)
    ) -> None:
        super().__init__(members, seed=seed, loss=loss)
        self._random = Random(seed)
        self._rate = rate
        self._skews = skews

    def run(self, days: float) -> None:
        """Let days pass; ``BrokenPromiseError`` tells the seed and the story."""
        try:
            self._run(days * DAY)
        except BrokenPromiseError as broken:
            raise BrokenPromiseError(f"{broken}\n{self.cluster.explain()}") from broken

    def _run(self, seconds: float) -> None:
        end = self.cluster.now + seconds
        while self.cluster.now < end:
            self.cluster.run(self._random.expovariate(self._rate / 3600))
            self.keep_the_promises()
            self._something_happens(self._random.randrange(len(self.cluster.nodes)))
            if self._random.random() < 0.1:
                self.mend()
        self.mend()

    def _something_happens(self, number: int) -> None:
        random = self._random
        fates: list[Callable[[], None]] = [
            lambda: self.kill(number),
            lambda: self.power_off(number),
            lambda: self.restart(number),
            lambda: self.freeze(number),
            lambda: self.thaw(number),
            lambda: self.pull_or_plug(number),
            lambda: self.cut(number, random.randrange(len(self.cluster.nodes))),
            lambda: self.part(number),
            self.heal,
            lambda: self.demote(number, random.choice(DEMOTIONS)),
            lambda: self.demote(number, random.choice(DEMOTIONS)),
            lambda: self.resign(number, random.uniform(1, 30)),
            lambda: self.step_down(number),
            lambda: self.shut_down(number),
            lambda: self.reconfigure(number, random.choice(self._skews)),
            lambda: self.fail_or_recover(number, sends=random.random() < 0.5),
        ]
        random.choice(fates)()
