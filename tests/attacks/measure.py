"""``python -m tests.attacks.measure [--seconds S] [--write]``: floods, one by one, and what they did.

Every contender in the same run, on the same machine; the result can be put into docs/security.md, and what the README
says of it. Runs on namespaces: as root, or by ``python -m sidecar.lab.sandbox -- python -m tests.attacks.measure``.
"""

import argparse
import os
import re
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

from tests.attacks.contenders import CONTENDERS, Contender
from tests.attacks.flood import Harm, Source, pair_of
from tests.attacks.table import PAGE, replaced, section

BEGIN = "<!-- flood: made by `python -m tests.attacks.measure --write` -->"
END = "<!-- /flood -->"
README = PAGE.parents[1] / "README.md"
SUMMARY = re.compile(r"(<!-- flood -->).*?(<!-- /flood -->)", re.DOTALL)
HEAD = (
    "| who | flood from | wanted, a second | sent | false failovers "
    "| adverts late: p99, worst (ms) | processor | memory |\n"
    "|---|---|---|---|---|---|---|---|"
)
FLOODS = (
    (Source.STRANGER, 50_000.0),
    (Source.STRANGER, 200_000.0),
    (Source.MANY, 50_000.0),
    (Source.PEER, 50_000.0),
    (Source.PEER, 100_000.0),
)
"""Frames a second that are wanted from whom."""
PLAIN = 50_000.0


class Measured(NamedTuple):
    """One flood."""

    contender: Contender
    source: Source
    rate: float
    harm: Harm


def measure(seconds: float) -> Iterator[Measured]:
    """All of them, each on a pair of its own: not everybody recovers."""
    for contender, (source, rate) in product(CONTENDERS, FLOODS):
        with tempfile.TemporaryDirectory() as folder, pair_of(contender.starts, Path(folder)) as pair:
            yield Measured(contender, source, rate, pair.flood(source, seconds, contender.interval, rate))


def row(measured: Measured) -> str:
    """A line of the table."""
    harm = measured.harm
    moved = f"**{harm.moves}**" if harm.moves else "0"
    late = ", ".join(f"{max(0.0, one) * 1e3:.1f}" for one in (harm.late_p99, harm.late_max))
    return (
        f"| {measured.contender.title} | {measured.source} | {measured.rate:,.0f} | {harm.pps:,.0f} | {moved} | {late} "
        f"| {harm.cpu:.1%} | {harm.growth:+,} KiB |"
    )


def shares(page: str) -> dict[Source, list[float]]:
    """Percent of a processor that ours took at 50,000 a second by the table of a page, by who seemed to send."""
    found: dict[Source, list[float]] = {one: [] for one in Source}
    for line in section(page, BEGIN, END).splitlines():
        cells = [one.strip() for one in line.strip("|").split("|")]
        if cells[0].startswith("carp-sidecar") and cells[2] == f"{PLAIN:,.0f}":
            found[Source(cells[1])].append(float(cells[6].rstrip("%")))
    return found


def summary(page: str) -> str:
    """What the README says of it."""
    of = shares(page)
    strangers, peer = max(of[Source.STRANGER] + of[Source.MANY]), of[Source.PEER]
    return (
        f"at most {strangers:.0f} % of a processor at {PLAIN:,.0f} a second; "
        f"in a peer's name each is verified, {min(peer):.0f} to {max(peer):.0f} %"
    )


def write(made: str) -> None:
    """Renew the page, and what is said of it elsewhere."""
    page = replaced(PAGE.read_text(), BEGIN, END, made)
    PAGE.write_text(page)
    README.write_text(SUMMARY.sub(lambda found: found[1] + summary(page) + found[2], README.read_text()))


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks.measure", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each flood")
    parser.add_argument("--write", action="store_true", help="put the result into docs/security.md")
    options = parser.parse_args()
    lines = [HEAD]
    for measured in measure(options.seconds):
        lines.append(row(measured))
        print(lines[-1], flush=True)
    load = f"\nLoad average of the machine meanwhile: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors."
    if options.write:
        write("\n".join([*lines, load]))


if __name__ == "__main__":
    main()
