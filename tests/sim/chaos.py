"""A group to which random things happen, all of them from one seed: after each of them the promises are checked, and
in the end everything is mended and the group must come to rest.

Replay a failure with ``Chaos(seed, ...).run(days)``; the seed is in the message.
"""

from collections.abc import Sequence
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


class Chaos:
    """One group and its fate. ``rate``: happenings a virtual hour."""

    def __init__(
        self, seed: int, *members: Config, loss: float = 0.0, rate: float = 60.0, skews: Sequence[int] = range(100)
    ) -> None:
        """``skews``: what advskew may be changed to."""
        self._random = Random(seed)
        self._rate = rate
        self._skews = skews
        self._preempt = all(member.preempt for member in members)
        self.cluster = Cluster(members, seed=seed, loss=loss)
        self._whole_since = 0.0
        self.cluster.start()
        self._fates = (
            self.kill, self.power_off, self.restart, self.freeze, self.thaw, self.link, self.cut, self.partition,
            self.heal, self.demote, self.demote, self.resign, self.step_down, self.shut_down, self.reconfigure,
        )  # fmt: skip

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
            self._check()
            self._random.choice(self._fates)(self._random.choice(self.cluster.nodes))
            if self._random.random() < 0.1:
                self.mend()
        self.mend()

    def _check(self) -> None:
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
            if node.frozen:
                cluster.thaw(node.number)
            if not node.link_up:
                cluster.set_link(node.number, True)
            if not node.alive or node.stopped:
                cluster.start(node.number)
        cluster.run(max([0.0, *(node.resting_until - cluster.now for node in cluster.nodes)]))
        cluster.run(30.0)
        self._check()
        self._at_rest()

    def _at_rest(self) -> None:
        cluster = self.cluster
        if cluster.loss:
            return
        if len(cluster.masters) != 1 or not cluster.owners:
            cluster.run(10.0)  # a demoted master asks once a minute whether anybody fit is there: that was just now
        (the_master_is_the_fittest if self._preempt else one_is_master)(cluster)
        if not any(node.causes.get("ntp", 0) for node in cluster.nodes):
            nothing_moves(cluster, 100.0)

    # -- what may happen to a node

    def kill(self, node: Node) -> None:
        self.cluster.kill(node.number)

    def power_off(self, node: Node) -> None:
        self.cluster.power_off(node.number)

    def restart(self, node: Node) -> None:
        self.cluster.start(node.number)

    def freeze(self, node: Node) -> None:
        if node.alive:
            self.cluster.freeze(node.number)

    def thaw(self, node: Node) -> None:
        if node.frozen:
            self.cluster.thaw(node.number)

    def link(self, node: Node) -> None:
        self.cluster.set_link(node.number, not node.link_up)

    def cut(self, node: Node) -> None:
        other = self._random.choice(self.cluster.nodes)
        if other is not node:
            self.cluster.cut(node.number, other.number)

    def partition(self, node: Node) -> None:
        others = [other.number for other in self.cluster.nodes if other is not node]
        self.cluster.partition([node.number], others)

    def heal(self, _: Node | None = None) -> None:
        self.cluster.heal()
        self._whole_since = self.cluster.now + 1.0

    def demote(self, node: Node) -> None:
        self.cluster.demote(node.number, "ntp", self._random.choice(DEMOTIONS))

    def resign(self, node: Node) -> None:
        self.cluster.resign(node.number, self._random.uniform(1, 30))

    def step_down(self, node: Node) -> None:
        self.cluster.step_down(node.number)

    def shut_down(self, node: Node) -> None:
        if node.takes_part:
            was_master = node.number in self.cluster.masters
            said = node.bow_outs
            self.cluster.shut_down(node.number)
            self.cluster.run(1.5)
            node.bow_outs -= said
            if node.alive:
                a_shutdown_says_goodbye_once(node, was_master)

    def reconfigure(self, node: Node) -> None:
        self.cluster.reconfigure(node.number, replace(node.config, advskew=self._random.choice(self._skews)))
