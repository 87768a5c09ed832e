"""The one thread that writes: takes the latest of everything, makes the most urgent request, and looks again.

The newest role goes first, and no role waits for an older one. Decisions are made by the pure parts; here they meet
the API, the clock and chance.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from sidecar.kube import names
from sidecar.kube.api import EVENT, NODE, POD, Api, Kind
from sidecar.kube.errors import ChangedError, KubeError, NotFoundError, RefusedError, UnreachableError
from sidecar.kube.facts import meta_of
from sidecar.kube.keeper import Assertion, node_patch, owner_of, pod_patch, without
from sidecar.kube.latch import Latch
from sidecar.kube.mailbox import Mailbox, Seen
from sidecar.kube.pace import Backoff, between
from sidecar.kube.reconciler import Reconciler
from sidecar.kube.succession import Succession
from sidecar.kube.teller import Teller, Telling, unix
from sidecar.kube.wire import Hints, Notice

Draw = Callable[[], float]
POD_AGAIN: Final = 60.0
NODE_AGAIN: Final = 120.0
"""Seconds after which what stands is asserted again, and up to a fifth more: two requests a minute with the looks."""
TRUSTED: Final = 2.5
"""Seconds after a word of the parent, who speaks each second, for which others are still relieved in its name: after
three of its shortest usual intervals a frozen master has a successor, whose label must stay."""
_PATIENCE: Final = 5.0
"""Seconds that the worker sleeps at most, so that a clock that jumped does no harm."""


@dataclass(slots=True)
class Errand:
    """A thing to be asserted and how its attempts go."""

    kind: Kind
    every: float
    backoff: Backoff
    assertion: Assertion = field(default_factory=Assertion)


class Worker:
    """``run`` for ever; ``send`` gets hints when they changed. ``nodes``: whether nodes are labelled, too."""

    def __init__(
        self,
        api: Api,
        mailbox: Mailbox,
        teller: Teller,
        draw: Draw,
        send: Callable[[Hints], None],
        *,
        nodes: bool = True,
    ) -> None:
        self._api = api
        self._mailbox = mailbox
        self._teller = teller
        self._draw = draw
        self._send = send
        self._latch = Latch(time.monotonic())
        self._succession = Succession()
        self._pod = Errand(POD, POD_AGAIN, Backoff(draw))
        self._node = Errand(NODE, NODE_AGAIN, Backoff(draw))
        self._shown = {POD, NODE} if nodes else {POD}
        self._reconciler = Reconciler(api, Backoff(draw), self._tell, teller.identity.namespace, nodes=nodes)
        self._events_backoff = Backoff(draw)
        self._events_at = 0.0
        self._away_until = 0.0
        self._notice: Notice | None = None
        self._doubted = False
        """Somebody changed what we said and the parent has not spoken since: it may be frozen, and claims nothing."""
        self._heard_at = 0.0
        self._roles: tuple[tuple[int, str], ...] = ()
        self._told = 0
        self._seen = Seen()
        self._hints = Hints()
        self._sent: Hints | None = None
        self._tried: set[Kind] = set()
        self.beat = time.monotonic()
        """When it was last seen to be well."""

    def run(self) -> None:
        """Until the process ends, or a notice says that it is leaving."""
        while not self.left:
            self.beat = time.monotonic()
            if not self.step(time.monotonic()):
                self._mailbox.wait(self._pause(time.monotonic()))

    @property
    def left(self) -> bool:
        """Whether the last notice has been dealt with."""
        return self._notice is not None and self._notice.leaving and self._tried >= self._shown

    def step(self, now: float) -> bool:
        """Look at everything and make at most one request; whether one was made."""
        self._take(now)
        made = self._speak_for_parent(now) or (now >= self._away_until and self._tell_one(now))
        self._hint()
        return made

    def _speak_for_parent(self, now: float) -> bool:
        """Not while it is doubted. The pod's role finds out when a server that was away is back, the rest may wait."""
        if self._doubted:
            return False
        return self._assert(self._pod, now) or (
            now >= self._away_until and (self._assert(self._node, now) or self._reconcile(now))
        )

    def _failed(self, error: KubeError, until: float) -> None:
        self._mailbox.failed(str(error))
        if isinstance(error, UnreachableError):
            self._away_until = until

    def _take(self, now: float) -> None:
        self._seen = seen = self._mailbox.look()
        if seen.notice is not None and seen.notice is not self._notice:
            self._notice, self._doubted, self._heard_at = seen.notice, False, now
            self._news(seen.notice, now)
        if seen.pod is not None:
            verdict = self._latch.see(seen.pod, seen.daemonset, now)
            self._hints = replace(self._hints, known=verdict.known, settled=verdict.settled)
            if self._notice is not None:
                self._want(self._notice, verdict.mark if verdict.known else None, now)

    def _news(self, notice: Notice, now: float) -> None:
        roles = tuple((vhost.vhid, vhost.role) for vhost in notice.vhosts)
        if roles != self._roles or notice.leaving:
            self._roles = roles
            for errand in (self._pod, self._node):
                errand.backoff.reset()
                errand.assertion.urge()
        for one in notice.happened:
            if one.number > self._told:
                self._told = one.number
                at = unix(one.at) or time.time()
                self._teller.tell(Telling(at, one.reason, one.note, one.warning, one.number), now)
        self._reconciler.follow(notice, now)

    def _want(self, notice: Notice, mark: str | None, now: float) -> None:
        """``mark`` None: it is not known yet whether the one that is there is right, so it stays."""
        pod = self._seen.pod
        assert pod is not None
        patch = pod_patch(notice, mark or "")
        self._pod.assertion.want(patch if mark is not None else without(patch, names.SETTLED))
        if self._pod.assertion.saw(pod.meta):
            self._doubted = True
            self._reconciler.undone(pod.meta, now)
        if pod.node and NODE in self._shown:
            self._node.assertion.want(node_patch(notice, owner_of(self._teller.identity.namespace, pod.meta)))
        if self._seen.node is not None and self._node.assertion.saw(self._seen.node.meta):
            self._doubted = True

    def _assert(self, errand: Errand, now: float) -> bool:
        patch = errand.assertion.due(now)
        pod = self._seen.pod
        if patch is None or pod is None:
            return False
        name = pod.meta.name if errand.kind is POD else pod.node
        try:
            found = meta_of(self._api.patch(errand.kind, name, patch))
        except KubeError as error:
            until = time.monotonic() + errand.backoff.failed(error)
            errand.assertion.hold(until)
            self._failed(error, until)
        else:
            errand.backoff.reset()
            self._away_until = 0.0
            again = time.monotonic() + between(self._draw, errand.every, errand.every * 1.2)
            errand.assertion.confirmed(patch, found.version, again)
            if errand.kind is POD:
                role = patch["metadata"]["labels"].get(names.ROLE) or ""
                self._hints = replace(self._hints, labelled=role)
        if self._notice is not None and self._notice.leaving:
            self._tried.add(errand.kind)
        return True

    def _reconcile(self, now: float) -> bool:
        pod = self._seen.pod
        if pod is None or not self._is_trusted(now):
            return False
        try:
            return self._reconciler.step(pod, now)
        except KubeError as error:
            self._failed(error, self._reconciler.due() or 0.0)
            return True

    def _is_trusted(self, now: float) -> bool:
        return now - self._heard_at <= TRUSTED

    def _tell(self, reason: str, note: str) -> None:
        self._teller.tell(Telling(time.time(), reason, note, warning=True), time.monotonic())

    def _tell_one(self, now: float) -> bool:
        request = self._teller.next(now) if now >= self._events_at else None
        if request is None:
            return False
        try:
            if request.name:
                self._api.patch(EVENT, request.name, request.body)
                self._teller.done(request, request.name, now)
            else:
                self._teller.done(request, meta_of(self._api.create(EVENT, request.body)).name, now)
            self._events_backoff.reset()
        except KubeError as error:
            lasting = isinstance(error, NotFoundError | RefusedError | ChangedError)
            self._teller.failed(request, lasting=lasting)
            self._events_at = time.monotonic() + (1.0 if lasting else self._events_backoff.failed(error))
            self._failed(error, self._events_at)
        return True

    def _hint(self) -> None:
        """Tell the parent when something is different."""
        seen = self._seen
        places = (("pod", seen.pod), ("node", seen.node))
        errors, last_error = self._mailbox.errors
        master = any(role == "master" for _, role in self._roles)
        if self._notice is not None and self._pod.assertion.stands:
            self._hints = replace(self._hints, written=self._notice.number)
        self._hints = replace(
            self._hints,
            maintenance=tuple(place for place, one in places if one is not None and one.meta.maintenance),
            cordoned=seen.node is not None and seen.node.cordoned,
            outdated=self._succession.gives_way(seen.pod, seen.daemonset, master=master),
            other_masters=self._reconciler.rivals,
            told=self._teller.told,
            errors=errors,
            last_error=last_error,
        )
        if self._hints != self._sent:
            self._sent = self._hints
            self._send(self._hints)

    def _pause(self, now: float) -> float:
        """Seconds until something is due."""
        events = self._teller.due(now)
        rest = [max(events, self._events_at) if events is not None else None]
        soon = [self._latch.due]
        if not self._doubted:
            rest += [self._node.assertion.next_at(), self._reconciler.due() if self._is_trusted(now) else None]
            soon += [self._pod.assertion.next_at()]
        moments = [max(one, self._away_until) for one in rest if one is not None]
        moments += [one for one in soon if one is not None]
        if self._seen.pod is None:
            return _PATIENCE
        return min(max(0.0, min(moments, default=now + _PATIENCE) - now), _PATIENCE)
