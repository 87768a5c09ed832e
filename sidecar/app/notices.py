"""What the notice board is to show, made of reports, and what of it deserves an Event. Pure: reports bring the time."""

import itertools
from collections import deque
from collections.abc import Sequence
from typing import Final

from sidecar.carp.config import interval_us
from sidecar.carp.conflicts import ConflictKind, describe
from sidecar.carp.constants import MICROSECONDS
from sidecar.carp.effects import State
from sidecar.kube.wire import Happening, Notice, VhostNotice
from sidecar.ops.view import Role, health, iso, role_of, since_of
from sidecar.report import VhostReport

_ALONE: Final = 3
"""Intervals without another's advertisement after which a master is alone."""
_UNTOLD: Final = 16
_AUTH_PAUSE: Final = 600.0
"""Seconds between two Events about advertisements that no key of ours signed."""
_CONFLICT_PAUSE: Final = 600.0
"""Seconds between two Events about the same conflict, which may come and go."""


def vhost_notice(report: VhostReport, since: str) -> VhostNotice:
    """One virtual host. ``since`` as it was told first: the difference of two clocks is never the same twice."""
    status, config = report.status, report.status.config
    interval = interval_us(config.advbase, status.effective_advskew) / MICROSECONDS
    return VhostNotice(
        vhid=config.vhid,
        role=role_of(report).value,
        addresses=tuple(str(address) for address in config.addresses),
        since=since,
        reason=status.reason,
        advskew=status.effective_advskew,
        demotion=status.demotion,
        interval_s=round(interval, 6),
        alone=_alone(report, interval),
        silence_s=round(_silence(report), 3),
    )


def _alone(report: VhostReport, interval: float) -> bool:
    """Whether this master heard nobody else since it is master, or for three intervals."""
    if report.status.state is not State.MASTER:
        return False
    since = max(report.status.since, report.now - _ALONE * interval)
    return not any(peer.heard_at > since and not peer.left for peer in report.status.peers)


def _silence(report: VhostReport) -> float:
    """Seconds without another's advertisement before this node became master: what elected it, for good."""
    since = report.status.since
    heard = [peer.heard_at for peer in report.status.peers if peer.heard_at <= since]
    return since - max(heard) if heard and report.status.state is State.MASTER else 0.0


class Chronicle:
    """Remembers what happened until the notice board has told it."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._untold: deque[Happening] = deque(maxlen=_UNTOLD)
        self._roles: dict[int, Role] = {}
        self._demotions: dict[int, int] = {}
        self._forged: dict[int, tuple[int, float]] = {}
        self._conflicts: dict[tuple[int, ConflictKind, bytes], float] = {}
        self._since: dict[int, tuple[float, str]] = {}

    @property
    def untold(self) -> tuple[Happening, ...]:
        """Oldest first."""
        return tuple(self._untold)

    def told(self, number: int) -> None:
        """All up to this one have been told."""
        while self._untold and self._untold[0].number <= number:
            self._untold.popleft()

    def since(self, report: VhostReport) -> str:
        """When it became what it is."""
        vhid, since = report.status.config.vhid, report.status.since
        if self._since.get(vhid, (-1.0, ""))[0] != since:
            self._since[vhid] = (since, since_of(report) or "")
        return self._since[vhid][1]

    def follow(self, reports: Sequence[VhostReport]) -> None:
        """What is different since the last time."""
        for report in reports:
            self._follow_role(report)
            self._follow_demotion(report)
            self._follow_forgeries(report)
            self._follow_conflicts(report)

    def _note(self, report: VhostReport, reason: str, text: str, *, warning: bool = False) -> None:
        note = f"vhid {report.status.config.vhid}: {text}"
        self._untold.append(Happening(next(self._numbers), iso(report.wall), reason, note, warning))

    def _follow_role(self, report: VhostReport) -> None:
        vhid, role = report.status.config.vhid, role_of(report)
        before, self._roles[vhid] = self._roles.get(vhid), role
        if before == role or role not in {Role.MASTER, Role.BACKUP}:
            return
        names = ", ".join(str(address) for address in report.status.config.addresses)
        if role is Role.MASTER:
            self._note(report, "BecameMaster", f"holds {names}: {report.status.reason}")
        else:
            self._note(report, "BecameBackup", report.status.reason)

    def _follow_demotion(self, report: VhostReport) -> None:
        vhid, demotion = report.status.config.vhid, report.status.demotion
        before, self._demotions[vhid] = self._demotions.get(vhid, 0), demotion
        if bool(before) == bool(demotion):
            return
        if demotion:
            causes = ", ".join(f"{cause} {amount}" for cause, amount in report.status.causes.items())
            self._note(report, "Demoted", f"demoted by {demotion} ({causes})", warning=True)
        else:
            self._note(report, "Recovered", "no longer demoted")

    def _follow_forgeries(self, report: VhostReport) -> None:
        vhid, count = report.status.config.vhid, report.counters.dropped.get("badauth", 0)
        before, told_at = self._forged.get(vhid, (0, report.now - _AUTH_PAUSE))
        if count > before and report.now - told_at >= _AUTH_PAUSE:
            self._forged[vhid] = (count, report.now)
            text = f"{count - before} advertisements that no key of ours signed: another passphrase, or a stranger"
            self._note(report, "AuthenticationFailures", text, warning=True)

    def _follow_conflicts(self, report: VhostReport) -> None:
        vhid, now = report.status.config.vhid, report.now
        self._conflicts = {key: at for key, at in self._conflicts.items() if now - at < _CONFLICT_PAUSE}
        for one in report.conflicts:
            key = (vhid, one.kind, one.address or one.source)
            if key not in self._conflicts:
                self._conflicts[key] = now
                self._note(report, one.kind.value, describe(one), warning=True)


def notice_of(reports: Sequence[VhostReport], chronicle: Chronicle, number: int, *, leaving: bool = False) -> Notice:
    """All of it."""
    vhosts = tuple(vhost_notice(report, chronicle.since(report)) for report in reports)
    return Notice(number, vhosts, health(reports).ok, chronicle.untold, leaving)
