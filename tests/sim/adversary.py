"""Who records everything that is said, plays it again to anybody, as it was or altered, and has no key."""

from random import Random

from sidecar.carp.packet import decode, encode
from sidecar.carp.receive import Datagram
from tests.sim.cluster import Cluster
from tests.sim.node import Node
from tests.sim.wire import Message

HEADERS = ((0, 1), (1, 0), (1, 254), (255, 255), (254, 254))
STRANGER = bytes((10, 0, 0, 200))
_TAPE = 5000
"""Recordings that he keeps; beyond, one of the older half makes room."""


class Adversary:
    """``tape`` is what was on the wire; ``played`` counts. His own chance: with him the story is drawn as without."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self._cluster = cluster
        self._random = Random(seed)
        self.tape: list[Datagram] = []
        self.played = 0
        cluster.taps.append(self._record)

    def _record(self, _sender: Node, message: Message) -> None:
        assert isinstance(message, Datagram)
        self.tape.append(message)
        if len(self.tape) > _TAPE:
            del self.tape[self._random.randrange(_TAPE // 2)]

    def play_for(self, seconds: float, times: int) -> None:
        """So many recordings at any moments of the next seconds, whatever else happens then."""
        for _ in range(times):
            at = self._cluster.now + self._random.uniform(0, seconds)
            self._cluster.push(at, lambda *_: self.play(), self._cluster.nodes[0])

    def play(self) -> None:
        """One recording, to everybody who is awake: the last ones more often than the first."""
        if not self.tape:
            return
        message = self._altered()
        self.played += 1
        for node in self._cluster.nodes:
            if node.alive and not node.frozen and node.link_up:
                self._cluster.hear(node, message)

    def _altered(self) -> Datagram:
        """A recording under any header, counter and source; one in ten is made up."""
        random = self._random
        recorded = random.choice(self.tape[-5:] if random.random() < 0.5 else self.tape)
        if random.random() < 0.5:
            advbase, advskew = random.choice(HEADERS)
            ad = decode(recorded.payload)._replace(advbase=advbase, advskew=advskew)
            if random.random() < 0.2:
                ad = ad._replace(counter=random.getrandbits(64), digest=random.randbytes(20))
            recorded = recorded._replace(payload=encode(ad))
        if random.random() < 0.7:
            source = random.choice([STRANGER, *(one.source for one in self.tape[-20:])])
            recorded = recorded._replace(source=source)
        return recorded
