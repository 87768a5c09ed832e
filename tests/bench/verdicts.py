"""What was wanted and what was reached, beside the best rival of the same run and the limit of the protocol."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from tests.bench.contenders import BY_KEY
from tests.bench.figures import Summary, summary
from tests.bench.results import Calm, Cost, Flooded, Results

KEEPALIVED_1S = ("keepalived-1s", "keepalived-1s-vmac")
KEEPALIVED_100MS = ("keepalived-100ms", "keepalived-100ms-vmac")
KEEPALIVED_10MS = ("keepalived-10ms", "keepalived-10ms-vmac")
VIRTUAL = {
    "ours-1s": (*KEEPALIVED_1S, "ucarp"),
    "ours-100ms": KEEPALIVED_100MS,
    "ours-20ms": KEEPALIVED_10MS,
    "ours-fastest": KEEPALIVED_10MS,
    "ours-fastest-plain": KEEPALIVED_100MS,
}
"""Ours with the virtual MAC, and whom each is compared with: the nearest dead time."""

INTERFACE = {"ours-1s-interface": VIRTUAL["ours-1s"], "ours-100ms-interface": KEEPALIVED_100MS}
NOTHING = "-"
ANY = float("inf")


class Verdict(NamedTuple):
    """``reached``: None where it was not measured, or nothing was wanted."""

    what: str
    wanted: str
    ours: str
    rival: str
    ratio: str
    limit: str
    reached: bool | None


def verdicts(results: Results) -> list[Verdict]:
    """All of them, measured or not."""
    found: list[Verdict] = []
    for part in (_crashes, _detection, _hand_overs, _returns, _answers, _deaf, _calm, _idle, _small, _floods):
        found += part(results)
    return found


def spread(one: Summary | None, digits: int = 0) -> str:
    """Median [least-most]."""
    return NOTHING if one is None else f"{one.median:.{digits}f} [{one.low:.{digits}f}-{one.high:.{digits}f}]"


def of(results: Results, key: str, kind: str, figure: str = "lost") -> Summary | None:
    """One figure of one contender's events of a kind."""
    seen = [one.figures for one in results.events if (one.contender, one.kind) == (key, kind)]
    return summary(getattr(each, figure) for each in seen)


def best(results: Results, rivals: Sequence[str], kind: str, figure: str = "lost") -> tuple[str, Summary | None]:
    """The rival with the least median."""
    told = [(key, found) for key in rivals if (found := of(results, key, kind, figure)) is not None]
    return min(told, key=lambda one: one[1].median) if told else ("", None)


def ratio(ours: float | None, theirs: float | None) -> str:
    """Ours divided by theirs, where that says something."""
    if ours is None or theirs is None:
        return NOTHING
    if theirs == 0:
        return "equal" if ours == 0 else "worse"
    return f"{ours / theirs:.2f}"


def compared(
    results: Results, what: str, wanted: str, limit: str, told: tuple[str, str, str], rivals: Sequence[str],
    good: Callable[[Summary, Summary | None], bool | None], digits: int = 0,
) -> Verdict:  # fmt: skip
    """``told``: our contender, the kind of event, the figure."""
    key, kind, figure = told
    mine, (name, theirs) = of(results, key, kind, figure), best(results, rivals, kind, figure)
    rival = f"{spread(theirs, digits)} {BY_KEY[name].title}" if theirs else NOTHING
    share = ratio(mine and mine.median, theirs and theirs.median)
    return Verdict(what, wanted, spread(mine, digits), rival, share, limit, mine and good(mine, theirs))


def within(most: float) -> Callable[[Summary, Summary | None], bool | None]:
    """Ours is at most so much of the rival's median."""
    return lambda mine, theirs: None if theirs is None else mine.median <= most * theirs.median


def at_most(median: float, most: float) -> Callable[[Summary, Summary | None], bool | None]:
    """Ours is at most so much, in the median and ever."""
    return lambda mine, _theirs: mine.median <= median and mine.high <= most


def _crashes(results: Results) -> Iterator[Verdict]:
    for key, rivals, wanted, good in (
        ("ours-1s", ("keepalived-1s",), "<= 0.85 x keepalived", within(0.85)),
        ("ours-1s", ("ucarp",), "<= 0.70 x ucarp", within(0.70)),
        ("ours-100ms", ("keepalived-100ms",), "<= 0.90 x keepalived", within(0.90)),
        ("ours-fastest", KEEPALIVED_10MS, "median <= 40", at_most(40, ANY)),
        ("ours-fastest-plain", KEEPALIVED_100MS, "median <= 160", at_most(160, ANY)),
    ):
        one = BY_KEY[key]
        limit = f"{(one.dead - one.interval / 2) * 1000:.0f} (mean of all phases)"
        what = f"power lost, requests lost (ms): {one.title}"
        yield compared(results, what, wanted, limit, (key, "crash", "lost"), rivals, good)


def _detection(results: Results) -> Iterator[Verdict]:
    """Beyond the dead time, which no one may undercut; ours runs with SCHED_FIFO where that is permitted."""
    for key, rivals in (("ours-1s", VIRTUAL["ours-1s"]), ("ours-100ms", KEEPALIVED_100MS)):
        beyond = {one: late(results, one) for one in (key, *rivals)}
        told = {one: seen for one in rivals if (seen := beyond[one]) is not None}
        name = min(told, key=lambda one: told[one].median) if told else ""
        mine = beyond[key]
        rival = f"{spread(told[name], 1)} {BY_KEY[name].title}" if name else NOTHING
        what = f"power noticed, ms after the dead time: {BY_KEY[key].title}"
        most = 3.0 if "with SCHED_FIFO" in results.machine else 10.0
        share = ratio(mine and mine.median, told[name].median if name else None)
        reached = mine and mine.median <= most
        yield Verdict(what, f"median <= {most:.0f}", spread(mine, 1), rival, share, "0", reached)


def late(results: Results, key: str) -> Summary | None:
    """Milliseconds between a contender's dead time and its takeover."""
    dead = BY_KEY[key].dead * 1000
    seen = (one.figures.detect for one in results.events if (one.contender, one.kind) == (key, "crash"))
    return summary(None if one is None else one - dead for one in seen)


def _hand_overs(results: Results) -> Iterator[Verdict]:
    for kind, name in (("stop", "SIGTERM"), ("resign", "resign")):
        for key, rivals in (VIRTUAL | INTERFACE).items():
            what = f"{name}, requests lost: {BY_KEY[key].title}"
            verdict = compared(results, what, "median 0, at most 1", "0", (key, kind, "lost"), rivals, at_most(0, 1))
            stop_of, theirs = best(results, rivals, "stop")
            if kind == "resign" and theirs:  # nobody else has such a command: their nearest is to be stopped
                rival = f"{spread(theirs)} {BY_KEY[stop_of].title}, stopped"
                mine = of(results, key, kind)
                verdict = verdict._replace(rival=rival, ratio=ratio(mine and mine.median, theirs.median))
            yield verdict


def _returns(results: Results) -> Iterator[Verdict]:
    for key, rivals in (VIRTUAL | INTERFACE).items():
        what = f"return of the better node, requests lost: {BY_KEY[key].title}"
        yield compared(results, what, "median 0", "0", (key, "return", "lost"), rivals, at_most(0, ANY))
    for key, rivals in VIRTUAL.items():
        what = f"return, both own the address (ms): {BY_KEY[key].title}"
        most = at_most(1, ANY)
        yield compared(results, what, "median <= 1", "0", (key, "return", "both_own"), rivals, most, 1)


def _answers(results: Results) -> Iterator[Verdict]:
    """The third of keepalived's is asked of the same class; its median may be below what one request tells."""

    def good(mine: Summary, theirs: Summary | None) -> bool:
        return mine.median <= 1 and mine.high <= 5 and (theirs is None or mine.median <= theirs.median / 3)

    for key, rivals in (
        ("ours-1s", ("keepalived-1s",)),
        ("ours-100ms", ("keepalived-100ms",)),
        ("ours-fastest", ("keepalived-10ms",)),
    ):
        what = f"power lost, from the new master's first word to its first answer (ms): {BY_KEY[key].title}"
        wanted = "median <= 1, at most 5, <= 1/3 of keepalived"
        told = (key, "crash", "takeover")
        yield compared(results, what, wanted, "0, it owns before it speaks", told, rivals, good, 1)


def _deaf(results: Results) -> Iterator[Verdict]:
    for key, rivals in (("ours-100ms", KEEPALIVED_100MS), ("ours-20ms", KEEPALIVED_100MS)):
        dead = BY_KEY[key].dead * 1000
        what = f"power lost, for a client that misses every gratuitous ARP (ms): {BY_KEY[key].title}"
        good = at_most(dead + 5, ANY)
        yield compared(results, what, f"median <= {dead + 5:.0f}", f"{dead:.0f}", (key, "deaf", "lost"), rivals, good)


def _calm(results: Results) -> Iterator[Verdict]:
    told = {one.contender: one for one in results.calms}
    for key, rival in (("ours-fastest", "keepalived-10ms"), ("ours-fastest-plain", "keepalived-100ms")):
        mine, theirs = told.get(key), told.get(rival)
        title = f"{BY_KEY[key].title}, dead time {BY_KEY[key].dead * 1000:.0f} ms"
        minutes = f" in {mine.seconds / 60:.1f} min" if mine else ""
        other = f"{theirs.moves} {BY_KEY[rival].title}" if theirs else NOTHING
        share = ratio(mine and mine.moves, theirs and theirs.moves)
        found = f"{mine.moves}{minutes}" if mine else NOTHING
        yield Verdict(f"two hogs, false failovers: {title}", "0 in 10 min", found, other, share, "0", _clean(mine))


def _clean(one: Calm | None) -> bool | None:
    """None was seen in ten minutes; in less that says nothing."""
    if one is None or (one.moves == 0 and one.seconds < 599):
        return None
    return one.moves == 0


def _idle(results: Results) -> Iterator[Verdict]:
    told = {one.contender: one for one in results.idle if one.role == "master"}
    for key, rival, most in (
        ("ours-1s", "keepalived-1s", 0.03),
        ("ours-100ms", "keepalived-100ms", 0.25),
        ("ours-20ms", "keepalived-20ms", 1.2),
    ):
        what = f"left alone, % of a core (master): {BY_KEY[key].title}"
        yield _cost(what, told.get(key), told.get(rival), f"<= {most}", most, lambda one: one.cpu, 3)
    what = "memory of the election process, MiB"
    yield _cost(
        what, told.get("ours-1s"), told.get("keepalived-1s"), "<= 40, limit 64", 40, lambda one: one.rss, 1,
    )  # fmt: skip


def _cost(
    what: str, mine: Cost | None, theirs: Cost | None, wanted: str, most: float, of_: Callable[[Cost], float],
    digits: int,
) -> Verdict:  # fmt: skip
    found = f"{of_(mine):.{digits}f}" if mine else NOTHING
    rival = f"{of_(theirs):.{digits}f} {BY_KEY[theirs.contender].title}" if theirs else NOTHING
    share = ratio(mine and of_(mine), theirs and of_(theirs))
    return Verdict(what, wanted, found, rival, share, NOTHING, None if mine is None else of_(mine) <= most)


def _small(results: Results) -> Iterator[Verdict]:
    told = {name: summary(one * 1000 for one in seen) for name, seen in results.starts.items()}
    mine, theirs = told.get("carp-sidecar"), told.get("keepalived")
    rival = f"{spread(theirs)} keepalived" if theirs else NOTHING
    share = ratio(mine and mine.median, theirs and theirs.median)
    what = "start to the first possible advertisement (ms)"
    reached = mine and mine.median <= 250
    yield Verdict(what, "<= 250, limit 500", spread(mine), rival, share, "30 (bare Python)", reached)
    many = results.hosts
    found = f"{many.cpu:.1f}" if many else NOTHING
    what = "255 virtual hosts at 98 ms in one process, % of a core"
    yield Verdict(what, "<= 15", found, NOTHING, NOTHING, NOTHING, many and many.cpu <= 15)
    found = f"{many.late_p99 * 1000:g}" if many else NOTHING
    reached = many and many.late_p99 <= 0.005
    yield Verdict("the same, timers late, 99 of 100 within (ms)", "<= 5", found, NOTHING, NOTHING, "0", reached)


def _floods(results: Results) -> Iterator[Verdict]:
    for source, most in (("one stranger", 3.0), ("the master itself", 30.0)):
        mine = next((one for one in results.floods if one.ours and one.source == source), None)
        theirs = [one for one in results.floods if not one.ours and one.source == source]
        found = f"{_harm(mine)} at {mine.pps:,.0f}/s" if mine else NOTHING
        rival = min(theirs, key=lambda one: (one.moves, one.cpu), default=None)
        other = f"{_harm(rival)} {rival.title}" if rival else NOTHING
        share = ratio(mine and mine.cpu, rival and rival.cpu)
        rate = "200,000/s" if source == "one stranger" else "50,000/s"
        what = f"flood of {rate} from {source}: false failovers, % of a core"
        reached = mine and mine.moves == 0 and mine.cpu * 100 <= most
        yield Verdict(what, f"0, <= {most:.0f}", found, other, share, NOTHING, reached)


def _harm(one: Flooded) -> str:
    return f"{one.moves}, {one.cpu * 100:.1f}"


def verdict_table(found: Sequence[Verdict]) -> str:
    """As Markdown."""
    marks = {True: "yes", False: "**no**", None: "-"}
    lines = [
        "| property | wanted | measured | best rival, same run | ratio | limit | reached |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.what} | {one.wanted} | {one.ours} | {one.rival} | {one.ratio} | {one.limit} | {marks[one.reached]} |"
        for one in found
    ]
    return "\n".join(lines)
