"""Whose dialect is another one, by what real kernels, real ucarp and our own members say."""

import logging

import pytest

from sidecar.app.dialect import DialectWatch
from sidecar.carp.config import Dialect
from sidecar.carp.impersonation import MarkedSources
from sidecar.carp.packet import decode
from sidecar.carp.receive import Datagram
from tests.golden.recorded import SPEAKERS, captured

COUNTING = [
    (name, speaker.vhid)
    for name, speakers in SPEAKERS.items()
    for speaker in speakers
    if not name.startswith("o") and speaker.frames > 3
]
COOKIES = [(name, speaker.vhid) for name, speakers in SPEAKERS.items() for speaker in speakers if name[0] == "o"]


def said(name: str, vhid: int) -> list[Datagram]:
    """What one virtual host says in a capture."""
    return [one for one in captured(name) if decode(one.payload).vhid == vhid]


def told(heard: list[Datagram], dialect: Dialect, caplog: pytest.LogCaptureFixture, *ours: bytes) -> list[str]:
    """What is logged of it, a second passing with each look at the clock. ``ours``: sources that are marked."""
    marked, moments = MarkedSources(), iter(range(100_000))
    for source in ours:
        marked.hear(source)
    watch = DialectWatch(10, marked, lambda: float(next(moments)))
    with caplog.at_level(logging.WARNING):
        for one in heard:
            watch.meet(one, dialect)
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(("name", "vhid"), COUNTING)
def test_freebsd_netbsd_and_ucarp_are_told_once_to_a_node_with_the_dialect_openbsd(
    name: str, vhid: int, caplog: pytest.LogCaptureFixture
) -> None:
    lines = told(said(name, vhid) * 2, Dialect.OPENBSD, caplog)
    assert [line for line in lines if "is no OpenBSD" in line] == lines
    assert len(lines) == 1


@pytest.mark.parametrize(("name", "vhid"), COOKIES)
def test_an_openbsd_is_none_of_them(name: str, vhid: int, caplog: pytest.LogCaptureFixture) -> None:
    assert told(said(name, vhid) * 2, Dialect.OPENBSD, caplog) == []


def test_two_openbsds_that_follow_each_other_are_none_of_them(caplog: pytest.LogCaptureFixture) -> None:
    one, other = said("o01_single", 41), said("o04_demote", 46)
    assert told([one[0], other[0], one[1], other[1]] * 3, Dialect.OPENBSD, caplog) == []


def test_members_of_ours_are_none_of_them(caplog: pytest.LogCaptureFixture) -> None:
    heard = said("f01_single", 21)
    assert told(heard, Dialect.OPENBSD, caplog, heard[0].source) == []


def test_a_demoted_openbsd_is_told_once_to_a_node_with_the_other_dialect(caplog: pytest.LogCaptureFixture) -> None:
    lines = told(said("o04_demote", 46), Dialect.FREEBSD, caplog)
    assert [line for line in lines if "demoted in OpenBSD's way" in line] == lines
    assert len(lines) == 1


def test_one_that_goes_on_is_told_once_an_hour(caplog: pytest.LogCaptureFixture) -> None:
    heard = said("f01_single", 21)
    assert len(told((heard * 1000)[:7205], Dialect.OPENBSD, caplog)) == 3


def test_nobody_is_told_by_a_node_with_his_own_dialect(caplog: pytest.LogCaptureFixture) -> None:
    heard = [one for name, vhid in COUNTING for one in said(name, vhid)]
    assert told(heard, Dialect.FREEBSD, caplog) == []
