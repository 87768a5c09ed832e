"""The line protocol between the two processes: everything survives the way, and nothing else gets through."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.kube.errors import WireError
from sidecar.kube.wire import LONGEST, LONGEST_TEXT, Happening, Hints, Line, Notice, Say, VhostNotice, decode, encode

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
counts = st.integers(0, 2**53)
happenings = st.builds(Happening, counts, texts, texts, texts, st.booleans())
numbers = st.floats(0, 1e6)
vhosts = st.builds(
    VhostNotice,
    st.integers(1, 255),
    texts,
    st.tuples(texts, texts),
    texts,
    texts,
    counts,
    counts,
    numbers,
    st.booleans(),
)
notices = st.builds(
    Notice, counts, st.lists(vhosts, max_size=3).map(tuple), st.booleans(), st.lists(happenings, max_size=3).map(tuple)
)
lines = st.one_of(notices, st.builds(Hints, st.lists(texts, max_size=2).map(tuple)), st.builds(Say, counts, texts))


@given(lines)
def test_what_is_written_is_read(line: Line) -> None:
    assert decode(encode(line)) == line


@given(lines)
def test_a_line_is_one_line(line: Line) -> None:
    assert encode(line).count(b"\n") == 1


@given(st.binary(max_size=200))
def test_garbage_is_a_wire_error(packet: bytes) -> None:
    with pytest.raises(WireError):
        decode(packet)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(lines, st.data())
def test_a_damaged_line_is_a_wire_error_or_a_line(line: Line, data: st.DataObject) -> None:
    found = json.loads(encode(line))
    key = data.draw(st.sampled_from(sorted(found)))
    found[key] = data.draw(json_values)
    try:
        read = decode(json.dumps(found).encode())
    except WireError:
        return
    assert encode(read)


@given(lines, st.integers(0, 300), st.integers(0, 255))
def test_a_flipped_byte_never_raises_anything_else(line: Line, at: int, byte: int) -> None:
    packet = bytearray(encode(line))
    packet[at % len(packet)] = byte
    with suppress(WireError):
        decode(bytes(packet))


@pytest.mark.parametrize(
    ("packet", "why"),
    [
        (b"x" * (LONGEST + 1), "65537 bytes"),
        (b"[" * 30000, "no JSON"),
        (b"{}", "version"),
        (b'{"v":2,"type":"say"}', "version"),
        (b'{"v":1,"type":["say"]}', "type"),
        (b'{"v":1,"type":"say","level":30}', "no text"),
        (b'{"v":1,"type":"say","level":true,"text":""}', "level is no int"),
        (b'{"v":1,"type":"say","level":1e999,"text":""}', "level is no int"),
        (b'{"v":1,"type":"hints","maintenance":"pod"}', "maintenance is no list"),
        (b'{"v":1,"type":"notice","number":1,"vhosts":[3],"healthy":true}', "vhosts is no object"),
    ],
)
def test_what_is_no_line_says_why(packet: bytes, why: str) -> None:
    with pytest.raises(WireError, match=why):
        decode(packet)


def test_a_newer_release_may_know_more_and_an_older_less() -> None:
    assert decode(b'{"v":1,"type":"hints","settled":true,"weather":"fine"}') == Hints(settled=True)


def test_long_texts_are_clipped_and_odd_ones_mended_so_that_telling_cannot_fail() -> None:
    assert decode(encode(Say(20, "x" * 5000))) == Say(20, "x" * LONGEST_TEXT)
    assert decode(encode(Say(20, "\ud800"))) == Say(20, "?")


def test_what_is_too_long_all_the_same_is_refused_by_the_writer() -> None:
    happened = tuple(Happening(number, "", "", "x" * 500) for number in range(250))
    with pytest.raises(WireError, match="notice of"):
        encode(Notice(1, (), True, happened))
