"""`carp-sidecar check`: the settings of `run`, looked at on this host; a line a finding as soon as it is found.

Exit code 0 when `run` would do well, 1 when there is a problem, 78 for settings that are wrong by themselves. Changes
nothing; sends a question to the NTP server and one to the segment, whether the virtual addresses are taken.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Final

from sidecar.app.reload import keys_of
from sidecar.carp.config import interval_us
from sidecar.check import timing, wire
from sidecar.check.carpdev import carpdev, carpdev_of
from sidecar.check.finding import Finding, Level, ok, warning
from sidecar.check.neighbours import neighbours
from sidecar.check.places import places, running_here
from sidecar.check.privileges import privileges
from sidecar.check.time_server import time_server
from sidecar.net.interface import Interface, all_interfaces
from sidecar.settings.values import RunSettings, VhostSettings

_FAILURE: Final = 1


def main(settings: RunSettings, seconds: float | None) -> int:
    """``seconds``: how long to listen on each interface; 0 not at all, None long enough to hear every master twice."""
    levels = [_tell(one) for one in _findings(settings, seconds)]
    problems, warnings = levels.count(Level.PROBLEM), levels.count(Level.WARNING)
    print(f"\n{problems} problem{'s' * (problems != 1)}, {warnings} warning{'s' * (warnings != 1)}")
    return _FAILURE if problems else 0


def _tell(finding: Finding) -> Level:
    print(finding, flush=True)
    return finding.level


def _findings(settings: RunSettings, seconds: float | None) -> Iterator[Finding]:
    vhosts = settings.vhosts
    yield ok("settings", f"valid, {len(vhosts)} virtual host{'s' * (len(vhosts) != 1)}")
    for text in settings.warnings:
        yield warning("settings", text, "see docs/settings.md")
    shortest = min(interval_us(one.config.advbase, one.config.advskew) for one in vhosts) / 1e6
    yield from privileges(shortest=shortest)
    yield from places(settings, running_here(settings))
    placed = [(one, carpdev_of(one)) for one in vhosts]
    here = all_interfaces()
    yield from _hosts(placed, here)
    late = timing.lateness()
    yield from chain.from_iterable(timing.judge(one, late) for one in vhosts)
    yield from time_server(settings)
    if seconds != 0:
        yield from _wire([(one, name) for one, name in placed if isinstance(name, str)], here, seconds)


def _hosts(placed: Iterable[tuple[VhostSettings, str | Finding]], here: Sequence[Interface]) -> Iterator[Finding]:
    for settings, name in placed:
        if isinstance(name, Finding):
            yield name
        else:
            yield from carpdev(settings, name, here)


def _wire(
    placed: Sequence[tuple[VhostSettings, str]], here: Sequence[Interface], seconds: float | None
) -> Iterator[Finding]:
    own = frozenset(str(each.address) for one in here for each in one.addresses)
    for name in dict.fromkeys(name for _, name in placed):
        mine = [wire.Ear(one, keys_of(one), own) for one, at in placed if at == name]
        span = wire.seconds_for([ear.settings for ear in mine]) if seconds is None else seconds
        if name not in {one.name for one in here}:
            continue  # a problem that was told already
        error = wire.listen(name, mine, span)
        for ear in mine:
            yield from wire.judge(ear, name, error)
            for interface in (one for one in here if one.name == name):
                yield from neighbours(ear.settings, interface, ear.masters())
