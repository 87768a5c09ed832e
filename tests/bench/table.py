"""The tables of `docs/benchmarks.md`: rows of one run, with the ratio to the best rival and the protocol's limit."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tests.bench.contenders import CONTENDERS, Contender
from tests.bench.cost import Cost, Hosts
from tests.bench.figures import Summary, summary
from tests.bench.hogs import Calm
from tests.bench.runs import Measured

EVENTS = {
    "crash": "power of the master lost",
    "stop": "SIGTERM to the master",
    "resign": "`resign` of the master",
    "return": "the better node comes back",
}


class Row(NamedTuple):
    """One contender, one event."""

    contender: Contender
    kind: str
    lost: Summary
    outage: Summary
    detect: Summary | None
    takeover: Summary | None
    both_own: Summary


def rows(measured: Sequence[Measured], kind: str) -> list[Row]:
    """Every contender that had this event, in their order."""
    found = (
        (one, [each.figures for each in measured if (each.contender, each.kind) == (one.key, kind)])
        for one in CONTENDERS
    )
    return [
        Row(
            one,
            kind,
            _told(summary(each.lost for each in seen)),
            _told(summary(each.outage for each in seen)),
            summary(each.detect for each in seen),
            summary(each.takeover for each in seen),
            _told(summary(each.both_own for each in seen)),
        )
        for one, seen in found
        if seen
    ]


def _told(one: Summary | None) -> Summary:
    assert one is not None
    return one


def spread(one: Summary | None, digits: int = 0) -> str:
    """Median [least-most]."""
    return "-" if one is None else f"{one.median:.{digits}f} [{one.low:.{digits}f}-{one.high:.{digits}f}]"


def ratio(row: Row, among: Iterable[Row]) -> str:
    """Ours against the best of the others in its class, by the requests lost."""
    others = [one.lost.median for one in among if not one.contender.ours and one.contender.group == row.contender.group]
    if not row.contender.ours or not others:
        return ""
    best = min(others)
    if best == 0:
        return "equal: 0" if row.lost.median == 0 else "-"
    return f"{row.lost.median / best:.2f}"


def event_table(measured: Sequence[Measured], kind: str) -> str:
    """One event: requests lost at a thousand a second, and where the time went, in milliseconds."""
    found = rows(measured, kind)
    head = (
        "| class | contender | n | requests lost (ms) | to the best rival | dead time | detected after it | to answer "
        "| both own |"
    )
    lines = [head, "|---|---|---|---|---|---|---|---|---|"]
    for row in found:
        beyond = f"{row.detect.median - row.contender.dead * 1000:+.1f}" if row.detect and kind == "crash" else ""
        lines.append(
            f"| {row.contender.group} | {row.contender.title} | {row.lost.n} | {spread(row.lost)} "
            f"| {ratio(row, found)} "
            f"| {row.contender.dead * 1000:.0f} | {beyond} | {spread(row.takeover, 1)} | {spread(row.both_own, 1)} |"
        )
    return "\n".join(lines)


def cost_table(costs: Iterable[Cost]) -> str:
    """Standing ready."""
    titles = {one.key: one.title for one in CONTENDERS}
    lines = [
        "| contender | role | % of a core | RSS of the largest process, MiB | of all, MiB |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {titles[one.contender]} | {one.role} | {one.cpu:.3f} | {one.rss:.1f} | {one.rss_all:.1f} |" for one in costs
    ]
    return "\n".join(lines)


def calm_table(calms: Iterable[Calm]) -> str:
    """False failovers under two hogs."""
    titles = {one.key: f"{one.title} (dead {one.dead * 1000:.0f} ms)" for one in CONTENDERS}
    lines = ["| contender | seconds | false failovers | nobody owned, ms | two owned, ms |", "|---|---|---|---|---|"]
    lines += [
        f"| {titles[one.contender]} | {one.seconds:.0f} | {one.moves} "
        f"| {one.nobody * 1000:.1f} | {one.both * 1000:.1f} |"
        for one in calms
    ]
    return "\n".join(lines)


def small_table(starts: Sequence[float], many: Hosts | None) -> str:
    """What is one number each."""
    told = summary(one * 1000 for one in starts)
    lines = ["| property | measured |", "|---|---|"]
    lines.append(f"| start of the command to the first possible advertisement, ms | {spread(told)} |")
    if many is not None:
        lines.append(f"| 255 virtual hosts at 98 ms in one process, % of a core | {many.cost.cpu:.1f} |")
        lines.append(f"| the same: timers late, 99 of 100 within, ms | {many.late_p99 * 1000:g} |")
    return "\n".join(lines)
