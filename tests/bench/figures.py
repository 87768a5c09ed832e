"""From what was seen to what is reported: one event of one contender, its figures in milliseconds. Pure."""

import statistics
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

LEAD = 0.05
"""Seconds before an event that belong to it: the client cannot know when it was."""


class Probe(NamedTuple):
    """One question of the client; ``answered`` and ``node`` are 0 where there was no answer."""

    sent: float
    answered: float
    node: int


class Advert(NamedTuple):
    """An advertisement on the wire, and the node it came from."""

    at: float
    node: int


class Ownership(NamedTuple):
    """From ``at`` on these nodes' kernels had the address."""

    at: float
    owners: frozenset[int]


class Seen(NamedTuple):
    """Everything seen on a stage, in order of time. ``fine``: what was asked besides while nobody answered."""

    probes: Sequence[Probe]
    adverts: Sequence[Advert]
    ownerships: Sequence[Ownership]
    fine: Sequence[Probe] = ()


class Event(NamedTuple):
    """What was done to whom: ``kind`` is crash, stop, resign or return; the address went ``old`` -> ``new``."""

    kind: str
    at: float
    end: float
    old: int
    new: int


class Figures(NamedTuple):
    """Milliseconds, and requests at one a millisecond. None: could not be told (nothing was seen of it)."""

    lost: int
    outage: float
    detect: float | None
    takeover: float | None
    both_own: float


def figures(seen: Seen, event: Event) -> Figures:
    """What the event cost."""
    probes, fine = (
        every[bisect_left(every, (event.at - LEAD,)) : bisect_left(every, (event.end,))]
        for every in (seen.probes, seen.fine)
    )
    first = next((one.at for one in seen.adverts if one.at >= event.at and one.node == event.new), None)
    last = next(
        (one.at for one in reversed(seen.adverts) if one.at <= (first or event.end) and one.node == event.old), None
    )
    return Figures(
        lost=sum(not one.answered for one in probes),
        outage=longest_silence(probes) * 1000,
        detect=None if first is None or last is None else (first - last) * 1000,
        takeover=None if first is None else takeover([*probes, *fine], first, event.new),
        both_own=both_own(seen.ownerships, event.at, event.end) * 1000,
    )


def longest_silence(probes: Iterable[Probe]) -> float:
    """Seconds between two answers that followed each other."""
    answers = sorted(one.answered for one in probes if one.answered)
    return max((after - before for before, after in pairwise(answers)), default=float("inf"))


def takeover(probes: Iterable[Probe], first: float, new: int) -> float | None:
    """From the new master's first advertisement to its first answer; 0 where it had answered before."""
    answers = [one.answered for one in probes if one.answered and one.node == new]
    return max(0.0, min(answers) - first) * 1000 if answers else None


def both_own(ownerships: Sequence[Ownership], start: float, end: float) -> float:
    """Seconds between start and end for which two kernels had the address."""
    ends = [*(one.at for one in ownerships[1:]), end]
    spans = zip(ownerships, ends, strict=True)
    return sum(max(0.0, min(until, end) - max(one.at, start)) for one, until in spans if len(one.owners) > 1)


class Summary(NamedTuple):
    """Of several runs."""

    n: int
    median: float
    low: float
    high: float


def summary(values: Iterable[float | None]) -> Summary | None:
    """Median and spread; None where there is nothing to sum up."""
    told = [value for value in values if value is not None]
    return Summary(len(told), statistics.median(told), min(told), max(told)) if told else None
