"""Looks for others that are labelled master, and takes stale labels off them: the edge of ``claims``.

Only objects of the same instance are touched, and only if they still are what was read.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sidecar.kube import names
from sidecar.kube.api import NODE, POD, Api
from sidecar.kube.claims import SELDOM, Claim, Claims
from sidecar.kube.errors import ChangedError, ForbiddenError, KubeError, NotFoundError, RefusedError
from sidecar.kube.facts import Meta, Pod, meta_of, pod_of
from sidecar.kube.keeper import demotion_patch, owner_of
from sidecar.kube.pace import Backoff, between
from sidecar.kube.wire import Notice

_SOON: Final = 0.5


@dataclass(frozen=True, slots=True)
class Relief:
    """A label to take off."""

    vhid: int
    claim: Claim
    meta: Meta
    labels: tuple[str, ...]


class Reconciler:
    """One for all virtual hosts. ``tell`` gets reason and note of what people hear; ``nodes``: look there too."""

    def __init__(
        self, api: Api, backoff: Backoff, tell: Callable[[str, str], None], namespace: str, *, nodes: bool = True
    ) -> None:
        self._api = api
        self._backoff = backoff
        self._tell = tell
        self._namespace = namespace
        self._looks_at_nodes = nodes
        self._claims: dict[int, Claims] = {}
        self._several = False
        self._reliefs: deque[Relief] = deque()

    @property
    def rivals(self) -> tuple[str, ...]:
        """Others that claim to be master though they were relieved."""
        return tuple(f"{rival} (vhid {vhid})" for vhid, claims in self._claims.items() for rival in claims.rivals)

    def follow(self, notice: Notice, now: float) -> None:
        """What the elections say."""
        self._several = len(notice.vhosts) > 1
        for vhost in notice.vhosts:
            claims = self._claims.setdefault(vhost.vhid, Claims())
            master = vhost.role == names.MASTER and not notice.leaving
            alone, interval, silence = vhost.alone, vhost.interval_s, vhost.silence_s
            claims.follow(master=master, alone=alone, interval=interval, now=now, silence=silence)
            if not master or not vhost.alone:
                self._reliefs = deque(one for one in self._reliefs if one.vhid != vhost.vhid)

    def undone(self, meta: Meta, now: float) -> None:
        """Our own pod was changed by somebody else: if that took a master's label, whoever did it is alive."""
        for vhid, claims in self._claims.items():
            if meta.labels.get(names.role_of(vhid) if self._several else names.ROLE) == names.BACKUP:
                claims.challenged(now)
                self._reliefs = deque(one for one in self._reliefs if one.vhid != vhid)

    def due(self) -> float | None:
        """When ``step`` has something to do; 0 for now."""
        if self._reliefs:
            return 0.0
        moments = [moment for claims in self._claims.values() if (moment := claims.due()) is not None]
        return min(moments, default=None)

    def step(self, pod: Pod, now: float) -> bool:
        """Relieve one, or look once; whether anything was asked. ``KubeError`` when it failed; later it goes on."""
        if self._reliefs:
            self._relieve(self._reliefs.popleft(), now)
            return True
        for vhid, claims in self._claims.items():
            moment = claims.due()
            if moment is not None and now >= moment:
                self._look(vhid, claims, pod, now)
                return True
        return False

    def _look(self, vhid: int, claims: Claims, pod: Pod, now: float) -> None:
        try:
            found = self._pods(vhid, pod) + self._nodes(vhid, pod)
        except KubeError as error:
            claims.failed(now + self._backoff.failed(error))
            raise
        self._backoff.reset()
        pause = between(self._backoff.draw, SELDOM, 1.2 * SELDOM) * len(self._claims)
        findings = claims.looked([relief.claim for relief in found], now, pause)
        self._reliefs.extend(relief for relief in found if relief.claim in findings.stale)
        for rival in findings.rivals:
            self._tell("SplitBrainSuspected", f"vhid {vhid}: {rival} claims to be master again, as this pod does")

    def _pods(self, vhid: int, pod: Pod) -> list[Relief]:
        label = names.role_of(vhid) if self._several else names.ROLE
        wanted = {label: names.MASTER}
        if not self._several:
            wanted[names.VHID] = str(vhid)
        for name in (names.INSTANCE, names.NAME):
            if value := pod.meta.labels.get(name):
                wanted[name] = value
        selector = ",".join(f"{name}={value}" for name, value in wanted.items())
        others = [pod_of(one).meta for one in self._api.find(POD, selector)]
        return [
            Relief(vhid, Claim("pod", meta.name, meta.uid), meta, _labels(vhid, meta))
            for meta in others
            if meta.uid != pod.meta.uid
        ]

    def _nodes(self, vhid: int, pod: Pod) -> list[Relief]:
        """Those whose label is of our instance. Where it is forbidden to list them, nodes are left alone."""
        if not self._looks_at_nodes:
            return []
        label = names.node_role(vhid)
        try:
            found = self._api.find(NODE, f"{label}={names.MASTER}")
        except ForbiddenError:
            return []
        ours = owner_of(self._namespace, pod.meta)
        return [
            Relief(vhid, Claim("node", meta.name, meta.uid), meta, (label,))
            for meta in map(meta_of, found)
            if meta.name != pod.node and meta.annotations.get(names.node_owner(vhid)) == ours
        ]

    def _relieve(self, relief: Relief, now: float) -> None:
        kind = POD if relief.claim.kind == "pod" else NODE
        claims = self._claims[relief.vhid]
        try:
            self._api.patch(kind, relief.meta.name, demotion_patch(relief.meta, relief.labels), names.PEERS_MANAGER)
        except (ChangedError, NotFoundError):
            claims.failed(now + _SOON)
        except RefusedError:
            claims.failed(now + 10 * _SOON)
            raise
        except KubeError as error:
            claims.failed(now + self._backoff.failed(error))
            raise
        else:
            claims.relieved(relief.claim)
            self._tell("StaleMasterCleared", f"vhid {relief.vhid}: {relief.claim} was still labelled master")


def _labels(vhid: int, meta: Meta) -> tuple[str, ...]:
    """The labels of a peer by which it claims to be master of this vhid."""
    labels = [names.role_of(vhid)]
    if meta.labels.get(names.VHID) == str(vhid):
        labels.append(names.ROLE)
    return tuple(label for label in labels if meta.labels.get(label) == names.MASTER)
