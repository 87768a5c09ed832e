"""The table of docs/security.md: attacks down, products across, every cell measured or, for the BSDs, simulated."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.attacks import bsd
from tests.attacks.catalogue import ARP, CATALOGUE, Attack
from tests.attacks.products import PRODUCTS
from tests.attacks.stage import Outcome
from tests.attacks.verdict import Verdict
from tests.sim.bsd import FreeBsd, OpenBsd

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
BEGIN = "<!-- attacks: made by `python -m tests.attacks --write` -->"
END = "<!-- /attacks -->"
SIMULATED = {"FreeBSD, NetBSD (simulated)": FreeBsd, "OpenBSD (simulated)": OpenBsd}
FALLEN = {Verdict.NOBODY: "**nobody has it**", Verdict.TWO: "**two owners**", Verdict.MOVED: "**moved**"}

Column = Mapping[str, str]
"""A cell for each attack, by its name."""


def cell(verdict: Verdict, drops: Sequence[str] = ()) -> str:
    """One result; what an attacker achieved stands out."""
    counted = " ".join(f"`{reason}`" for reason in sorted(drops))
    return FALLEN.get(verdict, str(verdict)) + (f" {counted}" if counted else "")


def column(outcomes: Sequence[Outcome]) -> Column:
    """What was measured of a product."""
    return {one.attack.name: cell(one.verdict, list(one.drops)) for one in outcomes}


def simulated() -> dict[str, Column]:
    """The columns of the BSD kernels."""
    waged = {title: bsd.wage(machine) for title, machine in SIMULATED.items()}
    return {title: {name: cell(verdict) for name, verdict in told.items()} for title, told in waged.items()}


def table(columns: Mapping[str, Column]) -> str:
    """Markdown."""
    lines = ["| attack | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    lines += [row(one, columns) for one in (*CATALOGUE, ARP)]
    return "\n".join(lines)


def row(attack: Attack, columns: Mapping[str, Column]) -> str:
    """One attack."""
    cells = [one.get(attack.name, "") for one in columns.values()]
    return f"| {attack.title} | " + " | ".join(cells) + " |"


def read(page: Path = PAGE) -> dict[str, Column]:
    """The columns as they stand in the page."""
    lines = section(page.read_text()).strip().splitlines()
    titles = [one.strip() for one in lines[0].strip("|").split("|")][1:]
    rows = [[one.strip() for one in line.strip("|").split("|")] for line in lines[2:]]
    names = {one.title: one.name for one in (*CATALOGUE, ARP)}
    return {title: {names[one[0]]: one[at] for one in rows} for at, title in enumerate(titles, start=1)}


def section(text: str, begin: str = BEGIN, end: str = END) -> str:
    """What stands between the marks."""
    found = re.search(re.escape(begin) + r"\n(.*?)\n" + re.escape(end), text, re.DOTALL)
    if found is None:
        raise ValueError(f"docs/security.md has no {begin} ... {end}")
    return found.group(1)


def replaced(text: str, begin: str, end: str, made: str) -> str:
    """The page with something else between the marks."""
    return text.replace(f"{begin}\n{section(text, begin, end)}\n{end}", f"{begin}\n{made}\n{end}")


def write(columns: Mapping[str, Column], page: Path = PAGE) -> None:
    """Put the table into the page; columns that were not measured now stay as they are there."""
    text = page.read_text()
    known = read(page) if section(text).strip() else {}
    order = [*(one.title for one in PRODUCTS), *SIMULATED]
    merged = {title: columns.get(title) or known[title] for title in order if title in columns or title in known}
    page.write_text(replaced(text, BEGIN, END, table(merged)))


def lasting(of: Column) -> set[str]:
    """The attacks whose harm lasts; a node that only flickers may or may not do so in a given second."""
    return {name for name, told in of.items() if FALLEN[Verdict.NOBODY] in told or FALLEN[Verdict.TWO] in told}


def fallen(of: Column) -> set[str]:
    """The attacks that got what they wanted."""
    return {name for name, told in of.items() if any(word in told for word in FALLEN.values())}
