"""The promises, looked at while a story goes on: what they allow now follows from what has befallen the group."""

import math

from sidecar.carp.receive import DropReason
from tests.sim import invariants as keeps
from tests.sim.adversary import Adversary
from tests.sim.arithmetic import interval
from tests.sim.cluster import Cluster
from tests.sim.invariants import Circumstances
from tests.sim.script import Group
from tests.sim.wire import Real

MEMORY = 200.0
"""Seconds of ownership that are looked at again: more than any promise takes."""
CLOCKS = 4.0
"""Seconds that two wall clocks differ by at most (``draw.CLOCKS``)."""
STALE = 5.25
"""Seconds, by its own clock, after which a recording is new to nobody, and ticks that a sender draws (decision 9)."""
PACE = 0.75
"""How fast that clock is carried on."""


class Watch:
    """One group, and the promises that hold whatever happens to it."""

    def __init__(self, group: Group, *, seed: int = 0) -> None:
        self.group = group
        self.cluster = Cluster(
            group.configs(), seed=seed, weather=group.weather, build=group.builders(), late=group.late
        )
        if group.secret:
            self.cluster.strict = group.strict
            self.cluster.put_on_a_real_wire(self._secret(0))
        self.adversary = Adversary(self.cluster, seed) if group.attacker and group.secret else None
        self.only_ours = not group.builders()
        self._whole_since = 0.0 if self.cluster.network.loses_nothing else math.inf
        self._touched_at = 0.0
        self._clock_set_at = -math.inf
        self._horizon = 0.0
        self._left_at: float | None = None
        self._stages = [0] * len(group.members)
        self._strangers = False
        self.cluster.start()

    @staticmethod
    def _secret(number: int) -> bytes:
        return f"passphrase {number}".encode()

    @property
    def known(self) -> Circumstances:
        group = self.group
        late = group.late + 4 * group.weather.delay[1] + 0.001
        if group.secret and not group.weather.is_fair:
            # words that cross or overtake each other are refused as older than what was heard: the next ones count
            late += 1.5 * max(map(interval, self.cluster.nodes))
        whole = max(self._whole_since, self._horizon)
        nodes = self.cluster.nodes
        now = self.cluster.now  # a rest ends in the second before `resting_until`, which is on the safe side
        rests = max((min(node.resting_until, now) for node in nodes if node.resting_until - 1.0 <= now), default=0.0)
        still = max(self._touched_at, rests, *(node.disturbed_at for node in nodes))
        return Circumstances(whole, still, late, self._recorded() if self.adversary else 0.0)

    def _recorded(self) -> float:
        """How old (s) a recording may be that is new to somebody: clocks that differ make it seem younger."""
        offsets = [node.wall_offset for node in self.cluster.nodes]
        lately = self.cluster.now - self._clock_set_at < MEMORY
        return (STALE + (CLOCKS if lately else max(offsets) - min(offsets))) / PACE

    def keep_the_promises(self) -> None:
        """What is promised at every moment; what ended long ago has been looked at."""
        cluster, known = self.cluster, self.known
        for node in keeps.sound(cluster.nodes, cluster.now):
            keeps.who_hears_nobody_takes_over(node, cluster, known)
            keeps.a_master_speaks_on_time(node, cluster, known)
        for node in cluster.nodes:
            keeps.a_stopped_node_owns_nothing(node, cluster.now)
        self._keep_what_a_whole_network_promises(known)
        if self._left_at is not None:
            keeps.a_hand_over_loses_nothing(cluster, self._left_at)
        if self.group.secret and not self._strangers:
            keeps.nobody_is_refused(cluster.nodes)
        self._forget()

    def _keep_what_a_whole_network_promises(self, known: Circumstances) -> None:
        keeps.two_owners_agree(self.cluster, known)
        if math.isinf(known.whole_since):
            return
        keeps.somebody_owns(self.cluster, known)
        if self.only_ours:
            keeps.few_changes_for_a_cause(self.cluster, known)
        if not any(node.found for node in self.cluster.nodes):
            keeps.a_group_in_peace_is_at_rest(self.cluster, known, preempts=self.group.preempt and self.only_ours)

    def _forget(self) -> None:
        self._horizon = self.cluster.now - MEMORY
        for node in self.cluster.nodes:
            node.kernel.forget(self._horizon)
        del self.cluster.journal[:-300], self.cluster.happenings[:-300]

    def drops(self) -> dict[DropReason, int]:
        """What was not believed, by reason, of the lives that go on."""
        found: dict[DropReason, int] = {}
        for wire in (node.wire for node in self.cluster.nodes):
            for reason, count in wire.drops.items() if isinstance(wire, Real) else ():
                found[reason] = found.get(reason, 0) + count
        return found
