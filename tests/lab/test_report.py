"""The verdict of a demonstration, on made-up facts: each promise, when broken, is called so, and nothing else is."""

import dataclasses
import struct
from collections.abc import Callable

import pytest

from sidecar.lab.adverts import Advert, adverts
from sidecar.lab.capture import Frame
from sidecar.lab.outcomes import Outcomes
from sidecar.lab.owners import Change, overlap
from sidecar.lab.plan import Plan
from sidecar.lab.report import Facts, headline, judge, render

ADDRESS = "10.77.0.100"
CUT, HEALED, END = 100.0, 106.0, 115.0
TAKEOVER = 99.5 + 3 + 20 / 256
BACK = 110.0


def change(at: float, *owners: str) -> Change:
    return Change(at, ADDRESS, frozenset(owners))


def served(at: float) -> str | None:
    if at >= BACK or at < CUT:
        return "10.77.1.1"
    return "10.77.1.2" if at >= TAKEOVER + 0.01 else None


def outcomes(answer: Callable[[float], str | None] = served) -> Outcomes:
    seen = Outcomes([ADDRESS], {"10.77.1.1": "node1", "10.77.1.2": "node2", "10.77.1.3": "node3"})
    for number in range(int((END - 95) * 50)):
        at = 95 + number / 50
        by = answer(at)
        seen.feed({"q": [[number, at, 0]], "r": [[number, at + 0.001, by, 2, 0, True]] if by else [], "strangers": 0})
    seen.finish()
    return seen


def facts() -> Facts:
    """What a good demonstration looks like."""
    sent = [Advert(at, "10.77.0.1", 10, 0, 1) for at in (97.5, 98.5, 99.5)]
    sent += [Advert(TAKEOVER + n, "10.77.0.2", 10, 20, 1) for n in range(7)]
    sent += [Advert(BACK + n, "10.77.0.1", 10, 0, 1) for n in range(5)]
    changes = [change(90, "node1"), change(CUT, *()), change(TAKEOVER, "node2")]
    changes += [change(BACK, "node1", "node2"), change(BACK + 0.001, "node1")]
    names = {"10.77.0.1": "node1", "10.77.0.2": "node2", "10.77.0.3": "node3"}
    return Facts(Plan(), "node1", 90.0, CUT, HEALED, END, outcomes(), changes, sent, names)


def broken(seen: Facts) -> list[str]:
    return [finding.what.split(",")[0] for finding in judge(seen) if finding.ok is False]


def test_a_demonstration_that_kept_its_promises_is_good() -> None:
    assert broken(facts()) == []


def test_the_report_tells_who_when_how_many_and_the_formula() -> None:
    text = "\n".join(render(judge(facts()), columns=400))
    assert "node2 took over 3.078 s after the last advertisement of node1" in text
    assert "3 * 1 + 20/256 = 3.08 s" in text
    assert "all of them between the power cut and the takeover" in text
    assert "longest 2.62 s" in text
    assert "0.00 s node1, 10.00 s nobody, 12.58 s node2, 20.00 s node1; two at once for 1.0 ms in all" in text
    assert "node1 answers again 4.00 s after its power came back" in text


def test_the_headline_is_the_whole_story() -> None:
    said = headline(facts())
    assert said == (
        "node1 lost its power: 130 of 1000 queries went unanswered, the longest silence was 2.62 s, node2 took over"
    )


def test_the_report_fits_a_terminal() -> None:
    assert max(len(line) for line in render(judge(facts()), columns=80)) <= 80


def test_a_takeover_later_than_the_formula_is_broken() -> None:
    seen = facts()
    late = [dataclasses.replace(one, at=one.at + 2 * (TAKEOVER - 1 < one.at < HEALED)) for one in seen.adverts]
    assert broken(dataclasses.replace(seen, adverts=late)) == ["takeover"]


def test_a_takeover_before_the_formula_is_broken_too() -> None:
    seen = facts()
    early = [dataclasses.replace(one, at=one.at - 1 * (TAKEOVER - 1 < one.at < HEALED)) for one in seen.adverts]
    assert broken(dataclasses.replace(seen, adverts=early)) == ["takeover"]


def test_a_takeover_by_the_wrong_node_is_broken() -> None:
    seen = facts()
    wrong = [dataclasses.replace(one, source=one.source.replace("0.2", "0.3")) for one in seen.adverts]
    assert broken(dataclasses.replace(seen, adverts=wrong)) == ["takeover"]


def test_no_takeover_at_all_is_broken() -> None:
    seen = facts()
    assert "takeover" in broken(dataclasses.replace(seen, adverts=[one for one in seen.adverts if one.at < CUT]))


def test_one_query_lost_while_there_is_a_master_is_broken() -> None:
    holed = outcomes(lambda at: None if abs(at - 108) < 0.005 else served(at))
    assert broken(dataclasses.replace(facts(), outcomes=holed)) == ["NTP queries"]


def test_a_longer_silence_than_the_takeover_allows_is_broken() -> None:
    silent = outcomes(lambda at: None if CUT <= at < TAKEOVER + 2 else served(at))
    assert broken(dataclasses.replace(facts(), outcomes=silent)) == ["NTP queries", "silence"]


def test_two_owners_for_longer_than_a_handover_is_broken() -> None:
    seen = facts()
    both = [one if one.at != BACK + 0.001 else change(BACK + 1, "node1") for one in seen.changes]
    assert broken(dataclasses.replace(seen, changes=both)) == ["owners"]


def test_a_master_that_does_not_return_is_broken() -> None:
    away = outcomes(lambda at: "10.77.1.2" if at >= BACK else served(at))
    assert broken(dataclasses.replace(facts(), outcomes=away)) == ["return"]


def test_bad_time_is_broken() -> None:
    seen = facts()
    seen.outcomes.bad = 1
    assert broken(seen) == ["NTP queries"]


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ([change(1, "a"), change(2, "a", "b"), change(3, "b")], 1.0),
        ([change(1, "a"), change(2), change(3, "b")], 0.0),
        ([change(1, "a", "b")], 9.0),
        ([change(1, "a"), change(2, "a", "b"), change(3, "a", "b", "c"), change(4, "a")], 2.0),
        ([change(1, "a"), change(11, "a", "b")], 0.0),
    ],
)
def test_overlap_is_the_time_with_two_owners_until_the_end(changes: list[Change], seconds: float) -> None:
    assert overlap(changes, ADDRESS, end=10) == seconds


def test_adverts_are_told_from_other_frames() -> None:
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 56, 0, 0, 255, 112, 0, bytes([10, 77, 0, 2]), bytes([224, 0, 0, 18]))
    carp = bytes([0x21, 10, 20, 7, 0, 1, 0, 0]) + bytes(28)
    frames = [Frame(5, bytes(14) + ip + carp), Frame(6, bytes(14) + ip + carp[:20]), Frame(7, bytes(60)), Frame(8, b"")]
    (advert,) = adverts(frames)
    assert (advert.source, advert.vhid, advert.advskew, advert.advbase) == ("10.77.0.2", 10, 20, 1)


def test_crosswise_skews_give_each_address_its_own_master() -> None:
    plan = Plan(share=True)
    assert [plan.best(vhost.vhid).name for vhost in plan.vhosts] == ["node1", "node3"]
    assert [plan.best(vhost.vhid, without="node1").name for vhost in plan.vhosts] == ["node2", "node3"]


def test_ucarp_joins_as_the_last_resort() -> None:
    plan = Plan(ucarp=True)
    assert [(member.name, member.advskews) for member in plan.members if member.ucarp] == [("ucarp", (60,))]
