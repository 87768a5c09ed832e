"""From one run's results to what stands between the markers of `docs/benchmarks.md` and the README."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.bench.contenders import BY_KEY
from tests.bench.plot import picture
from tests.bench.results import Results
from tests.bench.table import (
    EVENTS,
    calm_table,
    cost_table,
    event_table,
    failure_table,
    flood_table,
    part_table,
    rate,
    small_table,
)
from tests.bench.verdicts import Verdict, verdict_table, verdicts

CHECKOUT: Final = Path(__file__).parents[2]
DOCUMENT: Final = CHECKOUT / "docs" / "benchmarks.md"
README: Final = CHECKOUT / "README.md"
KEPT: Final = CHECKOUT / "docs" / "benchmarks"
RESULTS: Final = KEPT / "results.json"
BLOCKS: Final = {
    DOCUMENT: ("measured", "profiles"),
    README: ("bench",),
}
NOT_YET: Final = "Not measured yet: `make bench ARGS=--write`."


class Profile(NamedTuple):
    """Settings that were watched under load, and which contender of the bench they are; worst case first."""

    name: str
    settings: str
    needs: str
    contender: str


PROFILES: Final = (
    Profile("1s", "`CARP_ADVBASE=1`, `CARP_ADVSKEW=0` / `1`", "nothing", "ours-1s-plain"),
    Profile("300ms", "`CARP_ADVBASE=0`, `CARP_ADVSKEW=25` / `26`", "nothing", "ours-100ms-plain"),
    Profile("150ms", "`CARP_ADVBASE=0`, `CARP_ADVSKEW=12` / `13`", "no CPU limit", "ours-fastest-plain"),
    Profile("35ms", "`CARP_ADVBASE=0`, `CARP_ADVSKEW=2` / `3`", "CAP_SYS_NICE, no CPU limit", "ours-fastest"),
)
HEADLINES: Final = (
    ("power lost, requests lost (ms): carp-sidecar, advbase 1", "power of the master lost, ms of silence, at 1 s"),
    ("power lost, requests lost (ms): carp-sidecar, 98 ms", "the same, at 98 ms"),
    ("power lost, requests lost (ms): carp-sidecar, 8 ms", "the same, at 8 ms with SCHED_FIFO"),
    ("SIGTERM, requests lost: carp-sidecar, advbase 1", "the master is stopped, requests lost at 1000/s, at 1 s"),
    ("SIGTERM, requests lost: carp-sidecar, 98 ms", "the same, at 98 ms"),
    ("power lost, from the new master's", "from the new master's first word to its first answer, ms"),
    ("power lost, for a client that misses", "power lost, a client that misses every gratuitous ARP, ms, at 98 ms"),
    ("two hogs, false failovers: carp-sidecar, 8 ms", "false failovers beside two CPU hogs, dead time 35 ms"),
    ("left alone, % of a core (master): carp-sidecar, advbase 1", "processor while nothing happens, %, at 1 s"),
    ("memory of the election", "memory, MiB"),
    ("start to the first", "start to the first possible advertisement, ms"),
)


def blocks(results: Results) -> dict[str, str]:
    """What belongs between each pair of markers."""
    return {"measured": measured(results), "profiles": profile_table(results), "bench": headlines(results)}


def measured(results: Results) -> str:
    """The body of the document."""
    parts = [circumstances(results), "### Wanted and reached", verdict_table(verdicts(results))]
    for kind, title in EVENTS.items():
        if any(one.kind == kind for one in results.events):
            text = title[0].upper() + title[1:] if title[0] != "`" else title
            parts += [f"### {text}", f"![{title}](benchmarks/{kind}.svg)", event_table(results.events, kind)]
    if results.idle:
        parts += ["### Standing ready", cost_table(results.idle)]
    if results.starts or results.hosts:
        parts.append(small_table(results.starts, results.hosts))
    if results.calms:
        parts += ["### Two hogs on two processors, all side by side", calm_table(results.calms)]
    if results.floods:
        parts += ["### Floods", flood_table(results.floods)]
    if results.failures:
        parts += ["### What could not be measured", failure_table(results.failures)]
    return "\n\n".join([*parts, "### The run", part_table(results.parts)])


def circumstances(results: Results) -> str:
    """When, where and how."""
    loads = sorted(one.load for one in results.events) or [one.load_after for one in results.parts] or [0.0]
    stolen = sum(one.steal for one in results.parts) / 100
    return (
        f"Run of {results.began}{' (quick)' * results.quick}: {results.machine}; {results.rounds} rounds, seed "
        f"{results.seed}; load {loads[0]:.1f}-{loads[-1]:.1f}, {stolen:.1f} s stolen by the hypervisor. "
        "Medians [least-most]; a request lost is a millisecond of silence."
    )


def profile_table(results: Results) -> str:
    """The profiles, with what was seen of them."""
    columns = (
        "profile", "settings, better / worse node", "dead time, ms", "needs", "false failovers an hour beside two hogs",
        "`check` on a quiet host", "`check` beside two hogs",
    )  # fmt: skip
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    calms = {one.contender: one for one in results.calms}
    said = {(one.contender, one.when): one.said for one in results.checks}
    for one in PROFILES:
        calm, key = calms.get(one.contender), one.contender
        told = f"{rate(calm)} ({calm.moves} in {calm.seconds / 60:.1f} min)" if calm else "-"
        checks = " | ".join(verdict_of(said.get((key, when), "-")) for when in ("quiet", "two hogs"))
        lines.append(
            f"| `{one.name}` | {one.settings} | {BY_KEY[key].dead * 1000:.0f} | {one.needs} | {told} | {checks} |"
        )
    return "\n".join(lines)


def verdict_of(line: str) -> str:
    """What `check` said, without the subject: "ok: 3.004 s; timers here were up to 0.2 ms late, good for 35 ms"."""
    subject, _, found = line.partition(": ")
    return f"{subject.split()[0]}: {found}" if found else line


def headlines(results: Results) -> str:
    """The README's table."""
    lines = ["| | carp-sidecar | best of keepalived and ucarp | ratio |", "|---|---|---|---|"]
    found = verdicts(results)
    for start, title in HEADLINES:
        one = next((one for one in found if one.what.startswith(start)), None)
        if one is not None:
            lines.append(f"| {title} | {one.ours} | {one.rival} | {one.ratio} |")
    return "\n".join(lines)


def missed(found: Sequence[Verdict]) -> list[str]:
    """What was measured and not reached."""
    return [one.what for one in found if one.reached is False]


def replaced(text: str, name: str, body: str) -> str:
    """The page with something else between the marks of this name. ``ValueError`` when it has none."""
    marks = f"(?<=<!-- {name} -->\n).*?(?=\n<!-- /{name} -->)"
    found, count = re.subn(marks, lambda _: f"\n{body}\n", text, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"one <!-- {name} --> ... <!-- /{name} --> is wanted, not {count}")
    return found


def rendered(results: Results | None) -> Iterator[tuple[Path, str]]:
    """Each page as it should stand: figures in their places, or a word that there are none yet."""
    told = blocks(results) if results is not None else {}
    for page, names in BLOCKS.items():
        text = page.read_text()
        for name in names:
            text = replaced(text, name, told.get(name, NOT_YET))
        yield page, text


def write(results: Results) -> None:
    """Pages, pictures and the results they are made from, into the checkout."""
    KEPT.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(results.dump())
    for kind in EVENTS:
        if any(one.kind == kind for one in results.events):
            (KEPT / f"{kind}.svg").write_text(picture(results.events, kind))
    for page, text in list(rendered(results)):
        page.write_text(text)
