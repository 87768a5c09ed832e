"""Whatever is on the wire, in whatever order: no alarm without reason, always one with it, and work within bounds."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from sidecar.carp.conflicts import DEFEND, PROBE_OPEN, ConflictJudge, Pace, Says, Sighting
from sidecar.net.sighting import read

VIRTUAL, OWN, STRANGER = (bytes((2, 0, 0, 0, 0, number)) for number in range(3))
ADDRESSES = [bytes((192, 0, 2, number)) for number in (10, 11)]
MACS = [VIRTUAL, OWN, STRANGER, bytes((2, 0, 0, 0, 0, 9))]
PACE = Pace(grace=4.0, patience=2.0, insistence=5.0)

claims = st.builds(
    lambda address, mac, says: Sighting(address, mac, says, address + mac + says.encode()),
    st.sampled_from(ADDRESSES),
    st.sampled_from(MACS),
    st.sampled_from([says for says in Says if says is not Says.ADVERTISEMENT]),
)
steps = st.lists(
    st.tuples(st.floats(0.0, 20.0), st.one_of(claims, st.sampled_from(["reign", "abdicate", "meet", "tick"]))),
    max_size=60,
)


def run(happened: list[tuple[float, Sighting | str]]) -> tuple[ConflictJudge, list[float], list[float]]:
    """The judge, and when it asked and announced."""
    judge = ConflictJudge(lambda: 0.5)
    judge.live_at(VIRTUAL, {OWN})
    now, asked, announced = 0.0, list[float](), list[float]()
    for pause, what in happened:
        now += pause
        if isinstance(what, Sighting):
            judge.see(what, now)
        elif what == "reign":
            judge.reign(now, PACE)
        elif what == "abdicate":
            judge.abdicate()
        elif what == "meet":
            judge.meet(b"peer", MACS[3], now)
        orders = judge.tick(now)
        asked += [now] * orders.probe
        announced += [now] * orders.announce
    return judge, asked, announced


@given(steps)
def test_announcements_are_never_closer_than_ten_seconds(happened: list[tuple[float, Sighting | str]]) -> None:
    _, _, announced = run(happened)
    assert all(later - earlier >= DEFEND for earlier, later in itertools.pairwise(announced))


@given(steps)
def test_a_node_that_never_reigns_asks_nothing_and_alarms_nobody(happened: list[tuple[float, Sighting | str]]) -> None:
    judge, asked, announced = run([one for one in happened if one[1] != "reign"])
    assert (asked, announced, judge.conflicts) == ([], [], ())


@given(st.lists(st.tuples(st.floats(0.0, 20.0), claims), max_size=60))
def test_frames_of_our_own_that_come_back_alarm_nobody(happened: list[tuple[float, Sighting]]) -> None:
    judge = ConflictJudge(lambda: 0.5)
    judge.live_at(VIRTUAL, {OWN})
    judge.reign(0.0, PACE)
    now = 0.0
    for pause, claim in happened:
        now += pause
        judge.see(claim._replace(mac=VIRTUAL, outgoing=True), now)
        judge.see(claim._replace(mac=VIRTUAL), now + 0.5)
        judge.see(claim._replace(mac=OWN), now)
    assert judge.conflicts == ()


@given(steps, st.sampled_from([VIRTUAL, STRANGER]), st.sampled_from(ADDRESSES))
def test_who_answers_two_questions_is_always_noticed(
    happened: list[tuple[float, Sighting | str]], mac: bytes, address: bytes
) -> None:
    """Whatever else was on the wire before."""
    judge, _, _ = run(happened)
    judge.reign(10_000.0, PACE)
    for _ in range(2):
        now = judge.deadline
        assert now - 10_000.0 < PACE.grace + 1 + PACE.patience + PROBE_OPEN
        assert judge.tick(now).probe
        judge.see(Sighting(address, mac, Says.REPLY, b"an answer"), now)
        judge.tick(now)
    assert [one.address for one in judge.conflicts] == [address]


@given(st.binary(max_size=200))
def test_no_bytes_upset_the_reader(frame: bytes) -> None:
    for kind in (b"\x08\x06", b"\x86\xdd", b""):
        read(frame[:12] + kind + frame[12:])
