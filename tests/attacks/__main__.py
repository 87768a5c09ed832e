"""``python -m tests.attacks [PRODUCT...] [--write]``: attack, show what happened, put it into docs/security.md.

Runs on namespaces of its own: as root, or by ``python -m sidecar.lab.sandbox -- python -m tests.attacks``.
"""

import argparse
import tempfile
from pathlib import Path

from tests.attacks.products import PRODUCTS
from tests.attacks.stage import Outcome, wage
from tests.attacks.table import Column, column, simulated, write


def main() -> None:
    """Wage and tell."""
    names = [one.name for one in PRODUCTS]
    parser = argparse.ArgumentParser(prog="python -m tests.attacks", description=__doc__)
    parser.add_argument("products", nargs="*", metavar="PRODUCT", help=f"of {', '.join(names)}, bsd; default: all")
    parser.add_argument("--write", action="store_true", help="put the result into docs/security.md")
    options = parser.parse_args()
    wanted = options.products or [*names, "bsd"]
    columns: dict[str, Column] = {}
    for product in PRODUCTS:
        if product.name in wanted:
            with tempfile.TemporaryDirectory() as folder:
                outcomes = wage(product, Path(folder))
            columns[product.title] = column(outcomes)
            print("\n".join(line(product.name, one) for one in outcomes), flush=True)
    if "bsd" in wanted:
        columns |= simulated()
    if options.write:
        write(columns)


def line(name: str, outcome: Outcome) -> str:
    """One attack in figures; in brackets what happened without one in the same seconds."""
    told, control = outcome.story, outcome.control
    return (
        f"{name:23} {outcome.attack.name:17} {outcome.verdict:14} nobody {told.nobody:5.2f} s ({control.nobody:.2f}), "
        f"two {told.two:5.2f} s ({control.two:.2f}), moves {told.moves} ({control.moves}), "
        f"a client's longest silence {told.silence:5.2f} s ({control.silence:.2f}) {outcome.drops or ''}"
    )


if __name__ == "__main__":
    main()
