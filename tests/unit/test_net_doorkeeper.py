"""Of a crowd of strangers only so much is looked at; who is refused too often is muted for a while."""

from sidecar.net.doorkeeper import BURST, LOUD, MUTE, RATE, TURN, Doorkeeper

ONE, OTHER = b"\x0a\x4d\x00\x01", b"\x0a\x4d\x00\x02"


def test_a_few_strangers_are_all_looked_at() -> None:
    door = Doorkeeper()
    for second in range(100):
        assert door.looks(float(second)) == BURST
        door.refuse(ONE)
    assert not door.limiting


def test_looks_are_used_up_by_refusals_and_come_back_at_their_rate() -> None:
    door = Doorkeeper()
    door.looks(0.0)
    for _ in range(BURST + 10):
        door.refuse(ONE)
    assert door.looks(0.0) == 0
    assert door.looks(0.01) == int(RATE * 0.01)
    assert door.looks(1.0) == BURST


def test_who_is_loud_within_a_turn_is_muted_and_later_forgiven() -> None:
    door = Doorkeeper()
    for _ in range(LOUD):
        door.refuse(ONE)
    door.refuse(OTHER)
    door.turn(10.0)
    assert door.muted == {ONE}
    door.turn(10.0 + MUTE / 2)
    assert door.muted == {ONE}
    door.turn(10.0 + MUTE)
    assert door.muted == set()


def test_slow_refusals_over_many_turns_mute_nobody() -> None:
    door = Doorkeeper()
    for turn in range(LOUD * 2):
        door.refuse(ONE)
        door.turn(turn * TURN)
    assert door.muted == set()


def test_muted_sources_are_bounded() -> None:
    door = Doorkeeper()
    for source in range(1000):
        for _ in range(LOUD):
            door.refuse(source.to_bytes(4, "big"))
    door.turn(0.0)
    assert len(door.muted) == 32


def test_it_limits_while_somebody_is_muted_or_looks_are_missing() -> None:
    door = Doorkeeper()
    door.looks(0.0)
    for _ in range(BURST):
        door.refuse(ONE)
    door.turn(0.0)
    assert door.limiting
    door.turn(1.0)
    assert door.limiting, "it is still muted"
    door.turn(MUTE)
    assert not door.limiting


def test_a_worried_node_forgives_everybody_at_once() -> None:
    door = Doorkeeper()
    for _ in range(BURST):
        door.refuse(ONE)
    door.turn(0.0)
    door.forgive()
    assert not door.limiting
    assert door.muted == set()
    assert door.looks(0.0) == BURST
