"""From a text to a value, or a refusal with its reason. Every rule takes whatever a file may hold and never crashes."""

import os
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal, TypeVar

from sidecar.carp.config import Dialect
from sidecar.carp.constants import MAX_ADVBASE, MAX_ADVSKEW
from sidecar.settings.problems import MASKED, Refusal
from sidecar.settings.values import Kubernetes, Log, LogLevel, MacMode, Readiness, Replay

Word = TypeVar("Word", bound=StrEnum)

MAX_LEASE: Final = 3600
MAX_SOCKET_PATH: Final = 107
"""Bytes of a Unix socket's path (sun_path holds 108 with its terminator)."""
MAX_INTERFACE: Final = 15
"""Bytes of an interface's name (IFNAMSIZ less its terminator)."""
MAX_NODE: Final = 253
BOOLEANS: Final = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}
_WHOLE: Final = re.compile(r"0|[1-9][0-9]{0,8}")


def text(value: object) -> str:
    """A single, printable, non-empty text without the blanks around it."""
    stripped = optional_text(value)
    if not stripped:
        raise Refusal("is empty", "give a value, or leave the key out where it has a default")
    return stripped


def optional_text(value: object) -> str:
    """Like `text`, but empty will do."""
    if not isinstance(value, str):
        raise Refusal("must be a single value", "write one text, number or word")
    stripped = value.strip()
    if not stripped.isprintable():
        raise Refusal("holds a control character or an invalid one", "remove it")
    return stripped


def whole(value: object, low: int, high: int, fix: str) -> int:
    """A whole number in decimal digits, ``low`` to ``high``."""
    given = text(value)
    if not _WHOLE.fullmatch(given) or not low <= int(given) <= high:
        raise Refusal(f"must be a whole number from {low} to {high}, without sign or leading zeros", fix)
    return int(given)


def word(value: object, words: type[Word], also: Mapping[str, Word] | None = None) -> Word:
    """One of an enumeration's words, in any case; ``also``: other spellings."""
    given = text(value).lower()
    if also and given in also:
        return also[given]
    try:
        return words(given)
    except ValueError:
        choices = ", ".join(words)
        raise Refusal(f"must be one of: {choices}", f"choose one of {choices}, or leave it out") from None


def boolean(value: object) -> bool:
    """true, yes, on, 1 or false, no, off, 0."""
    given = text(value).lower()
    if given not in BOOLEANS:
        raise Refusal("must be true or false (or yes/no, on/off, 1/0)", "write true or false")
    return BOOLEANS[given]


def vhid(value: object) -> int:
    """1-255."""
    return whole(value, 1, 255, "give the number that all nodes of this address share")


def advbase(value: object) -> int:
    """Seconds, 0-254."""
    return whole(value, 0, MAX_ADVBASE, "give whole seconds; 1 is usual, 0 makes the interval advskew/256 s")


def advskew(value: object) -> int | Literal["auto"]:
    """0-254 in 1/256 s, or ``auto``."""
    if text(value).lower() == "auto":
        return "auto"
    try:
        return whole(value, 0, MAX_ADVSKEW, "")
    except Refusal:
        rule = f"must be a whole number from 0 to {MAX_ADVSKEW}, or auto"
        raise Refusal(rule, "give a smaller number to the node that should be master, or auto") from None


def lease(value: object) -> int | Literal["auto"]:
    """Seconds, 0 for ever, or ``auto``."""
    if text(value).lower() == "auto":
        return "auto"
    try:
        return whole(value, 0, MAX_LEASE, "")
    except Refusal:
        rule = f"must be a whole number of seconds from 0 to {MAX_LEASE}, or auto"
        raise Refusal(rule, "leave it at auto (three times advbase); 0 means that the address never expires") from None


def interface(value: object) -> str | None:
    """A name that the kernel would accept; empty: to be found."""
    given = optional_text(value)
    if not given:
        return None
    if len(os.fsencode(given)) > MAX_INTERFACE:
        raise Refusal(f"is longer than the {MAX_INTERFACE} bytes of an interface name", "see `ip -brief link`")
    if given in {".", ".."} or re.search(r"[/:\s]", given):
        raise Refusal("is no interface name: they hold no blank, colon or slash", "see `ip -brief link`")
    return given


def mac(value: object) -> MacMode:
    """Which MAC address."""
    return word(value, MacMode)


def replay(value: object) -> Replay:
    """compat or strict."""
    return word(value, Replay)


def dialect(value: object) -> Dialect:
    """freebsd or openbsd."""
    return word(value, Dialect)


def kubernetes(value: object) -> Kubernetes:
    """auto, on or off; the words of a boolean will do."""
    switch = {spelled: Kubernetes.ON if on else Kubernetes.OFF for spelled, on in BOOLEANS.items()}
    return word(value, Kubernetes, switch)


def readiness(value: object) -> Readiness:
    """role or health."""
    return word(value, Readiness)


def log(value: object) -> Log:
    """text or json."""
    return word(value, Log)


def log_level(value: object) -> LogLevel:
    """debug, info, warning or error."""
    return word(value, LogLevel)


def node(value: object) -> str:
    """A host's name, as it stands in Kubernetes or in DNS."""
    given = text(value)
    if len(given) > MAX_NODE or re.search(r"[\s/]", given):
        rule = f"must be a host's name: at most {MAX_NODE} characters, no blank, no slash"
        raise Refusal(rule, "give the node's name, or leave it out to use the host's")
    return given


def absolute(value: object) -> Path:
    """A path from the root. What looks like none may be a secret in the wrong place, and does not show."""
    given = text(value)
    if not given.startswith("/"):
        if given.startswith(("./", "../", "~/")):
            raise Refusal("must be an absolute path", "write it from / on", given)
        fix = "write it from / on (not shown here, because it may be the passphrase itself, whose place is in the file)"
        raise Refusal("must be an absolute path", fix, MASKED)
    return Path(given)


def control(value: object) -> Path:
    """The path of a Unix socket."""
    given = text(value)
    if len(os.fsencode(given)) > MAX_SOCKET_PATH:
        raise Refusal(f"is longer than the {MAX_SOCKET_PATH} bytes of a socket's path", "choose a shorter folder")
    if not given.startswith("/"):
        raise Refusal("must be an absolute path", "write it from / on")
    if given.endswith("/") or Path(given).name in {"", ".."}:
        raise Refusal("names a folder", "add the name of the socket")
    return Path(given)
