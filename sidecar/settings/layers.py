"""Where a text came from: flags over environment over file. A layer knows how people spell its keys."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sidecar.errors import ConfigError
from sidecar.settings.problems import unknown_key
from sidecar.settings.table import CONFIG, PREFIX, SHORT_KEYS, env_name, flag_name

Spell = Callable[[str], str]

_ENDPOINT: Final = r"PORT_[0-9]+_(?:TCP|UDP|SCTP)"
_NUMBER: Final = r"[0-9]+"
_ADDRESS: Final = r"[0-9]+(?:[.][0-9]+){3}|[0-9a-f]*:[0-9a-f:.]+"
_URL: Final = r"(?:tcp|udp|sctp)://\S+:[0-9]+"
_SERVICE_LINKS: Final = tuple(
    (re.compile(rf"{PREFIX}(?:[A-Z0-9_]+_)?{name}"), re.compile(value))
    for name, value in (
        ("SERVICE_HOST", _ADDRESS),
        ("SERVICE_PORT(?:_[A-Z0-9_]+)?", _NUMBER),
        ("PORT", _URL),
        (_ENDPOINT, _URL),
        (f"{_ENDPOINT}_PROTO", "tcp|udp|sctp"),
        (f"{_ENDPOINT}_PORT", _NUMBER),
        (f"{_ENDPOINT}_ADDR", _ADDRESS),
    )
)
"""Names and values; a name may fit two of them (Services carp and carp-service), so both must fit together."""


@dataclass(frozen=True, slots=True)
class Layer:
    """The settings of one origin, by key."""

    spell: Spell
    """From a key to the name that people gave it by."""
    values: Mapping[str, object]
    problems: tuple[ConfigError, ...] = ()
    """Keys that are none."""
    vhosts: Sequence[Mapping[str, object]] | None = None
    """The entries of a file that has some."""
    broken: bool = False
    """Not all of it could be read: that something is missing means nothing."""


def flags_layer(flags: Mapping[str, str | None]) -> Layer:
    """What the command line gave, by key; None is a flag that was not given."""
    given = {key: value for key, value in flags.items() if value is not None and key != CONFIG}
    values = {key: value for key, value in given.items() if key in SHORT_KEYS}
    problems = [unknown_key(flag_name(key), key, value, flag_name) for key, value in given.items() if key not in values]
    return Layer(flag_name, values, tuple(problems))


def environment_layer(environ: Mapping[str, str]) -> Layer:
    """Every CARP_* variable but those that Kubernetes made from a Service."""
    keys = {env_name(key): key for key in SHORT_KEYS}
    ours = {name: value for name, value in environ.items() if name.startswith(PREFIX) and name != env_name(CONFIG)}
    values = {keys[name]: value for name, value in ours.items() if name in keys}
    problems = [
        unknown_key(name, name.removeprefix(PREFIX), value, env_name)
        for name, value in ours.items()
        if name not in keys and not is_service_link(name, value)
    ]
    return Layer(env_name, values, tuple(problems))


def is_service_link(name: str, value: str) -> bool:
    """Whether Kubernetes made this variable from a Service called carp or carp-something: by its name and its value.

    The value counts so that a mistyped setting (CARP_HTTP_PORT=8112) is still told.
    """
    return any(names.fullmatch(name) and values.fullmatch(value) for names, values in _SERVICE_LINKS)
