"""Who records everything and has no key moves nothing: with him, each story is the same as without him.

He plays twenty times a second what was ever said, under any source, to anybody, as it was or with another header.
"""

from random import Random

import pytest

from sidecar.carp.receive import DropReason
from tests.sim.adversary import Adversary
from tests.sim.cluster import Cluster, configs

LATE = 0.3 + 2.0
"""Seconds. Who begins may hear its own last words as an equal's, for it knows nothing yet, and draw lots; and what a
worse master says a moment earlier by that it does not follow yet: its next word it does."""


def story(seed: int, *, attacked: bool) -> tuple[Cluster, Adversary]:
    """Half an hour of ends, returns and hand-overs, which chance draws by the seed."""
    cluster = Cluster(configs(0, 20, 40), seed=seed)
    cluster.put_on_a_real_wire(b"secret")
    cluster.start()
    adversary = Adversary(cluster, seed)
    fates = Random(seed)
    for _ in range(60):
        until = cluster.now + fates.uniform(8.0, 40.0)
        while cluster.now < until:
            cluster.run(0.05)
            if attacked:
                adversary.play()
        number = fates.randrange(3)
        what = fates.choice(("kill", "shut_down", "resign", "demote", "recover", "nothing"))
        befall(cluster, what, number)
    cluster.run(10.0)
    return cluster, adversary


def befall(cluster: Cluster, what: str, number: int) -> None:
    """An end is followed by a return after two seconds, while the rest of the group goes on."""
    if what in {"kill", "shut_down"}:
        getattr(cluster, what)(number)
        cluster.run(2.0)
        cluster.start(number)
    elif what == "resign":
        cluster.resign(number, 5.0)
    elif what in {"demote", "recover"}:
        cluster.demote(number, "ntp", 160 if what == "demote" else 0)


@pytest.mark.parametrize("seed", range(6))
def test_with_an_attacker_a_story_is_the_same_as_without(seed: int) -> None:
    plain, _ = story(seed, attacked=False)
    attacked, adversary = story(seed, attacked=True)
    moves = [[(one.node, one.old, one.new, one.reason) for one in each.journal] for each in (attacked, plain)]
    assert moves[0] == moves[1], attacked.explain()
    late = [abs(one.at - other.at) for one, other in zip(attacked.journal, plain.journal, strict=True)]
    assert max(late) < LATE
    assert len(plain.journal) > 20
    drops = {reason for node in attacked.nodes for reason in node.real_wire.drops}
    assert drops == {DropReason.REPLAY, DropReason.TAMPERED, DropReason.OWN, DropReason.BADAUTH}
    assert adversary.played > 10_000
