"""The YAML file as texts. A scalar is what was written: no octal 010, no `on` for true, no 1:30 in base 60.

Only an empty value, null or ~ means something else: the key is not set. What is repeated, or not YAML, is refused, and
no message quotes the file, which may hold what should not show.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import yaml

from sidecar.errors import ConfigError
from sidecar.settings.layers import Layer, Spell
from sidecar.settings.problems import ConfigErrors, Refusal, config_error, unknown_key
from sidecar.settings.regular import read_regular
from sidecar.settings.table import SHORT_KEYS, VHOST_KEYS, VHOSTS

_MAX_BYTES: Final = 256 * 1024
_NULL: Final = "tag:yaml.org,2002:null"
_MERGE: Final = "tag:yaml.org,2002:merge"
_KINDS: Final = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map")


class _Texts(yaml.SafeLoader):
    """SafeLoader that knows texts, lists, mappings, null and merge keys, and takes no key twice."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        # Before merge keys are expanded, whose keys may well be there twice.
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key in (one for one, _ in node.value if isinstance(one, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.composer.ComposerError(None, None, "the same key stands here twice", key.start_mark)
            seen.add(key.value)
        return node


_Texts.yaml_implicit_resolvers = {
    first: [rule for rule in rules if rule[0] in {_NULL, _MERGE}]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Texts.yaml_constructors = {
    tag: construct for tag, construct in yaml.SafeLoader.yaml_constructors.items() if tag in {None, _NULL, *_KINDS}
}


def file_layer(path: Path, key: str) -> Layer:
    """The file as a layer of settings; ``key``: what its path was given by. ``ConfigErrors`` when it cannot be used."""
    try:
        content = _parse(read_regular(path, _MAX_BYTES, "give a YAML file that this user may read").content)
    except Refusal as refusal:
        raise ConfigErrors([config_error(key, str(path), refusal)]) from refusal
    return _layer(path, content)


def _parse(content: bytes) -> dict[object, object]:
    fix = "correct the file; docs/settings.md lists its keys"
    try:
        parsed = yaml.load(content.decode("utf-8"), _Texts)  # noqa: S506 - a SafeLoader that resolves less
    except UnicodeDecodeError as error:
        raise Refusal("is not UTF-8", "save it as UTF-8") from error
    except yaml.YAMLError as error:
        raise Refusal(f"is not YAML that can be used ({_where(error)})", fix) from None
    except RecursionError:
        raise Refusal("is nested too deeply", fix) from None
    if parsed is None:
        return {}
    if not isinstance(parsed, dict):
        raise Refusal("must hold keys and values", fix)
    return parsed


def _where(error: yaml.YAMLError) -> str:
    """The place, and the reason where it quotes nothing."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return "a character that YAML does not allow"
    place = f"line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}"
    return place if not error.problem or "'" in error.problem or '"' in error.problem else f"{place}: {error.problem}"


def _layer(path: Path, content: dict[object, object]) -> Layer:
    def spell(key: str) -> str:
        return f"{path}: {key}"

    given = {key: value for key, value in content.items() if value is not None}
    values = {key: value for key, value in given.items() if isinstance(key, str) and key in SHORT_KEYS}
    problems = _unknown(given, (*SHORT_KEYS, VHOSTS), spell)
    if VHOSTS not in given:
        return Layer(spell, values, tuple(problems))
    vhosts, more = _vhosts(given[VHOSTS], spell)
    return Layer(spell, values, (*problems, *more), vhosts, broken=vhosts is None)


def _vhosts(given: object, spell: Spell) -> tuple[list[dict[str, object]] | None, list[ConfigError]]:
    """The entries of `vhosts:`, without their unknown keys, and what is wrong with them; None when they are no list."""
    if not isinstance(given, list) or not given:
        rule = "must be a list of virtual hosts" if given != [] else "is a list without a virtual host"
        refusal = Refusal(rule, "write entries like `- vhid: 1` below vhosts:")
        return None, [config_error(spell(VHOSTS), given, refusal)]
    entries: list[dict[str, object]] = []
    problems: list[ConfigError] = []
    for index, entry in enumerate(given):
        name = f"{VHOSTS}[{index}]"
        if not isinstance(entry, dict):
            refusal = Refusal("must be keys and values", "write it like `- vhid: 1`, with the other keys below")
            return None, [*problems, config_error(spell(name), entry, refusal)]
        values = {key: value for key, value in entry.items() if value is not None}
        problems += _unknown(values, VHOST_KEYS, partial(_spell_inside, spell, name))
        entries.append({key: value for key, value in values.items() if key in VHOST_KEYS})
    return entries, problems


def _spell_inside(spell: Spell, name: str, key: str) -> str:
    return spell(f"{name}.{key}")


def _unknown(given: Mapping[object, object], known: Sequence[str], spell: Spell) -> list[ConfigError]:
    others = ((key if isinstance(key, str) else "(null)", value) for key, value in given.items() if key not in known)
    return [unknown_key(spell(name), name, value, spell, known) for name, value in others]
