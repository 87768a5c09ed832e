"""What people read of a status: who is master and whether there is only one, why, and how the time is."""

import pytest

from sidecar.carp.effects import Reason, State
from sidecar.ops import text, words
from tests.unit.ops_reports import NOW, WALL, peer, report, status_of, transition, vhost_of

Level = words.Level


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0, "0 ms"),
        (0.000023, "23 us"),
        (0.0123, "12 ms"),
        (1.0, "1.0 s"),
        (12.4, "12 s"),
        (59.96, "1 min"),
        (60, "1 min"),
        (125, "2 min 5 s"),
        (3600, "1 h"),
        (9000, "2 h 30 min"),
        (90000, "1 d 1 h"),
    ],
)
def test_a_span_has_two_units_at_most(seconds: float, said: str) -> None:
    assert words.span(seconds) == said


def test_a_lone_master_is_good_news() -> None:
    said = words.verdict(vhost_of(State.MASTER, peers=(peer(heard=200),)), WALL)
    assert said == (Level.GOOD, "this node is the only master heard")


def test_a_second_voice_during_our_reign_is_an_alarm() -> None:
    said = words.verdict(vhost_of(State.MASTER, peers=(peer(heard=0.4),)), WALL)
    assert said.level is Level.BAD
    assert said.text.startswith("more than one master: this node and 192.0.2.2 (heard 400 ms ago)")


@pytest.mark.parametrize(
    ("since", "heard", "left"),
    [
        (0.3, 0.4, False),  # its last word before we took over
        (1.1, 0.2, False),  # perhaps on its way when we took over
        (100, 0.4, True),  # a bow-out
        (100, 3.5, False),  # silent for more than three of its intervals
    ],
)
def test_a_voice_that_went_silent_is_no_second_master(since: float, heard: float, left: bool) -> None:
    vhost = vhost_of(State.MASTER, since=NOW - since, peers=(peer(heard=heard, left=left),))
    assert words.rivals(vhost, WALL) == []


def test_no_alarm_while_handing_over() -> None:
    vhost = vhost_of(State.MASTER, peers=(peer(),), handing_over=True)
    assert words.verdict(vhost, WALL) == (Level.WARN, "this node bowed out and answers until another takes over")


def test_a_master_without_its_address_is_an_alarm() -> None:
    assert words.verdict(vhost_of(State.MASTER, addresses_held=()), WALL).level is Level.BAD


def test_a_backup_says_who_is_master() -> None:
    said = words.verdict(vhost_of(master=peer(), peers=(peer(),)), WALL)
    assert said == (Level.GOOD, "192.0.2.2 is master, heard 400 ms ago")


def test_a_backup_notices_silence() -> None:
    said = words.verdict(vhost_of(master=peer(heard=1.6), peers=(peer(heard=1.6),)), WALL)
    assert said == (Level.WARN, "the master 192.0.2.2 has been silent for 1.6 s")


def test_a_backup_that_hears_nobody_says_so_and_why_it_waits() -> None:
    said = words.verdict(vhost_of(resting_until=NOW + 20), WALL)
    assert said == (Level.WARN, "no master is heard; this node resigned and takes no part for another 20 s")


def test_init_says_what_is_missing() -> None:
    said = words.verdict(vhost_of(State.INIT, "carpdev_down: no carrier"), WALL)
    assert said == (Level.BAD, "takes no part: carpdev_down: no carrier")


def test_causes_of_demotion_come_largest_first() -> None:
    vhost = vhost_of(demotion=320, causes={"ntp": 80, "maintenance": 240})
    assert words.demotion_text(vhost) == "320 (maintenance 240, ntp 80)"


@pytest.mark.parametrize(
    ("ntp", "level", "said"),
    [
        (None, Level.GOOD, "not watched"),
        (
            {"state": "ok", "stratum": 2, "leap": 0, "reference_age_s": 33.0, "root_distance_s": 0.0021},
            Level.GOOD,
            "ok, stratum 2, leap 0, reference age 33 s, root distance 2 ms",
        ),
        ({"state": "holdover", "vip_answers": True}, Level.WARN, "holdover, the address answers"),
        ({"state": "dead"}, Level.BAD, "dead"),
        ({"state": "ok", "vip_answers": False}, Level.BAD, "ok, THE ADDRESS DOES NOT ANSWER"),
    ],
)
def test_ntp_in_a_line(ntp: dict[str, object] | None, level: words.Level, said: str) -> None:
    assert words.ntp_verdict(status_of(report(), ntp=ntp)) == (level, said)


def test_status_text_answers_why_and_who_at_a_glance() -> None:
    moved = transition(100, State.BACKUP, State.MASTER, Reason.MASTER_DOWN, "nothing heard for 3.080 s")
    vhost = report(
        State.MASTER, "master_down: nothing heard for 3.080 s", transitions=(moved,), peers=(peer(heard=103),)
    )
    shown = text.render(status_of(vhost, ntp={"state": "ok", "stratum": 1}), WALL)
    assert shown.splitlines() == [
        "node-a: carp-sidecar 1.2.3",
        "",
        "vhid 10 on eth0: MASTER for 1 min 40 s, since 2026-11-18T11:05:00.000Z",
        "  one master?  ok: this node is the only master heard",
        "  why          master_down: nothing heard for 3.080 s",
        "  addresses    192.0.2.10, 2001:db8::10 (held by this node)",
        "  master       this node (advbase 1, advskew 20)",
        "  this node    advbase 1, advskew 20",
        "  demotion     0",
        "  peers heard  192.0.2.2  bsd, advbase 1, advskew 0, heard 1 min 43 s ago, key 1",
        "  adverts      sent 0, believed 0, dropped 0",
        "  moves        2026-11-18T11:05:00.000Z  BACKUP -> MASTER  master_down: nothing heard for 3.080 s",
        "",
        "  ntp          ok, stratum 1",
    ]


def test_the_latest_move_stands_first_and_only_the_last_five_are_shown() -> None:
    moves = tuple(transition(ago, State.BACKUP, State.MASTER, Reason.PREEMPT, f"no. {ago}") for ago in range(9, 0, -1))
    shown = text.render(status_of(report(transitions=moves)), WALL)
    assert [line.split("no. ")[1] for line in shown.splitlines() if "no. " in line] == ["1", "2", "3", "4", "5"]


def test_the_summary_does_not_change_by_itself() -> None:
    early = list(text.summary(status_of(report(master=peer(), peers=(peer(heard=0.1),))), WALL))
    later = list(text.summary(status_of(report(master=peer(), peers=(peer(heard=0.9),))), WALL + 0.8))
    assert early == later == [
        "vhid 10 BACKUP (started); master 192.0.2.2 (advbase 1, advskew 0); demotion 0; ntp off"
    ]  # fmt: skip


def test_a_lost_upstream_is_marked_in_the_text() -> None:
    assert text.render(status_of(report(), ntp={"state": "stale"}), WALL).endswith("  ntp          WARNING: stale")


def test_of_kubernetes_only_what_is_known_is_said() -> None:
    status = status_of(report())
    assert words.kubernetes_texts(status) == {}
    facts = {
        "enabled": True,
        "role": "master",
        "settled": False,
        "lag_s": 0.25,
        "last_error": None,
        "other_masters": [],
    }
    status["kubernetes"] = {**facts, "maintenance": ["node", "pod"], "errors": 0}
    assert words.kubernetes_texts(status) == {
        "role": "master",
        "settled": "no",
        "lag": "250 ms",
        "maintenance": "node and pod",
        "errors": "0",
    }
