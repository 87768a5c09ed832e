"""A conflict looks the same in ``/status``, the command, the page and the metrics, and is the first thing said."""

from ipaddress import ip_address

from sidecar.carp.conflicts import Conflict, ConflictKind, Says, Verdict
from sidecar.carp.effects import State
from sidecar.ops import page, text, words
from sidecar.ops.metrics import Metrics, Sources
from sidecar.ops.view import ConflictView
from tests.unit.ops_reports import ADDRESSES, NOW, WALL, report, status_of, vhost_of

MAC = bytes((2, 0x77, 0, 0, 0, 0x42))
STRANGER = Conflict(ConflictKind.VIP_CONFLICT, ADDRESSES[0].packed, MAC, Says.REPLY, NOW - 8, NOW - 1.5, 4, b"", True)
DEAF = Conflict(
    ConflictKind.SPLIT_BRAIN, b"", MAC, Says.ADVERTISEMENT, NOW - 8, NOW - 1, 9, ip_address("192.0.2.2").packed, True
)


def test_status_says_who_where_since_when_and_how_it_is_known() -> None:
    (found,) = vhost_of(State.MASTER, conflicts=(STRANGER,))["conflicts"]
    assert set(found) == set(ConflictView.__annotations__)
    assert (found["kind"], found["address"], found["mac"]) == ("VipConflict", "192.0.2.10", "02:77:00:00:00:42")
    assert (found["says"], found["source"], found["count"]) == ("reply", None, 4)
    assert (found["since"], found["last_heard_s"]) == ("2026-11-18T11:06:32.000Z", 1.5)


def test_a_master_that_does_not_hear_us_has_a_source_and_no_address() -> None:
    (found,) = vhost_of(State.MASTER, conflicts=(DEAF,))["conflicts"]
    assert (found["kind"], found["address"], found["source"]) == ("SplitBrainSuspected", None, "192.0.2.2")


def test_the_first_sentence_is_bad_news_and_names_the_mac() -> None:
    said = words.verdict(vhost_of(State.MASTER, conflicts=(STRANGER, DEAF)), WALL)
    assert said.level is words.Level.BAD
    assert said.text.startswith("VipConflict: a stranger answers for 192.0.2.10")
    assert "02:77:00:00:00:42" in said.text
    assert "SplitBrainSuspected: 192.0.2.2" in said.text


def test_command_and_page_show_it() -> None:
    status = status_of(report(State.MASTER, conflicts=(STRANGER, DEAF)))
    for shown in (text.render(status, WALL), page.render(status, WALL).decode()):
        assert "VipConflict: a stranger answers for 192.0.2.10" in shown
        assert "SplitBrainSuspected: 192.0.2.2" in shown
    (line,) = text.summary(status, WALL)
    assert "VipConflict 192.0.2.10 02:77:00:00:00:42" in line
    assert "SplitBrainSuspected 192.0.2.2 02:77:00:00:00:42" in line


def test_metrics_have_a_gauge_each_and_count_every_verdict() -> None:
    reports = [report(State.MASTER, conflicts=(STRANGER,), claims={Verdict.STRANGER: 4})]
    metrics = Metrics(Sources("1", lambda: reports, lambda: None, lambda: False)).render().decode()
    assert 'carp_address_conflict{vhid="10"} 1.0' in metrics
    assert 'carp_split_brain_suspected{vhid="10"} 0.0' in metrics
    assert 'carp_address_claims_total{verdict="stranger",vhid="10"} 4.0' in metrics
    assert 'carp_address_claims_total{verdict="member",vhid="10"} 0.0' in metrics
