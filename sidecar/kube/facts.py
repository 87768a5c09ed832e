"""What the API's objects say, as far as it concerns us. Pure; an odd object gives odd facts, never an exception."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from sidecar.kube import names

Object = Mapping[str, object]
_TRUE: Final = {"true", "1", "yes", "on"}


@dataclass(frozen=True, slots=True)
class Meta:
    """What every object has."""

    name: str = ""
    uid: str = ""
    version: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def maintenance(self) -> bool:
        """Whether its annotation asks for maintenance."""
        return self.annotations.get(names.MAINTENANCE, "").strip().lower() in _TRUE


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod. ``daemonset``: the name of the one that owns it, or empty."""

    meta: Meta
    node: str = ""
    daemonset: str = ""

    @property
    def revision(self) -> str:
        """The hash of the template it was made from, or empty."""
        return self.meta.labels.get(names.REVISION, "")


@dataclass(frozen=True, slots=True)
class Node:
    """A node."""

    meta: Meta
    cordoned: bool = False


@dataclass(frozen=True, slots=True)
class DaemonSet:
    """A DaemonSet as its controller saw it last. ``template``: generation of its pod template, or empty.

    ``release``: of what its pods are to be unsettled by once it changes.
    """

    generation: int = 0
    observed: int = 0
    desired: int = 0
    updated: int = 0
    available: int = 0
    release: str = ""
    template: str = ""

    @property
    def rolling(self) -> bool:
        """Whether pods of an older template are still to be replaced."""
        return self.observed != self.generation or self.updated < self.desired

    @property
    def complete(self) -> bool:
        """Whether every pod is new and available."""
        return not self.rolling and self.updated == self.desired and self.available >= self.desired

    @property
    def has_new(self) -> bool:
        """Whether some pod of the newest template is surely available: more are than there can be old ones."""
        return self.observed == self.generation and self.updated > 0 and self.available > self.desired - self.updated

    def replaces(self, pod: Pod) -> bool:
        """Whether the pod is of an older template and a rollout is under way.

        Without a rollout a generation says nothing: a rollback keeps those pods whose template is right again, with the
        generation they were made with.
        """
        mine = pod.meta.labels.get(names.TEMPLATE_GENERATION, "")
        return self.rolling and bool(mine and self.template) and mine != self.template


def meta_of(found: Object) -> Meta:
    """An object's metadata."""
    meta = _mapping(found.get("metadata"))
    return Meta(
        name=_text(meta.get("name")),
        uid=_text(meta.get("uid")),
        version=_text(meta.get("resourceVersion")),
        labels=_texts(meta.get("labels")),
        annotations=_texts(meta.get("annotations")),
    )


def pod_of(found: Object) -> Pod:
    """A v1 Pod."""
    owners = _mapping(found.get("metadata")).get("ownerReferences")
    named = [_mapping(owner) for owner in owners] if isinstance(owners, list) else []
    daemonset = next((_text(owner.get("name")) for owner in named if owner.get("kind") == "DaemonSet"), "")
    return Pod(meta_of(found), _text(_mapping(found.get("spec")).get("nodeName")), daemonset)


def node_of(found: Object) -> Node:
    """A v1 Node."""
    return Node(meta_of(found), _mapping(found.get("spec")).get("unschedulable") is True)


def daemonset_of(found: Object) -> DaemonSet:
    """An apps/v1 DaemonSet."""
    meta, status = _mapping(found.get("metadata")), _mapping(found.get("status"))
    annotations = _texts(meta.get("annotations"))
    return DaemonSet(
        generation=_count(meta.get("generation")),
        observed=_count(status.get("observedGeneration")),
        desired=_count(status.get("desiredNumberScheduled")),
        updated=_count(status.get("updatedNumberScheduled")),
        available=_count(status.get("numberAvailable")),
        release=".".join(filter(None, (annotations.get(names.RELEASE), annotations.get(names.ROLLOUT)))),
        template=annotations.get(names.DAEMONSET_GENERATION, ""),
    )


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _texts(value: object) -> dict[str, str]:
    return {key: one for key, one in _mapping(value).items() if isinstance(one, str)}
