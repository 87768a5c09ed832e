"""Whether this pod has settled, which decides what readiness means: settled, the master is ready; before, every member.

Pure, time is an argument. A pod settles some seconds after it has once seen its DaemonSet complete, or at the latest
when the cap is reached. Completeness seen is not unseen: others settle and turn unready in the meantime. The mark in
the pod's own annotation carries it over a restart of the container; another revision or release, or a rollout, voids it
(but not the rollout that hung until the cap: the pod would come and go as ready for ever).
"""

from dataclasses import dataclass
from typing import Final

from sidecar.kube import names
from sidecar.kube.facts import DaemonSet, Pod

SETTLE: Final = 30.0
"""Seconds between a complete DaemonSet and settling: much longer than news takes to reach every pod."""
CAP: Final = 600.0
"""Seconds after which a pod settles although it never saw its DaemonSet complete."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``mark``: what the annotation should be; empty when there should be none. ``known``: enough was seen to tell."""

    known: bool
    settled: bool
    mark: str = ""


class Latch:
    """Feed it what is seen; ask for the verdict at any time. ``due`` says when time alone changes it."""

    def __init__(self, now: float, settle: float = SETTLE, cap: float = CAP) -> None:
        self._settle, self._cap = settle, cap
        self._key = ""
        self._settled = False
        self._known = False
        self._capped_at = now + cap
        self._complete_at: float | None = None
        self._generation = 0
        self._given_up_on: int | None = None

    def see(self, pod: Pod, daemonset: DaemonSet | None, now: float) -> Verdict:
        """The pod as it is, and its DaemonSet, or None while that could not be read."""
        if not pod.daemonset:
            self._known = self._settled = True
            return Verdict(known=True, settled=True)
        if daemonset is not None:
            self._follow(pod, daemonset, now)
        return self.verdict(now)

    def _follow(self, pod: Pod, daemonset: DaemonSet, now: float) -> None:
        key = f"{pod.revision}.{daemonset.release}"
        if key != self._key:
            self._key = key
            self._unsettle(now)
            self._settled = pod.meta.annotations.get(names.SETTLED) == key
        self._known, self._generation = True, daemonset.generation
        if daemonset.rolling:
            if daemonset.generation != self._given_up_on and (self._settled or self._complete_at is not None):
                self._unsettle(now)
        elif daemonset.complete and self._complete_at is None:
            self._complete_at = now

    def _unsettle(self, now: float) -> None:
        self._settled = False
        self._complete_at = self._given_up_on = None
        self._capped_at = now + self._cap

    def verdict(self, now: float) -> Verdict:
        """The verdict of now."""
        due = self.due
        if due is not None and now >= due:
            self._settled = True
            self._given_up_on = self._generation if self._complete_at is None else None
        return Verdict(self._known, self._settled, self._key if self._settled else "")

    @property
    def due(self) -> float | None:
        """When it settles by itself; None when it has."""
        if self._settled:
            return None
        return self._capped_at if self._complete_at is None else self._complete_at + self._settle
