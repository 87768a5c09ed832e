"""Drops in the log: one line a minute for each reason and source, bounded in memory, however a stranger floods."""

import pytest

from sidecar.carp.receive import DropReason
from sidecar.ops.droplog import _MEANINGS, OTHERS, DropLog, drop_logger


def test_the_first_drop_is_told_at_once() -> None:
    assert DropLog().note(10, "badauth", b"192.0.2.9", 0.0) == (b"192.0.2.9", 1)


def test_the_same_again_is_told_a_minute_later_with_the_count_since() -> None:
    drops = DropLog()
    told = [drops.note(10, "badauth", b"192.0.2.9", float(second)) for second in range(121)]
    assert [(second, line) for second, line in enumerate(told) if line] == [
        (0, (b"192.0.2.9", 1)),
        (60, (b"192.0.2.9", 60)),
        (120, (b"192.0.2.9", 60)),
    ]


@pytest.mark.parametrize(
    "other", [(11, "badauth", b"192.0.2.9"), (10, "badttl", b"192.0.2.9"), (10, "badauth", b"192.0.2.8")]
)
def test_another_vhid_reason_or_source_has_its_own_minute(other: tuple[int, str, bytes]) -> None:
    drops = DropLog()
    drops.note(10, "badauth", b"192.0.2.9", 0.0)
    assert drops.note(*other, 1.0) is not None


def test_a_flood_of_invented_sources_makes_few_lines_and_little_memory() -> None:
    drops = DropLog(limit=16)
    told = [drops.note(10, "badauth", b"source %d" % number, number / 10_000) for number in range(100_000)]
    lines = [line for line in told if line]
    assert len(lines) == 17
    assert lines[-1] == (None, 1)
    assert len(drops._sources) + len(drops._others) == 17
    later = drops.note(10, "badauth", b"source 99", 65.0)
    assert later == (b"source 99", 1)  # the first entries are old by now and make room


def test_a_known_source_keeps_its_line_during_a_flood() -> None:
    drops = DropLog(limit=4)
    drops.note(10, "badauth", b"192.0.2.2", 0.0)
    for number in range(1000):
        drops.note(10, "badauth", b"source %d" % number, 1.0)
    assert drops.note(10, "badauth", b"192.0.2.2", 60.0) == (b"192.0.2.2", 1)


def test_what_the_others_did_is_summed_up() -> None:
    drops = DropLog(limit=1)
    drops.note(10, "badauth", b"192.0.2.2", 0.0)
    assert drops.note(10, "badauth", b"a", 1.0) == (None, 1)
    assert [drops.note(10, "badauth", bytes((name,)), 2.0) for name in b"bcd"] == [None] * 3
    drops.note(10, "badauth", b"192.0.2.2", 60.5)
    assert drops.note(10, "badauth", b"e", 61.5) == (None, 4)


def test_a_line_names_vhid_source_reason_and_meaning(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    note = drop_logger(lambda: now[0])
    note(10, "badauth", bytes((192, 0, 2, 9)))
    note(10, "badauth", bytes((192, 0, 2, 9)))
    now[0] = 60.0
    note(10, "badauth", bytes((192, 0, 2, 9)))
    said = "vhid=10 dropped advertisement from 192.0.2.9: badauth (wrong digest: another passphrase, or other virtual"
    first, second = caplog.messages
    assert first.startswith(said)
    assert second.endswith(", 2 since the last line")


def test_a_line_for_many_names_none_of_them(caplog: pytest.LogCaptureFixture) -> None:
    note = drop_logger(lambda: 0.0, DropLog(limit=1))
    for last in (8, 9):
        note(10, "badauth", bytes((192, 0, 2, last)))
    assert caplog.messages[-1].startswith(f"vhid=10 dropped advertisement from {OTHERS}: badauth")


def test_every_reason_is_explained() -> None:
    assert set(DropReason) <= set(_MEANINGS)


def test_whoever_spoke_longest_ago_makes_room() -> None:
    drops = DropLog(limit=2)
    drops.note(10, "badauth", b"steady", 0.0)
    drops.note(10, "badauth", b"gone", 1.0)
    drops.note(10, "badauth", b"steady", 60.0)
    assert drops.note(10, "badauth", b"new", 61.5) == (b"new", 1)
    assert drops.note(10, "badauth", b"steady", 61.6) is None
