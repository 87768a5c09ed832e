"""What must not stand in a tracked file: the address of a package index, a path of somebody's machine, a secret.

The patterns are written so that this file does not match itself. Golden data is recorded from the wire and is exempt
from the search for secrets, from nothing else.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

INDEX_HOSTS = r"""
    pypi | (files|test)[.]pythonhosted | registry[.]npmjs | crates[.]io | proxy[.]golang | maven | repo1 | rubygems
    | deb[.]debian | security[.]debian | ftp[.][a-z.]*debian | snapshot[.]debian | [a-z.]*archive[.]ubuntu
    | security[.]ubuntu | ports[.]ubuntu
"""
FORBIDDEN = {
    "index": re.compile(
        rf"https?://[^\s/@]*@?(?:{INDEX_HOSTS})[.]?[a-z.]*"
        r"| --?(?:extra-)?index-url\b[=\s]*\w+:/ | --find-links\b[=\s]*[\w:]*/ | --trusted-host\b[=\s]+\w",
        re.VERBOSE | re.IGNORECASE,
    ),
    "path": re.compile(r"(?<![\w.\-/~}`])/(?:root|work|home/[a-z_]\w*|Users/\w+)(?![\w-])|[.][.]/(?:shared)\b"),
    "secret": re.compile(
        r"-----BEGIN\ [A-Z ]*PRIVATE\ KEY"
        r"| \b(?:pass(?:phrase|word)?|secret|token|api_?key)s?[\"']?\s*[:=]{1,2}\s*b?[\"']?"
        r"(?:[0-9a-f]{32,}|(?=[\w+/-]*[0-9])(?=[\w+/-]*[A-Z])(?=[\w+/-]*[a-z])[\w+/-]{32,})",
        re.VERBOSE | re.IGNORECASE,
    ),
}


def tracked_files(checkout: Path) -> list[Path]:
    """The files git knows; where there is no git (a release archive), all but what tools leave behind."""
    if (checkout / ".git").exists() and shutil.which("git"):
        # The checkout may be another user's (a container, a user namespace): reading its list of files is harmless.
        command = ["git", "-c", "safe.directory=*", "-C", str(checkout), "ls-files", "-z"]
        names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
        return [path for name in names if name and (path := checkout / name).is_file()]
    hidden = {".git", ".venv", "build", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__"}
    return [path for path in checkout.rglob("*") if path.is_file() and not hidden & set(path.parts)]


def findings(text: str, kinds: set[str]) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), start=1):
        for kind in sorted(kinds):
            if match := FORBIDDEN[kind].search(line):
                yield f"{number}: {kind}: {match.group()[:40]}"


@pytest.mark.parametrize("kind", FORBIDDEN)
def test_no_tracked_file_holds_one(checkout: Path, kind: str) -> None:
    found = []
    for path in tracked_files(checkout):
        if kind == "secret" and (checkout / "tests" / "golden") in path.parents:
            continue
        found += [
            f"{path.relative_to(checkout)}:{line}" for line in findings(path.read_bytes().decode("latin-1"), {kind})
        ]
    assert found == []


def test_locks_hold_no_address_at_all(checkout: Path) -> None:
    assert [lock.name for lock in checkout.glob("requirements*.txt") if "://" in lock.read_text()] == []


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("index", ["https:/", "/pypi", ".org/simple"]),
        ("index", ["http:/", "/deb.debian", ".org/debian"]),
        ("index", ["https:/", "/user@pypi", ".example/simple"]),
        ("index", ["--extra-index", "-url https:/", "/mirror.example"]),
        ("index", ["--find", "-links=/opt/wheels"]),
        ("path", ["cd /ro", "ot/project"]),
        ("path", ['"/wo', 'rk/main"']),
        ("path", ["see ../sha", "red/design.md"]),
        ("path", ["/ho", "me/alice/project"]),
        ("secret", ["-----BEGIN ", "EC PRIVATE KEY-----"]),
        ("secret", ["pass", 'phrase = "', "0123456789abcdef" * 2, '"']),
        ("secret", ["TOK", "EN: ", "aB3" * 12]),
    ],
)
def test_the_search_finds_a_planted_one(kind: str, parts: list[str]) -> None:
    assert list(findings("".join(parts), {kind}))


@pytest.mark.parametrize(
    "text",
    [
        "passphrase_file = settings.passphrase_file.resolve(strict=True)",
        "password: correct horse battery staple",
        "/proc/sys/net/ipv4/conf/all/arp_ignore and /run/carp-sidecar/control.sock",
        "a network/work group, `folder`/work, /workers, /rootless, $HOME/work, /homepage",
        "https://datatracker.ietf.org/doc/html/rfc5905",
        "https://pubs.opengroup.org/onlinepubs/9699919799/",
    ],
)
def test_the_search_leaves_honest_text_alone(text: str) -> None:
    assert list(findings(text, set(FORBIDDEN))) == []
