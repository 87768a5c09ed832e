"""What an advertisement does: 3 states x 5 verdicts x preempt x dialect, as a table.

A word is the state that follows, once a better backup has had its chance to speak first.
"""

import pytest

from sidecar.carp import events as on
from sidecar.carp.config import Dialect
from sidecar.carp.effects import Reason, State
from tests.unit.carp.told import OTHER, Told, backup, master

#                   freebsd   freebsd    openbsd   openbsd
#                   no preempt  preempt  no preempt  preempt
TABLE = """
INIT    better      INIT      INIT       INIT      INIT
INIT    equal       INIT      INIT       INIT      INIT
INIT    slower      INIT      INIT       INIT      INIT
INIT    demoted     INIT      INIT       INIT      INIT
INIT    hopeless    INIT      INIT       INIT      INIT
BACKUP  better      BACKUP    BACKUP     BACKUP    BACKUP
BACKUP  equal       BACKUP    BACKUP     BACKUP    BACKUP
BACKUP  slower      BACKUP    MASTER     BACKUP    MASTER
BACKUP  demoted     BACKUP    BACKUP     MASTER    MASTER
BACKUP  hopeless    MASTER    MASTER     MASTER    MASTER
MASTER  better      BACKUP    BACKUP     BACKUP    BACKUP
MASTER  equal       BACKUP    BACKUP     BACKUP    BACKUP
MASTER  slower      MASTER    MASTER     MASTER    MASTER
MASTER  demoted     BACKUP    BACKUP     MASTER    MASTER
MASTER  hopeless    MASTER    MASTER     MASTER    MASTER
"""
# FreeBSD's dialect does not look at the demotion byte: by its advskew alone that peer is better.

SAYS = {"better": (1, 50, 0), "equal": (1, 100, 0), "slower": (1, 150, 0), "demoted": (1, 50, 1), "hopeless": (9, 0, 0)}
"""advbase, advskew, demote of a peer, heard by a node of advbase 1 and advskew 100."""
COLUMNS = [(Dialect.FREEBSD, False), (Dialect.FREEBSD, True), (Dialect.OPENBSD, False), (Dialect.OPENBSD, True)]
WHY = {"slower": Reason.PREEMPT, "demoted": Reason.PEER_DEMOTED, "hopeless": Reason.PEER_TOO_SLOW}


def rows() -> list[object]:
    return [
        pytest.param(
            State(words[0]),
            words[1],
            dialect,
            preempt,
            State(after),
            id="-".join((*words[:2], dialect, "preempt" if preempt else "no preempt", after)),
        )
        for line in TABLE.strip().splitlines()
        for words in [line.split()]
        for (dialect, preempt), after in zip(COLUMNS, words[2:], strict=True)
    ]


def test_the_table_is_whole() -> None:
    assert len(rows()) == 3 * 5 * 2 * 2


def node_in(state: State, dialect: Dialect, preempt: bool) -> Told:
    if state is State.INIT:
        return Told(dialect=dialect, preempt=preempt, up=False)
    return (master if state is State.MASTER else backup)(dialect=dialect, preempt=preempt)


@pytest.mark.parametrize(("state", "verdict", "dialect", "preempt", "after"), rows())
def test_a_row(state: State, verdict: str, dialect: Dialect, preempt: bool, after: State) -> None:
    node = node_in(state, dialect, preempt)
    advbase, advskew, demote = SAYS[verdict]
    node.hear(advskew, advbase=advbase, demote=demote, after=0.5)
    if node.election.deadline is not None:
        node.run(0.2)
    assert node.state is after
    assert (node.owned != ()) is (after is State.MASTER)
    if state is State.BACKUP and after is State.MASTER:
        assert node.why is WHY[verdict]
    if state is State.MASTER and after is State.BACKUP:
        assert node.why is (Reason.EQUAL_PEER if verdict == "equal" else Reason.BETTER_PEER)


@pytest.mark.parametrize(("dialect", "preempt"), COLUMNS)
def test_a_goodbye_makes_a_backup_master_whatever_preempt_says(dialect: Dialect, preempt: bool) -> None:
    node = backup(dialect=dialect, preempt=preempt)
    node.hear_goodbye(after=0.5)
    node.run(0.2)
    assert node.state is State.MASTER
    assert node.why is Reason.PEER_BOWED_OUT


@pytest.mark.parametrize(("dialect", "preempt"), COLUMNS)
def test_a_goodbye_means_nothing_to_a_master_or_to_init(dialect: Dialect, preempt: bool) -> None:
    for state in (State.MASTER, State.INIT):
        node = node_in(state, dialect, preempt)
        assert node.hear_goodbye(after=0.1) == ()
        assert node.state is state


@pytest.mark.parametrize("verdict", ["slower", "hopeless"])
def test_a_master_tells_a_worse_one_to_go_at_once_and_mends_what_it_announced(verdict: str) -> None:
    node = master()
    advbase, advskew, _ = SAYS[verdict]
    node.said, node.announced = [], 0
    node.hear(advskew, advbase=advbase, after=0.001)
    assert [one.advskew for one in node.said] == [100]
    assert node.announced == 1


def test_a_master_does_not_shout_at_one_that_does_not_hear() -> None:
    node = master()
    node.said = []
    for _ in range(100):
        node.hear(150, after=0.01)
    node.run_until(node.now)
    assert len(node.said) <= 5


def test_a_master_tells_a_worse_one_again_after_a_pause_for_their_words_may_have_crossed() -> None:
    """A quarter of an interval later, once, and with an announcement: the other owned the addresses until then."""
    node = master()
    node.hear(150, after=0.001)
    node.hear(200, source=OTHER, after=0.001)
    node.said, node.announced, began = [], 0, node.now
    node.wait()
    assert (len(node.said), node.announced) == (1, 1)
    assert node.now - began == pytest.approx(node.status.effective_advskew / 256 / 4 + 0.25, abs=0.002)
    node.wait()
    assert (len(node.said), node.announced) == (2, 1)
    assert node.now - began > 1.25


def test_a_master_that_owes_a_word_at_the_end_of_a_pause_has_the_next_pause_from_then_on() -> None:
    node = master()
    for _ in range(2):
        node.hear(150, after=0.001)
    node.wait()
    node.said = []
    node.hear(150, after=0.001)
    assert node.said == []


def test_an_order_of_effects_is_kept_when_a_node_becomes_master() -> None:
    """The address is owned before peers are told, since a predecessor lets go when it hears; neighbours come last."""
    kinds = [type(effect).__name__ for effect in Told().wait()]
    assert kinds == ["StateChanged", "HoldAddresses", "SendAdvertisement", "Announce"]


def test_an_order_of_effects_is_kept_when_a_master_gives_way() -> None:
    """The address goes before anything else happens."""
    assert [type(effect).__name__ for effect in master().hear(50)] == ["ReleaseAddresses", "StateChanged"]


def test_a_harmless_deadline_does_nothing() -> None:
    node = backup()
    assert node.tell(on.DeadlineReached(), after=1.0) == ()
    assert Told(up=False).tell(on.DeadlineReached()) == ()
    assert node.state is State.BACKUP
