"""Feeds a flight recorder's dump back to an election: an incident becomes a test by copying a file.

    python -m tests.sim.replay DUMP

A dump that holds the beginning must reproduce every effect. The recorder keeps the last steps only, so a dump of a
long life begins in the middle: then the election is brought to where it seems to have been, and what it does is
compared from the first change of state on. Lots are not recorded; replayed without, an election is never later than
the recorded one, and acts only where the dump says that the deadline was reached.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from enum import Enum
from ipaddress import ip_address
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from sidecar.carp import events as on
from sidecar.carp.config import Config
from sidecar.carp.constants import BOW_OUT
from sidecar.carp.effects import State
from sidecar.carp.election import Election
from sidecar.carp.events import Event
from sidecar.carp.packet import Advertisement
from sidecar.runtime.recorder import plain

KINDS: dict[str, Any] = {**vars(on), "Config": Config, "Advertisement": Advertisement}


class Step(NamedTuple):
    """One recorded step; the effects stay as JSON has them."""

    now: float
    event: Event
    effects: list[dict[str, Any]]


class Dump(NamedTuple):
    """A dump as it was read."""

    config: Config
    steps: list[Step]

    @property
    def has_the_beginning(self) -> bool:
        return any(isinstance(step.event, on.Started) for step in self.steps)


class Divergence(NamedTuple):
    """A step where the replayed election did something else."""

    number: int
    step: Step
    replayed: list[dict[str, Any]]

    def __str__(self) -> str:
        at = f"step {self.number} at {self.step.now}: {self.step.event}"
        return f"{at}\n  was {self.step.effects}\n  is  {self.replayed}"


def revive(value: Any, kind: Any) -> Any:
    """A value of the core, from what ``recorder.plain`` made of it."""
    if isinstance(value, dict):
        kind = KINDS[value["type"]]
        hints = get_type_hints(kind)
        return kind(**{name: revive(one, hints[name]) for name, one in value.items() if name != "type"})
    if get_origin(kind) is tuple:
        return tuple(revive(one, get_args(kind)[0]) for one in value)
    if get_origin(kind) is UnionType:
        return ip_address(value)
    if kind is bytes:
        return bytes.fromhex(value)
    return kind(value) if isinstance(kind, type) and issubclass(kind, Enum) else value


def read(lines: Iterable[str]) -> Dump:
    """The configuration leads, then one step a line."""
    objects = [json.loads(line) for line in lines if line.strip()]
    if not objects or "config" not in objects[0]:
        raise ValueError("a dump begins with a line that holds the configuration")
    steps = [Step(one["now"], revive(one["event"], None), one["effects"]) for one in objects[1:]]
    return Dump(revive(objects[0]["config"], None), steps)


def configuration_at_the_start(dump: Dump) -> Config:
    """The header holds the last configuration; an earlier one cannot be known when it changed meanwhile."""
    changed = [step for step in dump.steps if isinstance(step.event, on.ConfigChanged)]
    if any(step.effects or step.event != on.ConfigChanged(dump.config) for step in changed):
        raise ValueError("the configuration changed within this dump: cut it after the change")
    return dump.config


def changes(step: Step) -> list[dict[str, Any]]:
    return [effect for effect in step.effects if effect["type"] == "StateChanged"]


def state_at_the_start(steps: Sequence[Step]) -> State:
    """What it was before the first step: the old state of the first change, or what it did tells."""
    for step in steps:
        if changed := changes(step):
            return State(changed[0]["old"])
        if step.effects:
            return State.MASTER if step.effects[0]["type"] in {"SendAdvertisement", "RenewLease"} else State.BACKUP
    return State.BACKUP


def demotion_at_the_start(config: Config, steps: Sequence[Step]) -> on.DemotionSet:
    """As the first change of demotion tells, or the first advertisement."""
    for effect in (effect for step in steps for effect in step.effects):
        if effect["type"] == "DemotionChanged":
            return on.DemotionSet(effect["cause"], effect["old"])
        if effect["type"] == "SendAdvertisement" and effect["advbase"] != BOW_OUT:
            return on.DemotionSet("before the dump", effect["demote"] or effect["advskew"] - config.advskew)
    return on.DemotionSet("before the dump", 0)


def brought_to(config: Config, steps: Sequence[Step]) -> Election:
    """An election that is where the recorded one seems to have been before its first step."""
    election = Election(config)
    state = state_at_the_start(steps)
    if state is State.INIT:
        election.handle(on.Started(), steps[0].now)
        return election
    begin, beat = silence_and_beat(config, demotion_at_the_start(config, steps))
    beats = [step.now for step in steps if isinstance(step.event, on.DeadlineReached)]
    started = (beats[0] - 3 * beat if state is State.MASTER and beats else steps[0].now) - begin
    for event in (on.Started(), on.CarpdevChanged(True), demotion_at_the_start(config, steps)):
        election.handle(event, started)
    while state is State.MASTER and election.deadline is not None and election.deadline < steps[0].now:
        election.handle(on.DeadlineReached(), election.deadline)
    return election


def silence_and_beat(config: Config, demotion: on.DemotionSet) -> tuple[float, float]:
    """Seconds until such a node takes over, and between its advertisements: asked from an election."""
    election = Election(config)
    for event in (on.Started(), on.CarpdevChanged(True), demotion):
        election.handle(event, 0.0)
    silence = election.deadline or 0.0
    election.handle(on.DeadlineReached(), silence)
    return silence, (election.deadline or 0.0) - silence


def replay(dump: Dump) -> list[Divergence]:
    """Every step that an election of today would answer otherwise."""
    config = configuration_at_the_start(dump)
    whole = dump.has_the_beginning
    election = Election(config) if whole else brought_to(config, dump.steps)
    found = []
    comparing = whole
    for number, step in enumerate(dump.steps):
        replayed = json.loads(json.dumps(plain(election.handle(step.event, step.now))))
        if comparing and replayed != step.effects:
            found.append(Divergence(number, step, replayed))
        comparing = comparing or bool(changes(step))
    return found


def main(path: str) -> int:
    """Say where they part, or that they do not."""
    dump = read(Path(path).read_text().splitlines())
    found = replay(dump)
    for divergence in found:
        print(divergence)
    print(
        f"{len(dump.steps)} steps, {'from the beginning' if dump.has_the_beginning else 'from the middle'}, "
        f"{len(found)} diverge"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
