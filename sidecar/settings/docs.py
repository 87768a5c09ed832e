"""docs/settings.md and the table of README.md, made from the table of settings."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from sidecar.settings.table import SETTINGS, Setting

BEGIN: Final = "<!-- settings -->"
END: Final = "<!-- /settings -->"
_HEAD: Final = """\
<!-- Made by `python -m sidecar.settings.docs --write` from sidecar/settings/table.py. Do not edit. -->
# Settings of `carp-sidecar run`

Each by flag, by environment variable or by key of a YAML file, which `--config` or `CARP_CONFIG` names; a flag wins
over the environment, the environment over the file. An unknown `CARP_*` variable, flag or key is an error, and so is an
empty value (except of `interface` and `peers`). Variables that Kubernetes makes from a Service called carp or
carp-something are ignored. Everything that is wrong is told at once, a line each, with exit code 78.

## One virtual host

"""
_VHOSTS: Final = """
## Several virtual hosts

The file's `vhosts:` is a list; each entry takes the keys above, none of which may then be given in any other place:

```yaml
vhosts:
  - vhid: 1
    interface: eth0
    addresses: [192.0.2.10, "2001:db8::10"]
    passphrase_file: /etc/carp-sidecar/passphrases
    advskew: 0
  - vhid: 2
    interface: eth0
    addresses: [192.0.2.11]
    passphrase_file: /etc/carp-sidecar/passphrases
    advskew: 100
ntp: 127.0.0.1:123
```

The file is read as text: `off` is a word and `010` is no number, whatever YAML makes of them elsewhere. A key without
a value, or with `null`, is not given. A key that stands twice is an error; anchors and merge keys (`<<`) work.

## The process

"""
_TAIL: Final = """
## The passphrase file

A passphrase a line, with LF or CRLF ends; the first one signs, every one verifies. 1 to 19 bytes each: the BSDs and
ucarp use no more. An empty line, a control character, a byte order mark or a ninth line is refused; a blank at either
end of a line is part of the passphrase. To change the passphrase without a gap: add the new one as second line
everywhere, then make it the first everywhere, then remove the old one.

## `advskew: auto`

The node's name (its first label, so without the domain) ends in a number or not. The rest of the name is hashed, the
number is added, and the remainder of a division by 48 is the advskew: `node-1` to `node-48` get 48 different values.
Names that differ in more than their number collide by chance, one pair in 48; between equal nodes the protocol's rule
for equals decides. All values are below 80, the least demotion, so that a healthy node is always better than one whose
NTP server is not.
"""


def _rows(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _default(row: Setting) -> str:
    return f"`{row.default}`" if row.default and not row.shown_default else row.default_text


def full_table(of: str) -> str:
    """Every column, for the settings of a virtual host (``vhost``) or of the process (``run``)."""
    head = ("environment", "flag", "file", "meaning", "type", "range", "unit", "default")
    return _rows(
        head,
        (
            (f"`{row.env}`", f"`{row.flag}`", f"`{row.key}`", row.meaning, row.kind, row.span, row.unit, _default(row))
            for row in SETTINGS
            if row.of == of
        ),
    )


def short_table() -> str:
    """What the README shows."""
    head = ("environment", "flag", "meaning", "default")
    return _rows(head, ((f"`{row.env}`", f"`{row.flag}`", row.meaning, _default(row)) for row in SETTINGS))


def settings_page() -> str:
    """The whole of docs/settings.md."""
    return f"{_HEAD}{full_table('vhost')}{_VHOSTS}{full_table('run')}{_TAIL}"


def with_table(readme: str) -> str:
    """The README with its table renewed; as it was when the markers are missing."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{begin}\n{short_table()}{end}{after}" if end else readme


def main(arguments: list[str]) -> int:
    """Writes what differs, or only tells (exit code 1) that it does."""
    parser = argparse.ArgumentParser(prog="python -m sidecar.settings.docs", description=__doc__)
    parser.add_argument("--write", action="store_true", help="renew the files; without it, say which are out of date")
    write = parser.parse_args(arguments).write
    root = Path(__file__).resolve().parents[2]
    page, readme = root / "docs" / "settings.md", root / "README.md"
    wanted = {page: settings_page(), readme: with_table(readme.read_text("utf-8"))}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    for path in stale:
        if write:
            path.write_text(wanted[path], "utf-8")
        print(path.relative_to(root), "written" if write else "is out of date: run with --write")
    return 0 if write or not stale else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
