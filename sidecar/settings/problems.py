"""How a bad setting is told: key as given, value, rule, fix; one line each; never the text of a secret."""

import re
from collections.abc import Callable, Sequence
from typing import Final

from sidecar.errors import ConfigError
from sidecar.settings.table import CONFIG, PREFIX, SHORT_KEYS, VHOSTS, env_name

MASKED: Final = "***"
ABSENT: Final = "(not given)"
_LONGEST: Final = 160
"""Characters of a value in a message."""
_SECRET_NAME: Final = re.compile(r"pass|secret|token|key|pwd", re.IGNORECASE)


class Refusal(ValueError):  # noqa: N818 - it is one, and is caught as one
    """A text that breaks a rule. ``value``: what to show instead of the whole text (an item of a list, a mask)."""

    def __init__(self, rule: str, fix: str, value: str | None = None) -> None:
        super().__init__(rule)
        self.rule = rule
        self.fix = fix
        self.value = value


class ConfigErrors(ConfigError):  # noqa: N818 - there are several in it
    """All that is wrong with a configuration at once: has the parts of the first, prints one line for each."""

    def __init__(self, errors: Sequence[ConfigError]) -> None:
        first = errors[0]
        super().__init__(first.key, first.value, first.rule, first.fix)
        self.errors = tuple(errors)

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


def shown(value: object) -> str:
    """A value as a message may hold it: one line, printable, short."""
    if not isinstance(value, str):
        return {list: "(a list)", dict: "(a mapping)", type(None): ABSENT}.get(type(value), "(not a text)")
    text = _printable(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def config_error(key: str, value: object, refusal: Refusal) -> ConfigError:
    """The refusal of a value, under the key that people gave it by."""
    text = refusal.value if refusal.value is not None else value
    return ConfigError(_printable(key), shown(text), refusal.rule, refusal.fix)


def unknown_key(
    name: str, key: str, value: object, spell: Callable[[str], str], known: Sequence[str] = SHORT_KEYS
) -> ConfigError:
    """A name that nobody knows, with the one that was probably meant. A value that may be a secret does not show."""
    meant = _meant(key.lower(), known)
    fix = f"did you mean {spell(meant)}?" if meant else f"remove it, or use one of: {', '.join(known)}"
    if key.lower() == VHOSTS and VHOSTS not in known:
        fix = f"write it into the file of {env_name(CONFIG)}"
    elif key in SHORT_KEYS:
        fix = "it is one of the process, which has it once: move it out of vhosts:"
    return ConfigError(_printable(name), MASKED if _SECRET_NAME.search(key) else shown(value), "is not a setting", fix)


def _meant(key: str, known: Sequence[str]) -> str | None:
    """The known key that looks most like this one, if any does; a secret belongs into the file of passphrases."""
    from difflib import get_close_matches

    key = key.replace("-", "_").removeprefix(PREFIX.lower())
    looks = get_close_matches(key, known, n=1, cutoff=0.65)
    begins = [one for one in known if key.startswith(f"{one}_")]
    secret = [one for one in known if one == "passphrase_file" and _SECRET_NAME.search(key)]
    return next(iter((*looks, *begins, *secret)), None)
