"""Everything that may befall a group. After each thing the promises are looked at; ``mend`` puts everything right, and
then the group must come to rest.

A fate that cannot be (a dead node is not frozen) does nothing, so any part of a story is a story.
"""

import math
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

from sidecar.carp.config import Family
from tests.sim import invariants as keeps
from tests.sim.arithmetic import interval
from tests.sim.node import Node
from tests.sim.watch import Watch

PEACE = 12.0


class Fates(Watch):
    """One group, and everything that may happen to it, while the promises are watched."""

    def node(self, number: int) -> Node:
        return self.cluster.nodes[number % len(self.cluster.nodes)]

    def befall(self, fate: str, *arguments: Any) -> None:
        """Look at the promises, then let something happen."""
        self.keep_the_promises()
        self._touched_at = self.cluster.now
        self._left_at = None
        getattr(self, fate)(*arguments)

    def wait(self) -> None:
        """Nothing, so that the promises are looked at."""

    # -- everything is put right

    def mend(self) -> None:
        """Put everything right, and see the group come to rest with its fittest member as master."""
        cluster = self.cluster
        cluster.happens("mend")
        self.heal()
        cluster.network.mirror = False
        for node in cluster.nodes:
            self._mend_node(node)
        cluster.run(0.01)  # who was frozen while it handed over lets go, and starts to rest
        cluster.run(max([0.0, *(node.resting_until - cluster.now for node in cluster.nodes)]))
        cluster.run(PEACE * max(1, self.group.advbase))
        self._touched_at = cluster.now - PEACE * max(1, self.group.advbase)
        self.keep_the_promises()
        if not self.group.weather.loss:
            self._rest()

    def _mend_node(self, node: Node) -> None:
        cluster = self.cluster
        if node.sends_fail or node.holds_fail:
            cluster.happens(f"works again: {node}", node)
        node.sends_fail = node.holds_fail = False
        if node.frozen:
            cluster.thaw(node.number)
        if not node.link_up or not node.alive or node.stopped or node.found:
            cluster.set_link(node.number, False)
            cluster.set_link(node.number, True)
        if not node.alive or node.stopped:
            cluster.start(node.number)

    def _rest(self) -> None:
        cluster, slowness = self.cluster, max(1, self.group.advbase)
        if len(cluster.masters) != 1 or not cluster.owners:
            # equals met for the first time; or a demoted master asked just now whether anybody is fit
            cluster.run(PEACE * slowness)
        preempts = self.group.preempt and self.only_ours
        (keeps.the_master_is_the_fittest if preempts else keeps.one_is_master)(cluster)
        if not any(node.causes.get(cause, 0) for node in cluster.nodes for cause in ("ntp", "maintenance")):
            keeps.nothing_moves(cluster, 100.0)

    # -- processes and machines

    def kill(self, number: int) -> None:
        node = self.node(number)
        (self.cluster.power_off if node.is_bsd else self.cluster.kill)(node.number)

    def power_off(self, number: int) -> None:
        self.cluster.power_off(self.node(number).number)

    def restart(self, number: int) -> None:
        self.cluster.start(self.node(number).number)

    def storm(self, times: int) -> None:
        """All are started at once, again and again."""
        for _ in range(times):
            self.cluster.start()
            self.cluster.run(0.3)

    def freeze(self, number: int) -> None:
        node = self.node(number)
        if node.alive and not node.frozen and not node.is_bsd:
            self.cluster.freeze(node.number)

    def thaw(self, number: int) -> None:
        if self.node(number).frozen:
            self.cluster.thaw(self.node(number).number)

    def stall(self, number: int, seconds: float) -> None:
        """A loop that is blocked, a machine that pauses."""
        self.freeze(number)
        self.cluster.run(seconds)
        self.thaw(number)

    def set_clock(self, number: int, seconds: float) -> None:
        self._clock_set_at = self.cluster.now
        self.cluster.step_the_clock(self.node(number).number, seconds)

    def fail_or_recover(self, number: int, what: str) -> None:
        """Sending (``sends``), or owning addresses (``holds``), fails from now on, or works again."""
        node = self.node(number)
        if node.is_bsd:
            return
        self.cluster.happens(f"fail_or_recover({node.number}, {what})", node)
        setattr(node, f"{what}_fail", not getattr(node, f"{what}_fail"))

    # -- the network

    def pull_or_plug(self, number: int) -> None:
        self.cluster.set_link(self.node(number).number, not self.node(number).link_up)

    def cut(self, number: int, other: int, family: int = 0) -> None:
        """One way, of one family or of both."""
        if self.node(number) is not self.node(other):
            self._whole_since = math.inf
            families = [Family(family)] if family else list(Family)
            self.cluster.cut(self.node(number).number, self.node(other).number, families)

    def part(self, mask: int) -> None:
        """The nodes of the mask on one side, the others on the other."""
        numbers = range(len(self.cluster.nodes))
        self._whole_since = math.inf
        here = [number for number in numbers if mask >> number & 1]
        self.cluster.partition(here, [number for number in numbers if number not in here])

    def heal(self) -> None:
        if self.cluster.network.deaf:
            self.cluster.heal()
            if self.cluster.network.loses_nothing:
                slowest = max(interval(node) for node in self.cluster.nodes)
                self._whole_since = self.cluster.now + slowest + 1.0

    def reflect(self, on: int) -> None:
        """The network sends everything back to its sender; FreeBSD yields to itself then."""
        if self.group.secret and self.only_ours:
            self.cluster.network.mirror = bool(on)

    # -- the attacker

    def attack(self, seconds: float, times: int) -> None:
        """He plays in the next seconds, while the story goes on. What a key signed that is gone now is refused."""
        if self.adversary is not None and self.only_ours:
            self._strangers = True
            self.adversary.play_for(seconds, times)

    # -- NTP and operators

    def demote(self, number: int, amount: int) -> None:
        self.cluster.demote(self.node(number).number, "ntp", amount)

    def maintain(self, number: int, on: int) -> None:
        """As the daemon does it: demote, and step down."""
        self._expect_no_gap(self.node(number))
        self.cluster.demote(self.node(number).number, "maintenance", 240 * on)
        if on:
            self.step_down(number)

    def resign(self, number: int, seconds: float) -> None:
        if not self.node(number).is_bsd:
            self._expect_no_gap(self.node(number))
            self.cluster.resign(self.node(number).number, seconds)

    def step_down(self, number: int) -> None:
        if not self.node(number).is_bsd:
            self._expect_no_gap(self.node(number))
            self.cluster.step_down(self.node(number).number)

    def shut_down(self, number: int) -> None:
        node = self.node(number)
        if not node.takes_part:
            return
        was_master, said = node.number in self.cluster.masters, node.bow_outs
        can_say = not node.sends_fail and not node.is_bsd
        self._expect_no_gap(node)
        self.cluster.shut_down(node.number)
        self.cluster.run(1.5)
        node.bow_outs -= said
        if can_say:
            keeps.a_shutdown_says_goodbye_once(node, was_master)

    def _expect_no_gap(self, node: Node) -> None:
        """Nobody may notice that this one leaves when another can take over."""
        cluster = self.cluster
        others = [one for one in keeps.sound(cluster.nodes, cluster.now) if one is not node]
        if any(one.takes_part and not one.is_sound for one in cluster.nodes):
            return  # it might answer first, and fail
        whole = cluster.now > self._whole_since
        if whole and node.is_sound and not node.is_bsd and cluster.masters == [node.number] == cluster.owners:
            settled_at = cluster.now - 2 * max(map(interval, cluster.nodes)) - 1.0
            settled = node.since < settled_at and any(one.since < settled_at for one in others)
            self._left_at = cluster.now if settled and self._left_at is None else self._left_at

    def set_advskew(self, number: int, advskew: int) -> None:
        self._reconfigure(self.node(number), advskew=advskew)

    def set_preempt(self, number: int, on: int) -> None:
        """Of all, one after the other: where some preempt and some do not, the fittest need not serve."""
        for node in self.cluster.nodes:
            self._reconfigure(node, preempt=bool(on))
        self.group = replace(self.group, preempt=bool(on))

    def set_advbase(self, advbase: int, gap: float) -> None:
        """Of all, one after the other."""
        for node in self.cluster.nodes:
            self._reconfigure(node, advbase=advbase)
            self.cluster.run(gap)
        self.group = replace(self.group, advbase=advbase)

    def _reconfigure(self, node: Node, **changes: Any) -> None:
        if not node.is_bsd:
            self.cluster.reconfigure(node.number, replace(node.config, **changes))

    def renumber(self, last: int, gap: float) -> None:
        """Another list of addresses everywhere: until the last node has it, they do not understand each other."""
        if not self.only_ours or any(node.frozen for node in self.cluster.nodes):
            return
        self._strangers = True
        for node in self.cluster.nodes:
            kept = [address for address in node.config.addresses if address.version == 6]
            self._reconfigure(node, addresses=(IPv4Address(f"10.9.0.{last}"), *kept))
            self.cluster.run(gap)
        slowest = max(interval(node) for node in self.cluster.nodes)
        self._whole_since = max(self._whole_since, self.cluster.now + slowest + 1.0)

    # -- keys

    def rotate(self, number: int) -> None:
        """One step of one node: append the new key, move it first, drop the old one; nobody is two steps ahead."""
        node = self.node(number)
        if (
            not self.group.secret
            or not self.only_ours
            or self._stages[node.number] > min(self._stages)
            or self._asleep()
        ):
            return
        stage = self._stages[node.number] = self._stages[node.number] + 1
        old, new = self._secret(stage // 3), self._secret(stage // 3 + 1)
        self.cluster.rekey(node.number, *((old,), (old, new), (new, old))[stage % 3])

    def _asleep(self) -> bool:
        return any(node.frozen for node in self.cluster.nodes)
