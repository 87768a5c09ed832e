"""What is told as Events (events.k8s.io/v1), how often, and what is dropped. Pure; bodies out.

The same thing again within six minutes becomes a series of one Event. A full bucket is ten Events, one more comes in
half a minute; what is serious goes first and has three more to itself. Events are the least that we do: what waits too
long is given up.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from sidecar.kube import names

BURST: Final = 10
RESERVED: Final = 3
"""Tokens besides, that only what is serious may use."""
SERIOUS: Final = frozenset({"SplitBrainSuspected", "VipConflict"})
"""Reasons that somebody should hear of at once: two answer for one address."""
REFILL: Final = 30.0
SAME: Final = 360.0
GIVE_UP: Final = 300.0
_WAITING: Final = 32
_SERIES: Final = 64
_NOTE: Final = 1000

Body = dict[str, object]


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose Events they are."""

    namespace: str
    pod: str
    uid: str


@dataclass(frozen=True, slots=True)
class Telling:
    """One thing to tell: ``at`` Unix seconds, ``number`` of a happening of the parent or 0."""

    at: float
    reason: str
    note: str
    warning: bool = False
    number: int = 0

    @property
    def serious(self) -> bool:
        """Whether it goes before others."""
        return self.reason in SERIOUS


@dataclass(slots=True)
class Series:
    """One Event already there."""

    name: str
    count: int
    last: float


@dataclass(frozen=True, slots=True)
class Request:
    """An Event to create, or (``name`` given) a series to go on with."""

    telling: Telling
    name: str
    body: Body


@dataclass(slots=True)
class Teller:
    """``now`` in the methods is monotonic. ``silent``: everything counts as told, nothing is sent."""

    identity: Identity
    draw: Callable[[], float]
    silent: bool = False
    _waiting: deque[tuple[float, Telling, str]] = field(default_factory=deque)
    _series: dict[tuple[str, str], Series] = field(default_factory=dict)
    _tokens: float = float(BURST + RESERVED)
    _filled_at: float | None = None
    _latest: int = 0
    dropped: int = 0

    @property
    def told(self) -> int:
        """Number of the last happening of which all before are told or given up, too."""
        waiting = [telling.number for _, telling, _ in self._waiting if telling.number]
        return min(waiting) - 1 if waiting else self._latest

    def tell(self, telling: Telling, now: float) -> None:
        """Have it told some time."""
        if self.silent:
            self._settle(telling, dropped=False)
            return
        if len(self._waiting) == _WAITING:
            self._forget(self._least(), dropped=True)
        suffix = f"{int(telling.at * 1000):x}{int(self.draw() * 65536):04x}"
        self._waiting.append((now, telling, suffix))

    def next(self, now: float) -> Request | None:
        """What to send now; ask again after ``done`` or ``failed``."""
        while self._waiting and now - self._waiting[0][0] > GIVE_UP:
            self._forget(self._waiting[0][1], dropped=True)
        first = self._first()
        if first is None or self._lacking(first[1], now) > 0:
            return None
        _, telling, suffix = first
        known = self._series.get((telling.reason, telling.note))
        if known is not None and now - known.last <= SAME:
            series = {"count": known.count + 1, "lastObservedTime": micro(telling.at)}
            return Request(telling, known.name, {"series": series})
        return Request(telling, "", self._body(telling, suffix))

    def due(self, now: float) -> float | None:
        """When there may be something to send; None when nothing waits."""
        first = self._first()
        return None if first is None else now + self._lacking(first[1], now) * REFILL

    def done(self, request: Request, name: str, now: float) -> None:
        """The server took it under this name."""
        self._tokens -= 1
        telling = request.telling
        self._forget(telling)
        key = (telling.reason, telling.note)
        known = self._series.pop(key, None)
        if request.name and known is not None:
            self._series[key] = Series(known.name, known.count + 1, now)
        else:
            self._series[key] = Series(name, 1, now)
        if len(self._series) > _SERIES:
            del self._series[next(iter(self._series))]

    def failed(self, request: Request, *, lasting: bool) -> None:
        """The server did not take it. ``lasting``: it never will, so it is dropped; a series begins anew."""
        self._series.pop((request.telling.reason, request.telling.note), None)
        if lasting and not request.name:
            self._forget(request.telling, dropped=True)

    def _first(self) -> tuple[float, Telling, str] | None:
        """What is to be told first: the oldest serious thing, else the oldest."""
        serious = (one for one in self._waiting if one[1].serious)
        return next(serious, self._waiting[0] if self._waiting else None)

    def _least(self) -> Telling:
        """What to give up when too much waits: the oldest that is not serious, else the oldest."""
        harmless = (telling for _, telling, _ in self._waiting if not telling.serious)
        return next(harmless, self._waiting[0][1])

    def _forget(self, telling: Telling, *, dropped: bool = False) -> None:
        self._waiting = deque(one for one in self._waiting if one[1] is not telling)
        self._settle(telling, dropped=dropped)

    def _settle(self, telling: Telling, *, dropped: bool) -> None:
        self._latest = max(self._latest, telling.number)
        self.dropped += dropped

    def _lacking(self, telling: Telling, now: float) -> float:
        """How much of a token has still to come before this may be told."""
        if self._filled_at is not None:
            self._tokens = min(BURST + RESERVED, self._tokens + max(0.0, now - self._filled_at) / REFILL)
        self._filled_at = now
        return max(0.0, 1 + (0 if telling.serious else RESERVED) - self._tokens)

    def _body(self, telling: Telling, suffix: str) -> Body:
        who = self.identity
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": f"{who.pod}.{suffix}", "namespace": who.namespace},
            "eventTime": micro(telling.at),
            "reportingController": names.CONTROLLER,
            "reportingInstance": who.pod[:128],
            "action": "Election",
            "reason": telling.reason,
            "regarding": {
                "apiVersion": "v1",
                "kind": "Pod",
                "namespace": who.namespace,
                "name": who.pod,
                "uid": who.uid,
            },
            "note": telling.note[:_NOTE],
            "type": "Warning" if telling.warning else "Normal",
        }


def micro(at: float) -> str:
    """Unix seconds as Kubernetes' MicroTime."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def unix(text: str) -> float | None:
    """The reverse of ISO 8601; None when it is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
