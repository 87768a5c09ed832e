"""What the election asks of the kernel, counted by strace on real daemons.

A budget is what is needed today; who needs more has to say so here.
"""

import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.netns.faults import pid_of
from tests.netns.group import Group, Member, master_down, until

SECONDS = 8.0
HEARD = ("recvfrom", "timerfd_settime", "epoll_pwait")
"""Known peers' socket; who was believed is not asked for more."""
SENT = ("sendto", "sendto", "poll", "read", "epoll_pwait")
"""The advertisement; the lease, whose answer would only be a failure; the timer, whose period it is."""
TAKEN_OVER = ("recvfrom", "recvfrom", "sendto", "poll", "sendto", "poll", "recvfrom", "poll", "sendto", "sendto")
"""Both sockets are empty; the address; its route; the advertisement; the announcement, with which clients come."""
WORLDLY = {"futex", "getpid"}
"""Of other threads, and of the loop's own."""
ADVERTISEMENT, ANNOUNCEMENT = r"\1\0^\0\0\22", r"\377\377\377\377\377\377\0\0^\0\1\n\10\6"


class Call(NamedTuple):
    """A system call, and what was given to it."""

    name: str
    words: str


@contextmanager
def traced(member: Member, file: Path) -> Iterator[None]:
    """Write down what its election's thread asks the kernel for."""
    with subprocess.Popen(
        ["strace", "-o", str(file), "-p", str(pid_of(member))], stderr=subprocess.PIPE, text=True
    ) as tracer:
        try:
            until(file.exists, 5.0, "strace writes")
            yield
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait(10)


def calls(file: Path) -> list[Call]:
    found = (re.match(r"(?:<\.\.\. )?(\w+)[( ](.*)", line) for line in file.read_text().splitlines())
    return [Call(one[1], one[2]) for one in found if one is not None and one[1] not in WORLDLY]


def wakes(file: Path) -> Iterator[list[Call]]:
    """The calls of each turn of the loop, the next wait among them."""
    turn: list[Call] = []
    for one in calls(file):
        turn.append(one)
        if one.name == "epoll_pwait":
            yield turn
            turn = []


def mostly(file: Path, call: str, words: str) -> tuple[str, ...]:
    """The names of the calls of a turn in which this call was made: of most such turns, for others have more to do."""
    turns = [
        tuple(one.name for one in turn)
        for turn in wakes(file)
        if any(one.name == call and words in one.words for one in turn)
    ]
    assert len(turns) >= SECONDS / 2
    return Counter(turns).most_common(1)[0][0]


def test_system_calls_of_an_advertisement_heard_and_sent_and_of_a_takeover(group: Group, tmp_path: Path) -> None:
    first, second = group.add(CARP_ADVSKEW="0"), group.add(CARP_ADVSKEW="20")
    for member in (first, second):
        member.start()
    group.wait_for_owner(first)
    sent, heard = tmp_path / "master", tmp_path / "backup"
    with traced(second, heard):
        with traced(first, sent):
            time.sleep(SECONDS)
        first.kill(signal.SIGKILL)
        group.wait_for_owner(second, master_down(20) + 2)
        time.sleep(0.5)
    assert mostly(sent, "sendto", ADVERTISEMENT) == SENT
    assert mostly(heard, "recvfrom", ADVERTISEMENT) == HEARD
    assert taking_over(heard) == list(TAKEN_OVER)


def taking_over(file: Path) -> list[str]:
    """The last calls up to the first announcement; what else the turn had to do came before."""
    every = calls(file)
    announced = next(at for at, one in enumerate(every) if one.name == "sendto" and ANNOUNCEMENT in one.words)
    return [one.name for one in every[announced + 1 - len(TAKEN_OVER) : announced + 1]]
