"""The keys of a virtual host: a passphrase a line, the first signs. Their text never leaves this module but as keys.

19 bytes is what every implementation can use: the BSDs and ucarp keep them in 20 bytes with a terminator, and what is
longer they cut off or refuse. A file that everybody may read is refused, except where its mode is not ours to choose:
a Secret in a pod is on a read-only mount of the pod's own, and 0644 unless told otherwise.
"""

import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sidecar.carp.constants import KEY_LENGTH
from sidecar.settings.problems import ConfigErrors, Refusal, config_error
from sidecar.settings.regular import read_regular

MAX_KEYS: Final = 8
_MAX_BYTES: Final = 4096
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Passphrases:
    """The keys in the order of the file, and what is unwise about it."""

    keys: tuple[bytes, ...] = field(repr=False)
    warnings: tuple[str, ...]


def read_passphrases(path: Path, key: str = "passphrase_file") -> tuple[bytes, ...]:
    """1-8 passphrases of 1-19 bytes; the first signs, all verify. ``ConfigError`` under ``key`` when unusable."""
    try:
        return examine(path).keys
    except Refusal as refusal:
        raise ConfigErrors([config_error(key, str(path), refusal)]) from refusal


def examine(path: Path) -> Passphrases:
    """Read and judge a file; ``Refusal`` when it cannot be used."""
    file = read_regular(path, _MAX_BYTES, "give a file that this user may read, with a passphrase a line")
    if file.mode & stat.S_IROTH and not file.given:
        raise Refusal("may be read by everybody on this host", "chmod 0640 or less, and change the passphrases in it")
    keys = _keys(_lines(file.content))
    warnings = [
        f"line {number} {odd}" for number, key in enumerate(keys, 1) if (odd := _oddity(key, keys[: number - 1]))
    ]
    if file.mode & (stat.S_IWGRP | stat.S_IWOTH):
        warnings.append("others than its owner may change it")
    return Passphrases(keys, tuple(f"{path}: {warning}" for warning in warnings))


def _oddity(key: bytes, earlier: tuple[bytes, ...]) -> str | None:
    if key in earlier:
        return "repeats an earlier one"
    return "begins or ends with a blank, which is part of the passphrase" if key != key.strip() else None


def _lines(content: bytes) -> list[bytes]:
    """Lines without their ends, LF or CRLF; the last end may be missing."""
    lines = content.split(b"\n")
    ended = [line.removesuffix(b"\r") for line in lines[:-1]]
    return ended if lines[-1] == b"" else [*ended, lines[-1]]


def _keys(lines: list[bytes]) -> tuple[bytes, ...]:
    if not lines:
        raise Refusal("is empty", "write a passphrase into it, a line of at most 19 bytes")
    if len(lines) > MAX_KEYS:
        raise Refusal(f"holds {len(lines)} lines, more than {MAX_KEYS}", "keep the passphrases that are in use")
    for number, line in enumerate(lines, start=1):
        _check(number, line)
    return tuple(lines)


def _check(number: int, line: bytes) -> None:
    if not line:
        raise Refusal(f"line {number} is empty", "remove the line: an empty passphrase protects nothing")
    if line.startswith(_BOM):
        raise Refusal(f"line {number} starts with a byte order mark", "save the file as UTF-8 without one")
    if any(byte < 0x20 or byte == 0x7F for byte in line):
        raise Refusal(f"line {number} holds a control character", "use characters that can be typed everywhere")
    if len(line) > KEY_LENGTH:
        rule = f"line {number} has {len(line)} bytes; BSD and ucarp use at most {KEY_LENGTH}"
        raise Refusal(rule, f"choose a passphrase of at most {KEY_LENGTH} bytes and give it to every node")
