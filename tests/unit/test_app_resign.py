"""What is said of a hand-over: who took over, if anybody did."""

from sidecar.app.surface import outcome_of
from sidecar.carp.effects import State
from tests.unit.ops_reports import NOW, peer, report

SINCE = NOW - 0.2


def successor(state: State, heard: float | None) -> object:
    """Told of a node whose state began 0.2 s ago and whose last known master was heard so many seconds ago."""
    master = None if heard is None else peer(heard=heard)
    return outcome_of(report(state, "resigned: for 5 s", since=SINCE, master=master))["successor"]


def test_the_successor_is_who_spoke_as_it_let_go_or_later() -> None:
    assert successor(State.BACKUP, NOW - SINCE) == "192.0.2.2"
    assert successor(State.BACKUP, 0.05) == "192.0.2.2"


def test_a_master_of_earlier_days_is_no_successor() -> None:
    assert successor(State.BACKUP, 30.0) is None
    assert successor(State.BACKUP, None) is None


def test_a_node_that_is_still_master_has_none() -> None:
    assert successor(State.MASTER, 0.05) is None


def test_all_of_it() -> None:
    told = outcome_of(report(State.BACKUP, "resigned: for 5 s, to 192.0.2.2", since=SINCE, master=peer(heard=0.0)))
    reason = "resigned: for 5 s, to 192.0.2.2"
    assert told == {"vhid": 10, "state": "BACKUP", "successor": "192.0.2.2", "reason": reason}
