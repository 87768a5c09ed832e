"""``python -m tests.attacks.measure [--seconds S] [--rate PPS] [--write]``: floods, one by one, and what they did.

Every contender in the same run, on the same machine; the result can be put into docs/security.md. Runs on namespaces:
as root, or by ``python -m sidecar.lab.sandbox -- python -m tests.attacks.measure``.
"""

import argparse
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.attacks.contenders import CONTENDERS, Contender
from tests.attacks.flood import Harm, Source, pair_of
from tests.attacks.table import PAGE, replaced

BEGIN = "<!-- flood: made by `python -m tests.attacks.measure --write` -->"
END = "<!-- /flood -->"
HEAD = (
    "| who | flood from | sent a second | false failovers | adverts late: p99, worst (ms) | processor | memory |\n"
    "|---|---|---|---|---|---|---|"
)


class Measured(NamedTuple):
    """One flood."""

    contender: Contender
    source: Source
    harm: Harm


def measure(seconds: float, rate: float) -> Iterator[Measured]:
    """All of them."""
    for contender in CONTENDERS:
        with tempfile.TemporaryDirectory() as folder, pair_of(contender.starts, Path(folder)) as pair:
            for source in Source:
                yield Measured(contender, source, pair.flood(source, seconds, contender.interval, rate))
                pair.settle()


def row(measured: Measured) -> str:
    """A line of the table."""
    harm = measured.harm
    moved = f"**{harm.moves}**" if harm.moves else "0"
    late = f"{harm.late_p99 * 1e3:.1f}, {harm.late_max * 1e3:.1f}"
    return (
        f"| {measured.contender.title} | {measured.source} | {harm.pps:,.0f} | {moved} | {late} "
        f"| {harm.cpu:.1%} | {harm.growth:+,} KiB |"
    )


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks.measure", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each flood")
    parser.add_argument("--rate", type=float, default=0.0, help="frames a second; 0: as fast as it goes")
    parser.add_argument("--write", action="store_true", help="put the result into docs/security.md")
    options = parser.parse_args()
    lines = [HEAD]
    for measured in measure(options.seconds, options.rate):
        lines.append(row(measured))
        print(lines[-1], flush=True)
    load = f"\nLoad average of the machine meanwhile: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors."
    if options.write:
        PAGE.write_text(replaced(PAGE.read_text(), BEGIN, END, "\n".join([*lines, load])))


if __name__ == "__main__":
    main()
