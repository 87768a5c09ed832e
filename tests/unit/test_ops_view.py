"""What ``/status`` and the probes say of reports: the shape is a contract, the verdicts follow from the state."""

import json
from typing import get_type_hints

import pytest

from sidecar.carp.config import Config
from sidecar.carp.effects import Reason, State
from sidecar.ops import view
from sidecar.report import Counters, VhostReport
from tests.unit.ops_reports import ADDRESSES, NOW, peer, report, status_of, transition, vhost_of

VHOST = {
    "vhid", "interface", "state", "since", "reason", "advbase", "advskew", "effective_advskew", "demotion", "addresses",
    "addresses_held", "master", "peers", "counters", "transitions",
}  # fmt: skip
NTP = {"state", "stratum", "leap", "reference_age_s", "root_distance_s", "vip_answers"}


def test_status_has_every_name_of_the_contract() -> None:
    status = status_of(report(peers=(peer(),), transitions=(transition(1, State.INIT, State.BACKUP, Reason.STARTED),)))
    assert set(status) == {"version", "node", "vhosts", "ntp", "kubernetes"}
    vhost = status["vhosts"][0]
    assert set(vhost) == VHOST | {"handing_over", "resting_s", "conflicts", "keys"}
    assert set(vhost["demotion"]) == {"total", "causes"}
    assert set(vhost["counters"]) == {"sent", "received", "dropped"}
    names = {"source", "speaker", "advbase", "advskew", "demotion", "last_heard_s", "key", "left"}
    assert set(vhost["peers"][0]) == names
    assert set(vhost["transitions"][0]) == {"at", "from", "to", "reason"}
    assert set(status["ntp"]) == NTP


@pytest.mark.parametrize("shape", [view.StatusView, view.VhostView, view.PeerView, view.TransitionView])
def test_declared_shapes_are_the_shapes_made(shape: type) -> None:
    status = status_of(report(peers=(peer(),), transitions=(transition(1, State.INIT, State.BACKUP, Reason.STARTED),)))
    vhost = status["vhosts"][0]
    made: dict[type, object] = {
        view.StatusView: status,
        view.VhostView: vhost,
        view.PeerView: vhost["peers"][0],
        view.TransitionView: vhost["transitions"][0],
    }
    found = made[shape]
    assert isinstance(found, dict)
    assert set(get_type_hints(shape)) == set(found)


def test_status_survives_json() -> None:
    status = status_of(report(State.MASTER, peers=(peer("fe80::2"),), master=peer()))
    assert json.loads(json.dumps(status)) == status


def test_since_is_wall_time_in_utc_with_milliseconds() -> None:
    assert vhost_of(since=NOW - 100.5)["since"] == "2026-11-18T11:04:59.500Z"
    assert view.iso(1_795_000_000.0456) == "2026-11-18T11:06:40.045Z"


def test_since_is_to_the_millisecond_what_the_last_transition_says() -> None:
    """It is written down a moment after the election decided, when the addresses have moved."""
    moved = transition(99.998, State.BACKUP, State.MASTER, Reason.MASTER_DOWN)
    vhost = vhost_of(State.MASTER, since=NOW - 100.001, transitions=(moved,))
    assert vhost["since"] == vhost["transitions"][-1]["at"]


def test_since_follows_a_clock_that_was_set_after_the_transition() -> None:
    before_ntp = transition(1e9, State.BACKUP, State.MASTER, Reason.MASTER_DOWN)
    assert vhost_of(State.MASTER, since=NOW - 100.5, transitions=(before_ntp,))["since"] == "2026-11-18T11:04:59.500Z"


def test_since_is_null_before_the_first_state() -> None:
    assert vhost_of(State.INIT, "not started", since=0.0)["since"] is None


def test_a_backup_names_the_master_it_hears() -> None:
    assert vhost_of(master=peer(advskew=7))["master"] == {"source": "192.0.2.2", "advbase": 1, "advskew": 7}


def test_a_master_names_itself_with_what_it_advertises() -> None:
    vhost = vhost_of(State.MASTER, master=peer(), effective_advskew=100)
    assert vhost["master"] == {"source": "self", "advbase": 1, "advskew": 100}


@pytest.mark.parametrize("state", [State.INIT, State.BACKUP])
def test_master_is_null_when_none_is_known(state: State) -> None:
    assert vhost_of(state)["master"] is None


def test_in_init_no_master_is_known_whoever_was_heard_before() -> None:
    assert vhost_of(State.INIT, master=peer())["master"] is None


def test_peers_come_latest_first_with_their_age_and_the_number_of_their_key() -> None:
    peers = vhost_of(peers=(peer("192.0.2.3", 9.0, left=True), peer(heard=0.1234, key=2, demote=5)))["peers"]
    assert [(one["source"], one["last_heard_s"], one["key"], one["demotion"], one["left"]) for one in peers] == [
        ("192.0.2.2", 0.123, "2", 5, False),
        ("192.0.2.3", 9.0, "1", 0, True),
    ]


def test_a_reason_carries_its_detail() -> None:
    moved = transition(2.5, State.BACKUP, State.MASTER, Reason.MASTER_DOWN, "nothing heard for 3.1 s")
    shown = vhost_of(transitions=(moved,))["transitions"][0]
    assert (shown["from"], shown["to"], shown["reason"]) == ("BACKUP", "MASTER", "master_down: nothing heard for 3.1 s")
    assert shown["at"] == "2026-11-18T11:06:37.500Z"


def test_counters_are_a_copy() -> None:
    counters = Counters(3, 4, {"badauth": 2})
    shown = vhost_of(counters=counters)["counters"]
    counters.drop("badauth")
    assert shown == {"sent": 3, "received": 4, "dropped": {"badauth": 2}}


@pytest.mark.parametrize(
    ("held", "all_of_them"), [(ADDRESSES, True), (ADDRESSES[::-1], True), (ADDRESSES[:1], False), ((), False)]
)
def test_addresses_are_held_when_the_kernel_holds_all(held: tuple[object, ...], all_of_them: bool) -> None:
    assert vhost_of(State.MASTER, addresses_held=held)["addresses_held"] is all_of_them


def test_addresses_left_behind_on_a_backup_are_not_hidden() -> None:
    assert vhost_of(State.BACKUP, addresses_held=ADDRESSES)["addresses_held"] is True


def test_a_rest_counts_down() -> None:
    assert vhost_of(resting_until=NOW + 12.5)["resting_s"] == 12.5
    assert vhost_of(resting_until=NOW - 1)["resting_s"] == 0.0
    assert vhost_of()["resting_s"] is None


def test_ntp_is_off_when_nothing_is_watched() -> None:
    assert status_of(report())["ntp"] == dict.fromkeys(NTP, None) | {"state": "off"}


@pytest.mark.parametrize(
    ("state", "reason", "role"),
    [
        (State.MASTER, "master_down: silence", "master"),
        (State.BACKUP, "addresses_failed: EPERM", "backup"),
        (State.INIT, "not started", "init"),
        (State.INIT, "shutdown", "init"),
        (State.INIT, "carpdev_down: no carrier", "fault"),
        (State.INIT, "carpdev_down", "fault"),
        (State.INIT, "addresses_failed: EPERM", "fault"),
    ],
)
def test_role_is_the_state_and_init_by_failure_is_a_fault(state: State, reason: str, role: str) -> None:
    assert view.role_of(report(state, reason)) == role


MASTER, BACKUP, INIT = report(State.MASTER), report(State.BACKUP), report(State.INIT, "carpdev_down: no carrier")


@pytest.mark.parametrize(
    ("mode", "reports", "ready"),
    [
        ("role", [MASTER], True),
        ("role", [BACKUP], False),
        ("role", [BACKUP, MASTER], True),
        ("role", [], False),
        ("role", [report(State.MASTER, demotion=240)], True),
        ("health", [BACKUP], True),
        ("health", [report(demotion=239)], True),
        ("health", [report(demotion=240)], False),
        ("health", [report(demotion=280, causes={"ntp": 160, "drain": 120})], True),
        ("health", [report(demotion=360, causes={"ntp": 240, "drain": 120})], False),
        ("health", [MASTER, INIT], False),
        ("health", [], False),
    ],
)
def test_ready_by_role_is_master_and_by_health_is_a_healthy_member(
    mode: str, reports: list[VhostReport], ready: bool
) -> None:
    assert view.readiness(mode, reports).ok is ready


def test_readiness_says_why_not() -> None:
    assert view.readiness("health", [INIT]).text == "vhid 10 takes no part: carpdev_down: no carrier"
    assert view.readiness("role", [BACKUP]).text == "vhid 10 is backup"


@pytest.mark.parametrize(
    ("deadline", "alive"),
    [(None, True), (NOW + 3, True), (NOW - 0.9, True), (NOW - 1.1, True), (NOW - 3.1, True), (NOW - 3.3, False)],
)
def test_alive_while_no_deadline_is_overdue_by_three_intervals(deadline: float | None, alive: bool) -> None:
    assert view.liveness([report()], [deadline], NOW).ok is alive  # advbase 1, advskew 20: 3.23 s


def test_a_fast_group_is_given_a_second() -> None:
    fast = report(config=Config(10, ADDRESSES, advbase=0, advskew=10))
    assert view.liveness([fast], [NOW - 0.9], NOW).ok
    late = view.liveness([report(), fast], [NOW + 1, NOW - 1.1], NOW)
    assert (late.ok, late.text) == (False, "vhid 10: a deadline is overdue by 1.100 s")


@pytest.mark.parametrize(("reports", "ready"), [([BACKUP], True), ([INIT], False)])
def test_who_is_not_settled_is_ready_as_a_healthy_member(reports: list[VhostReport], ready: bool) -> None:
    assert view.readiness("role", reports, settled=False).ok is ready
    assert not view.readiness("role", reports, settled=True).ok
