"""The tables of `docs/benchmarks.md`: rows of one run, with the ratio to the best rival and the protocol's limit."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tests.bench.contenders import BY_KEY, CONTENDERS, Contender
from tests.bench.figures import Summary, summary
from tests.bench.results import Calm, Cost, Failure, Flooded, Hosts, Measured, Part
from tests.bench.verdicts import spread

EVENTS = {
    "crash": "power of the master lost",
    "stop": "SIGTERM to the master",
    "resign": "`resign` of the master",
    "return": "the better node comes back",
    "deaf": "power of the master lost, for a client that misses every gratuitous ARP",
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
    lines = [
        "| contender | role | % of a core | RSS of the largest process, MiB | of all, MiB |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {BY_KEY[one.contender].title} | {one.role} | {one.cpu:.3f} | {one.rss:.1f} | {one.rss_all:.1f} |"
        for one in costs
    ]
    return "\n".join(lines)


def calm_table(calms: Iterable[Calm]) -> str:
    """False failovers under two hogs."""
    lines = [
        "| contender | dead time, ms | minutes | false failovers | an hour | nobody owned, ms | two owned, ms |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {BY_KEY[one.contender].title} | {BY_KEY[one.contender].dead * 1000:.0f} | {one.seconds / 60:.1f} "
        f"| {one.moves} | {rate(one)} | {one.nobody * 1000:.1f} | {one.both * 1000:.1f} |"
        for one in calms
    ]
    return "\n".join(lines)


def rate(calm: Calm) -> str:
    """False failovers an hour; none seen bounds it only: three in so long would have been seen with 95 %."""
    hours = calm.seconds / 3600
    return f"{calm.moves / hours:.0f}" if calm.moves else f"< {3 / hours:.0f}"


def small_table(starts: dict[str, list[float]], many: Hosts | None) -> str:
    """What is one number each."""
    lines = ["| property | measured |", "|---|---|"]
    for name, seen in starts.items():
        told = summary(one * 1000 for one in seen)
        lines.append(f"| {name}: start of the command to the first possible advertisement, ms | {spread(told)} |")
    if many is not None:
        lines.append(f"| {many.hosts} virtual hosts at 98 ms in one process: % of a core | {many.cpu:.1f} |")
        lines.append(f"| the same: timers late, 99 of 100 within, ms | {many.late_p99 * 1000:g} |")
        lines.append(f"| the same: memory, MiB | {many.rss:.1f} |")
        lines.append(f"| the same: start until all are master, s | {many.up:.1f} |")
    return "\n".join(lines)


def flood_table(floods: Iterable[Flooded]) -> str:
    """Forged advertisements."""
    lines = [
        "| contender | flood from | wanted, a second | sent | false failovers | late: p99, worst (ms) | % of a core |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.title} | {one.source} | {one.wanted:,.0f} | {one.pps:,.0f} | {one.moves} "
        f"| {one.late_p99 * 1000:.1f}, {one.late_max * 1000:.1f} | {one.cpu * 100:.1f} |"
        for one in floods
    ]
    return "\n".join(lines)


def part_table(parts: Iterable[Part]) -> str:
    """When, and what the machine was like."""
    lines = ["| part | began | seconds | load before, after | stolen, s |", "|---|---|---|---|---|"]
    lines += [
        f"| {one.name} | {one.began} | {one.seconds:.0f} | {one.load_before:.1f}, {one.load_after:.1f} "
        f"| {one.steal / 100:.1f} |"
        for one in parts
    ]
    return "\n".join(lines)


def failure_table(failures: Iterable[Failure]) -> str:
    """What could not be measured."""
    lines = ["| part | contender | why |", "|---|---|---|"]
    lines += [f"| {one.part} | {one.contender} | {one.error.replace('|', '/')} |" for one in failures]
    return "\n".join(lines)
