"""What a demonstration showed, judged against what the product promises. Pure: facts in, findings out."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field

from sidecar.lab.adverts import Advert
from sidecar.lab.outcomes import Gap, Outcomes
from sidecar.lab.owners import Change, overlap
from sidecar.lab.plan import ADVBASE, Plan, VirtualHost

EARLY_SLACK = 0.05
LATE_SLACK = 0.6  # two shared, noisy cores
UCARP_SLACK = 3.0  # ucarp takes over up to 2.4 s later than its own formula
OVERLAP_SLACK = 0.25
UCARP_OVERLAP_SLACK = 1.5


@dataclass(frozen=True)
class Finding:
    """One line of the report; `ok` None: information only."""

    ok: bool | None
    what: str
    text: str


@dataclass
class Facts:
    """What happened, in monotonic seconds. `victim` lost its power at `cut` and got it back at `healed`."""

    plan: Plan
    victim: str
    start: float
    cut: float
    healed: float
    end: float
    outcomes: Outcomes
    changes: Sequence[Change]
    adverts: Sequence[Advert]
    sources: dict[str, str] = field(default_factory=dict)  # IPv4 address of a node -> its name


@dataclass(frozen=True)
class Takeover:
    """How one virtual host moved when its master died."""

    vhost: VirtualHost
    expected: str
    advskew: int
    last_heard: float | None  # the victim's last advertisement
    first: Advert | None  # the successor's first
    by: str


def judge(facts: Facts) -> list[Finding]:
    """Every promise of the demonstration, kept or broken."""
    findings: list[Finding] = []
    moved = [takeover(facts, vhost) for vhost in facts.plan.vhosts if master_of(facts, vhost) == facts.victim]
    for one in moved:
        findings += judge_takeover(facts, one)
    windows = outage_windows(facts, moved)
    findings.append(judge_queries(facts, windows))
    findings += [judge_silence(facts, address) for address in facts.plan.addresses]
    findings += [judge_owners(facts, address) for address in facts.plan.addresses]
    findings += [judge_return(facts, one) for one in moved]
    findings.append(share(facts))
    return findings


def master_of(facts: Facts, vhost: VirtualHost) -> str:
    return facts.plan.best(vhost.vhid).name


def slack(facts: Facts, *names: str) -> float:
    ucarp = {member.name for member in facts.plan.members if member.ucarp}
    return UCARP_SLACK if ucarp & set(names) else LATE_SLACK


def takeover(facts: Facts, vhost: VirtualHost) -> Takeover:
    successor = facts.plan.best(vhost.vhid, without=facts.victim)
    index = facts.plan.vhosts.index(vhost)
    ours = [advert for advert in facts.adverts if advert.vhid == vhost.vhid]
    before = [
        advert for advert in ours if facts.sources.get(advert.source) == facts.victim and advert.at <= facts.healed
    ]
    last = before[-1].at if before else None
    after = [
        advert
        for advert in ours
        if last is not None and last < advert.at < facts.healed and facts.sources.get(advert.source) != facts.victim
    ]
    first = after[0] if after else None
    by = facts.sources.get(first.source, first.source) if first else "nobody"
    return Takeover(vhost, successor.name, successor.advskews[index], last, first, by)


def judge_takeover(facts: Facts, one: Takeover) -> list[Finding]:
    formula = facts.plan.dead_time(one.advskew)
    promise = (
        f"{3 * ADVBASE} * advbase + {one.advskew}/256 = {formula:.2f} s"
        if ADVBASE != 1
        else (f"3 * 1 + {one.advskew}/256 = {formula:.2f} s")
    )
    who = f"vhid {one.vhost.vhid}"
    if one.first is None or one.last_heard is None:
        return [
            Finding(False, f"takeover, {who}", f"nobody took over within {facts.healed - facts.cut:.1f} s ({promise})")
        ]
    after = one.first.at - one.last_heard
    late = slack(facts, one.expected, one.by)
    ok = one.by == one.expected and formula - EARLY_SLACK <= after <= formula + late
    expected = "" if one.by == one.expected else f"; it should have been {one.expected}"
    text = (
        f"{one.by} took over {after:.3f} s after the last advertisement of {facts.victim} "
        f"({one.first.at - facts.cut:.2f} s after the cut); the protocol says {promise}{expected}"
    )
    return [Finding(ok, f"takeover, {who}", text)]


def outage_windows(facts: Facts, moved: Sequence[Takeover]) -> dict[str, tuple[float, float]]:
    """Per address that had to move: between which moments a query may go unanswered."""
    return {
        address: (facts.cut - 0.1, facts.cut + facts.plan.dead_time(one.advskew) + slack(facts, one.expected))
        for one in moved
        for address in one.vhost.addresses
    }


def judge_queries(facts: Facts, windows: dict[str, tuple[float, float]]) -> Finding:
    outcomes = facts.outcomes
    none = (float("inf"), float("-inf"))
    astray = [
        at - facts.cut
        for at, address in outcomes.unanswered_at
        if not windows.get(address, none)[0] <= at <= windows.get(address, none)[1]
    ]
    unanswered = outcomes.unanswered
    when = "all of them between the power cut and the takeover"
    if astray:
        when = f"{len(astray)} of them when a master was there (first {astray[0]:+.2f} s from the cut)"
    text = (
        f"{outcomes.sent} asked, {outcomes.answered} answered, {unanswered} unanswered"
        f"{f', {when}' if unanswered else ''}; late {outcomes.late}, answered twice {outcomes.duplicates}, "
        f"not synchronised {outcomes.bad}, from a wrong address {outcomes.wrong_source}"
    )
    ok = not astray and not outcomes.bad and not outcomes.wrong_source and outcomes.answered > 0
    return Finding(ok, "NTP queries", text)


def judge_silence(facts: Facts, address: str) -> Finding:
    gap = facts.outcomes.longest.get(address)
    if gap is None:
        return Finding(False, f"silence, {address}", "it was never answered twice")
    vhost = next(vhost for vhost in facts.plan.vhosts if address in vhost.addresses)
    if master_of(facts, vhost) != facts.victim:
        return Finding(
            gap.seconds < LATE_SLACK, f"silence, {address}", f"{describe(gap, facts)}; its master kept running"
        )
    successor = facts.plan.best(vhost.vhid, without=facts.victim)
    limit = facts.plan.dead_time(successor.advskews[facts.plan.vhosts.index(vhost)]) + slack(facts, successor.name)
    return Finding(gap.seconds <= limit, f"silence, {address}", f"{describe(gap, facts)} (allowed {limit:.2f} s)")


def describe(gap: Gap, facts: Facts) -> str:
    return f"longest {gap.seconds:.2f} s, from {gap.start - facts.start:.2f} s to {gap.end - facts.start:.2f} s"


def judge_owners(facts: Facts, address: str) -> Finding:
    ours = [change for change in facts.changes if change.address == address and change.at <= facts.end]
    double = overlap(ours, address, facts.end)
    limit = UCARP_OVERLAP_SLACK if any(member.ucarp for member in facts.plan.members) else OVERLAP_SLACK
    steps = ", ".join(f"{at - facts.start:.2f} s {who or 'nobody'}" for at, who in story(ours))
    twice = f"two at once for {double * 1000:.1f} ms in all" if double else "never two at once"
    return Finding(double <= limit, f"owners, {address}", f"{steps}; {twice}")


def story(changes: Sequence[Change]) -> list[tuple[float, str]]:
    """When who became owner: moments with two owners are told as a sum, not one by one."""
    told: list[tuple[float, str]] = []
    for change in changes:
        who = "+".join(sorted(change.owners))
        is_moment = len(change.owners) > 1 and change is not changes[-1]
        if not is_moment and (not told or told[-1][1] != who):
            told.append((change.at, who))
    return told


def judge_return(facts: Facts, one: Takeover) -> Finding:
    back = [
        handover
        for handover in facts.outcomes.handovers
        if handover.at > facts.healed and handover.to == facts.victim and handover.address in one.vhost.addresses
    ]
    if not back:
        return Finding(False, f"return, vhid {one.vhost.vhid}", f"{facts.victim} did not come back")
    text = f"{facts.victim} answers again {back[0].at - facts.healed:.2f} s after its power came back"
    return Finding(True, f"return, vhid {one.vhost.vhid}", text)


def share(facts: Facts) -> Finding:
    """Whose answers the client used, in numbers."""
    total = sum(facts.outcomes.by_node.values())
    by_node: dict[str, int] = {}
    for (_, name), count in facts.outcomes.by_node.items():
        by_node[name] = by_node.get(name, 0) + count
    parts = [f"{name} {count} ({100 * count / total:.0f} %)" for name, count in sorted(by_node.items())]
    return Finding(None, "answers from", ", ".join(parts))


def headline(facts: Facts) -> str:
    """The whole story in one sentence."""
    vhost = next(vhost for vhost in facts.plan.vhosts if master_of(facts, vhost) == facts.victim)
    longest = max(
        (gap.seconds for address, gap in facts.outcomes.longest.items() if address in vhost.addresses), default=0
    )
    return (
        f"{facts.victim} lost its power: {facts.outcomes.unanswered} of {facts.outcomes.sent} queries went unanswered, "
        f"the longest silence was {longest:.2f} s, {takeover(facts, vhost).by} took over"
    )


def render(findings: Sequence[Finding], columns: int) -> list[str]:
    """The report in lines of at most `columns`, each finding with its mark."""
    marks = {True: "ok", False: "BROKEN", None: "--"}
    indent = max(len(finding.what) for finding in findings) + 11
    lines = []
    for finding in findings:
        head = f"  {marks[finding.ok]:<6} {finding.what}".ljust(indent)
        lines += textwrap.wrap(
            finding.text, max(columns, indent + 30), initial_indent=head, subsequent_indent=" " * indent
        )
    return lines
