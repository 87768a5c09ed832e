"""The flight recorder: the last things that happened to an election and what it asked for, to be replayed in a test.

A dump is one JSON object a line: ``{"now": seconds, "event": {"type": ...}, "effects": [{"type": ...}]}``, led by one
with the configuration. It never holds a key.
"""

import json
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from sidecar.carp.config import Config
from sidecar.carp.effects import Effect
from sidecar.carp.events import Event

DEPTH: Final = 1000


class Recorder:
    """Remembers the last ``DEPTH`` steps."""

    def __init__(self, depth: int = DEPTH) -> None:
        self._steps: deque[tuple[float, Event, tuple[Effect, ...]]] = deque(maxlen=depth)

    def note(self, now: float, event: Event, effects: tuple[Effect, ...]) -> None:
        """Remember a step."""
        self._steps.append((now, event, effects))

    def dump(self, config: Config) -> Iterator[str]:
        """The lines of a dump of this moment, oldest step first. May go on in another thread."""
        steps = tuple(self._steps)
        yield json.dumps({"config": plain(config), "steps": len(steps)})
        for now, event, effects in steps:
            yield json.dumps({"now": now, "event": plain(event), "effects": plain(effects)})


def plain(value: object) -> object:
    """A value of the core as JSON knows it; dataclasses carry their name in ``type``, bytes become hex."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, IPv4Address | IPv6Address):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        named = {field.name: plain(getattr(value, field.name)) for field in fields(value)}
        return {"type": type(value).__name__, **named}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {"type": type(value).__name__, **{key: plain(one) for key, one in value._asdict().items()}}
    if isinstance(value, Iterable):
        return [plain(one) for one in value]
    raise TypeError(f"nothing of the core: {type(value).__name__}")
