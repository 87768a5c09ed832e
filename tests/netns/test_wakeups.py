"""How often an idle election process is woken, by the kernel's own count of the times a thread went to sleep.

A budget is what is needed today: one wake-up for each advertisement, and one for each sixteenth answer of the NTP
server. The question itself, other answers, and every look at what may have changed, come along; a look at files, which
may hang, has a thread.
"""

import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

from sidecar.lab.capture import Capture
from tests.netns.group import V4, Group, Member, adverts, until
from tests.netns.time_server import TimeServer

SECONDS = 20.0
FILES_S = 4.0
"""Seconds between two looks at files."""
INTERVAL_S = 1.25
"""Seconds between two questions, on the average."""
WAITED_FOR = 16
"""One question in so many is answered while it is waited for."""
SLACK = 3
"""Wake-ups in all that time for what is rare: a look at the interfaces, a line of the log."""


def sleeps(member: Member) -> tuple[int, int]:
    """How often the election's thread gave its processor up to wait, and how often all other threads did."""
    assert member.daemon is not None
    counts = {}
    for thread in Path(f"/proc/{member.daemon.pid}/task").iterdir():
        lines = (thread / "status").read_text().splitlines()
        counts[thread.name] = next(int(one.split()[1]) for one in lines if one.startswith("voluntary_ctxt_switches"))
    own = counts.pop(str(member.daemon.pid))
    return own, sum(counts.values())


def until_idle(group: Group, member: Member) -> None:
    """What is done once after the start is done."""
    until(lambda: member.ask()["ntp"]["state"] == "ok", 20, "its server is good")
    member.until_said("timers here are up to", 20)
    until(lambda: len(group.owners()) == 1, 10, "one is master")
    time.sleep(8.0)  # while it had no company, before it was master or heard one, it began to wait for answers


def test_an_idle_process_is_woken_for_advertisements_alone(group: Group) -> None:
    members = [group.add(CARP_NTP="127.0.0.1:123") for _ in range(2)]
    with ExitStack() as stack:
        servers = [stack.enter_context(TimeServer(member.node, "127.0.0.1", V4)) for member in members]
        for member in members:
            member.start()
        group.wait_for_owner(members[0], 20)
        for member in members:
            until_idle(group, member)
        seen = stack.enter_context(closing(Capture(group.network.switch.pid, "br0", "ip proto 112")))
        found = window(members, servers, seen)
        for _ in range(2):  # where others are busy an advertisement may come late, and answers are waited for a while
            if any(own > found.own_budget(number) for number, (own, _) in enumerate(found.woken)):
                found = window(members, servers, seen)
    for number, (own, others) in enumerate(found.woken):
        assert own <= found.own_budget(number)
        assert others <= SECONDS / FILES_S + SLACK
    of_master, of_backup = found.questions
    assert 0.7 * SECONDS / INTERVAL_S <= of_backup <= SECONDS / INTERVAL_S + 2, "as often as alone"
    assert abs(of_master / 2 - of_backup) <= 2, "its address, too"


class Window(NamedTuple):
    """What happened in ``SECONDS``; master and backup."""

    heard: int
    questions: list[int]
    woken: list[tuple[int, int]]

    def own_budget(self, number: int) -> float:
        """Wake-ups of an election's thread."""
        return self.heard + self.questions[number] / WAITED_FOR + SLACK


def window(members: list[Member], servers: list[TimeServer], seen: Capture) -> Window:
    """Let ``SECONDS`` pass."""
    before, asked, spoken = [sleeps(one) for one in members], [len(one.asked) for one in servers], len(adverts(seen))
    time.sleep(SECONDS)
    after = [sleeps(one) for one in members]
    questions = [len(one.asked) - count for one, count in zip(servers, asked, strict=True)]
    woken = [(end[0] - start[0], end[1] - start[1]) for start, end in zip(before, after, strict=True)]
    found = Window(len(adverts(seen)) - spoken, questions, woken)
    print(f"{found.heard} advertisements, {questions} questions, (loop, others) woken {woken} times")
    return found
