"""The table of a chart's values in its README.md, made of the `# --` comments of values.yaml.

``python tools/values_docs.py --write`` renews it; without ``--write`` a difference is an error that names what to do.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

CHART = Path(__file__).resolve().parent.parent / "charts" / "carp-sidecar"
_KEY = re.compile(r"^( *)([A-Za-z][\w-]*):(.*)$")
_START, _END = "<!-- values -->\n", "<!-- /values -->"


def rows(text: str) -> Iterator[tuple[str, str, str]]:
    """Path, default and meaning of every value that has a comment of its own."""
    values, path, meaning = yaml.safe_load(text), [], ""
    for line in text.splitlines():
        if line.strip().startswith("# -- "):
            meaning = line.strip().removeprefix("# -- ")
        elif found := _KEY.match(line):
            depth = len(found[1]) // 2
            path = [*path[:depth], found[2]]
            if meaning:
                yield ".".join(path), json.dumps(_at(values, path)), meaning
            meaning = ""


def _at(values: object, path: list[str]) -> object:
    for key in path:
        assert isinstance(values, dict)
        values = values[key]
    return values


def table(text: str) -> str:
    """Markdown."""
    lines = ["| value | default | meaning |", "| --- | --- | --- |"]
    for name, default, meaning in rows(text):
        cells = (f"`{name}`", f"`{default}`", meaning)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def renewed(readme: str, values: str) -> str:
    """README.md as it should be."""
    head, _, rest = readme.partition(_START)
    return head + _START + table(values) + _END + rest.partition(_END)[2]


def main() -> int:
    """Write or compare."""
    readme = CHART / "README.md"
    old = readme.read_text()
    new = renewed(old, (CHART / "values.yaml").read_text())
    if "--write" in sys.argv[1:]:
        readme.write_text(new)
    elif new != old:
        print(f"{readme} is not what values.yaml says; run: python tools/values_docs.py --write", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
