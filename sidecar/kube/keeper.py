"""What our own pod and node should carry, and whether it is worth a request now. Pure: patches out, no request made.

Level-triggered: what was confirmed or watched is compared with what should be, whatever happened in between; and once
in a while it is asserted although everything seems right.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from sidecar.kube import names
from sidecar.kube.facts import Meta
from sidecar.kube.wire import Notice, VhostNotice

Patch = dict[str, dict[str, dict[str, str | None]]]
_TOLD: Final = ("addresses", "since", "reason", "advskew", "demotion")


def pod_patch(notice: Notice, mark: str) -> Patch:
    """A merge patch of the pod with all that is ours. ``mark``: the latch's; empty removes it."""
    labels: dict[str, str | None] = {}
    annotations: dict[str, str | None] = {names.SETTLED: mark or None}
    several = len(notice.vhosts) > 1
    for index, vhost in enumerate(notice.vhosts):
        if index == 0:
            labels |= {names.ROLE: vhost.role, names.VHID: str(vhost.vhid)}
            annotations |= _annotations(vhost, "")
        if several:
            labels[names.role_of(vhost.vhid)] = vhost.role
            annotations |= _annotations(vhost, f"-{vhost.vhid}")
    return {"metadata": {"labels": labels, "annotations": annotations}}


def _annotations(vhost: VhostNotice, suffix: str) -> dict[str, str | None]:
    values = (",".join(vhost.addresses), vhost.since, vhost.reason, str(vhost.advskew), str(vhost.demotion))
    return {f"{names.PREFIX}{name}{suffix}": value for name, value in zip(_TOLD, values, strict=True)}


def node_patch(notice: Notice, owner: str) -> Patch:
    """A merge patch of the node. ``owner``: namespace and instance, so that groups leave each other alone.

    Whoever leaves takes it along.
    """
    stays = not notice.leaving
    labels = {names.node_role(vhost.vhid): vhost.role if stays else None for vhost in notice.vhosts}
    annotations = {names.node_owner(vhost.vhid): owner if stays else None for vhost in notice.vhosts}
    return {"metadata": {"labels": labels, "annotations": annotations}}


def demotion_patch(meta: Meta, labels: Iterable[str]) -> dict[str, object]:
    """A merge patch that takes master labels from a peer, if it still is what we read."""
    backup = dict.fromkeys(labels, names.BACKUP)
    return {"metadata": {"uid": meta.uid, "resourceVersion": meta.version, "labels": backup}}


def without(patch: Patch, annotation: str) -> Patch:
    """The same patch, silent about one annotation."""
    parts = patch["metadata"]
    annotations = {name: value for name, value in parts["annotations"].items() if name != annotation}
    return {"metadata": {**parts, "annotations": annotations}}


def stands(patch: Patch, meta: Meta) -> bool:
    """Whether an object already carries what a patch would give it."""
    wanted = patch["metadata"]
    return _carries(meta.labels, wanted["labels"]) and _carries(meta.annotations, wanted["annotations"])


def _carries(has: Mapping[str, str], wanted: Mapping[str, str | None]) -> bool:
    return all(has.get(key) == value for key, value in wanted.items())


def owner_of(namespace: str, meta: Meta) -> str:
    """How a node says whose label it carries: namespace and instance of the pod."""
    return f"{namespace}.{meta.labels.get(names.INSTANCE, '')}"


class Assertion:
    """One object's patch: due at once when it changes or the object differs, and again every so often.

    Before ``hold`` nothing but a new role is due: a server that fails, or asks for patience, is left alone.
    """

    def __init__(self) -> None:
        self._patch: Patch | None = None
        self._confirmed: Patch | None = None
        self._version = ""
        self._again_at = 0.0
        self._hold_until = 0.0

    def want(self, patch: Patch) -> None:
        """The object should carry this."""
        self._patch = patch

    def saw(self, meta: Meta) -> bool:
        """The object is so; whether what was confirmed has been undone, unless this is how it was before."""
        if self._confirmed is None or _is_older(meta.version, self._version) or stands(self._confirmed, meta):
            return False
        self._confirmed = None
        return True

    def urge(self) -> None:
        """Somebody waits for it: do not hold back."""
        self._hold_until = 0.0

    def due(self, now: float) -> Patch | None:
        """The patch to send now."""
        if self._patch is None or now < self._hold_until:
            return None
        return self._patch if self._patch != self._confirmed or now >= self._again_at else None

    @property
    def stands(self) -> bool:
        """Whether the server has confirmed what is wanted now."""
        return self._patch is not None and self._patch == self._confirmed

    def next_at(self) -> float | None:
        """When it is due next; None while there is nothing to assert."""
        if self._patch is None:
            return None
        return self._hold_until if self._patch != self._confirmed else max(self._again_at, self._hold_until)

    def confirmed(self, patch: Patch, version: str, again_at: float) -> None:
        """The server took it, which made it this version."""
        self._confirmed, self._version, self._again_at, self._hold_until = patch, version, again_at, 0.0

    def hold(self, until: float) -> None:
        """It failed."""
        self._hold_until = until


def _is_older(version: str, than: str) -> bool:
    """Versions are opaque where they are not both numbers, as they are in practice."""
    return version.isdigit() and than.isdigit() and int(version) < int(than)
