"""What the election's process and the notice board say to each other: one bounded, versioned JSON line a packet.

Pure. Texts are clipped when written, so that writing cannot fail; whatever cannot be read is a ``WireError``. Unknown
keys are ignored, keys with a default may be missing: the two may be of different releases during an upgrade in place.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any, Final, TypeVar, get_args, get_origin, get_type_hints

from sidecar.kube.errors import WireError

VERSION: Final = 1
LONGEST: Final = 65536
"""Bytes of a line, its end included."""
LONGEST_TEXT: Final = 500
"""Characters of a text."""
MOST: Final = 256
"""Items of a list."""
_LARGEST: Final = 2**53


@dataclass(frozen=True, slots=True)
class Happening:
    """Something to be told as an Event. ``number`` rises by one; ``at``: ISO 8601, UTC."""

    number: int
    at: str
    reason: str
    note: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class VhostNotice:
    """One virtual host. ``since`` is ISO 8601 or empty; ``interval_s`` between two advertisements, in seconds.

    ``alone``: this node heard nobody else advertise for three intervals; ``silence_s``: nor for that long before it
    became master.
    """

    vhid: int
    role: str
    addresses: tuple[str, ...]
    since: str
    reason: str
    advskew: int
    demotion: int
    interval_s: float = 1.0
    alone: bool = True
    silence_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Notice:
    """What the notice board is to show, whole each time: only the latest counts. ``number`` rises with every change.

    ``leaving``: show this and end.
    """

    number: int
    vhosts: tuple[VhostNotice, ...]
    healthy: bool
    happened: tuple[Happening, ...] = ()
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class Hints:
    """What Kubernetes would like, whole each time. Whoever reads it decides by himself.

    ``maintenance``: where it is asked for (``pod``, ``node``); ``outdated``: a newer pod is to rank before this one;
    ``settled`` means something only when ``known``; ``written``: number of the notice that the API has confirmed;
    ``labelled``: the role it confirmed; ``told``: number of the last happening told or given up.
    """

    maintenance: tuple[str, ...] = ()
    cordoned: bool = False
    outdated: bool = False
    known: bool = False
    settled: bool = False
    written: int = 0
    labelled: str = ""
    other_masters: tuple[str, ...] = ()
    told: int = 0
    errors: int = 0
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class Say:
    """A line for the log. ``level``: as ``logging`` counts."""

    level: int
    text: str


Line = Notice | Hints | Say
_TYPES: Final[dict[str, type[Line]]] = {"notice": Notice, "hints": Hints, "say": Say}
_NAMES: Final = {kind: name for name, kind in _TYPES.items()}
_T = TypeVar("_T")


def encode(line: Line) -> bytes:
    """As it goes over the wire, at most ``LONGEST`` bytes. ``WireError`` when it is longer even when clipped."""
    told = {"v": VERSION, "type": _NAMES[type(line)], **_plain(line)}
    written = json.dumps(told, separators=(",", ":")).encode() + b"\n"
    if len(written) > LONGEST:
        raise WireError(f"{_NAMES[type(line)]} of {len(written)} bytes; at most {LONGEST} can be told")
    return written


def decode(packet: bytes) -> Line:
    """The line in a packet. ``WireError`` when it is none."""
    if len(packet) > LONGEST:
        raise WireError(f"{len(packet)} bytes; a line has at most {LONGEST}")
    try:
        found = json.loads(packet)
    except (ValueError, RecursionError) as error:
        raise WireError("no JSON") from error
    if not isinstance(found, dict) or found.get("v") != VERSION:
        raise WireError("no line of this version")
    kind = found.get("type")
    if not isinstance(kind, str) or kind not in _TYPES:
        raise WireError("no type of line")
    return _read(_TYPES[kind], found)


def _plain(value: Any) -> dict[str, Any]:
    return {field.name: _clip(getattr(value, field.name)) for field in fields(value)}


def _clip(value: object) -> object:
    if isinstance(value, str):
        return value[:LONGEST_TEXT].encode(errors="replace").decode()
    if isinstance(value, tuple):
        return [_clip(one) for one in value[:MOST]]
    return _plain(value) if is_dataclass(value) else value


def _shape(kind: Any) -> dict[str, tuple[Any, bool]]:
    """Field to its type and whether it must be there."""
    hints = get_type_hints(kind)
    return {field.name: (hints[field.name], field.default is MISSING) for field in fields(kind)}


_SHAPES: Final[dict[Any, dict[str, tuple[Any, bool]]]] = {
    kind: _shape(kind) for kind in (Notice, VhostNotice, Happening, Hints, Say)
}


def _read(kind: type[_T], found: Mapping[str, object]) -> _T:
    values: dict[str, object] = {}
    for name, (wanted, needed) in _SHAPES[kind].items():
        if name in found:
            values[name] = _value(wanted, found[name], name)
        elif needed:
            raise WireError(f"no {name}")
    return kind(**values)


def _value(wanted: Any, value: object, name: str) -> object:
    if get_origin(wanted) is tuple:
        if not isinstance(value, list) or len(value) > MOST:
            raise WireError(f"{name} is no list of at most {MOST}")
        return tuple(_value(get_args(wanted)[0], one, name) for one in value)
    if wanted in _SHAPES:
        if not isinstance(value, dict):
            raise WireError(f"{name} is no object")
        return _read(wanted, value)
    return _scalar(wanted, value, name)


def _scalar(wanted: type, value: object, name: str) -> object:
    if wanted is bool and isinstance(value, bool):
        return value
    if wanted is str and isinstance(value, str) and len(value) <= LONGEST_TEXT:
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST:
        if wanted is int and isinstance(value, int):
            return value
        if wanted is float and math.isfinite(value):
            return float(value)
    raise WireError(f"{name} is no {wanted.__name__} within its bounds")
