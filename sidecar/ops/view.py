"""What an operator is shown, made of reports: pure functions, the shapes are the contract of ``/status``.

Everything that shows the node (page, command, metrics, probes) shows this, so that no two of them disagree.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from ipaddress import ip_address
from typing import Final, NamedTuple, TypedDict

from sidecar.carp.config import interval_us
from sidecar.carp.conflicts import Conflict, describe
from sidecar.carp.constants import FULL_DEMOTION, MICROSECONDS
from sidecar.carp.effects import Reason, State
from sidecar.carp.peers import Peer
from sidecar.carp.status import Status
from sidecar.report import Transition, VhostReport

SELF: Final = "self"
"""``master.source`` while this node is the master: it has no source of its own to tell apart."""
TICK_GRACE: Final = 1.0
"""Seconds that a deadline may be overdue before the loop counts as stuck, or three intervals where they are longer."""
_TICK_INTERVALS: Final = 3
_SAME_MOMENT: Final = 1.0
"""Seconds by which the clock may have been slewed since a transition before its time is not believed any more."""
_DRAIN: Final = "drain"
"""The cause of demotion that says that this pod or node will soon be replaced."""
_FAULTS: Final = {Reason.CARPDEV_DOWN, Reason.ADDRESSES_FAILED}

TransitionView = TypedDict("TransitionView", {"at": str, "from": str, "to": str, "reason": str})


class DemotionView(TypedDict):
    """The sum, and what it is made of."""

    total: int
    causes: dict[str, int]


class MasterView(TypedDict):
    """The master that is known: ``source`` is its address, or ``self``."""

    source: str
    advbase: int
    advskew: int


class PeerView(TypedDict):
    """One source heard. ``demotion``: OpenBSD's byte; ``key``: the line that signed; ``left``: it bowed out."""

    source: str
    speaker: str
    advbase: int
    advskew: int
    demotion: int
    last_heard_s: float
    key: str
    left: bool


class CountersView(TypedDict):
    """Advertisements since start."""

    sent: int
    received: int
    dropped: dict[str, int]


class ConflictView(TypedDict):
    """Somebody else who answers for an address. ``kind``: the Event's name; ``address`` null: all of them.

    ``source``: the address it advertises from, if it was heard so; ``says``: by what frame, last.
    """

    kind: str
    address: str | None
    mac: str
    source: str | None
    says: str
    since: str
    last_heard_s: float
    count: int
    text: str


class VhostView(TypedDict):
    """One virtual host. ``since`` is null before the first state; ``resting_s`` counts down after a resign.

    ``keys``: how many advertisements each line of the passphrase file has verified since the keys were last changed; at
    0 for the old one, and with every peer heard since, it can go.
    """

    vhid: int
    interface: str
    state: str
    since: str | None
    reason: str
    advbase: int
    advskew: int
    effective_advskew: int
    demotion: DemotionView
    addresses: list[str]
    addresses_held: bool
    master: MasterView | None
    peers: list[PeerView]
    counters: CountersView
    transitions: list[TransitionView]
    handing_over: bool
    resting_s: float | None
    conflicts: list[ConflictView]
    keys: dict[str, int]


class StatusView(TypedDict):
    """The whole of ``/status``."""

    version: str
    node: str
    vhosts: list[VhostView]
    ntp: dict[str, object]
    kubernetes: dict[str, object]


class Role(StrEnum):
    """A virtual host's role in a word: INIT is a fault where the interface or the addresses are to blame."""

    MASTER = "master"
    BACKUP = "backup"
    INIT = "init"
    FAULT = "fault"


class Health(NamedTuple):
    """A verdict and the sentence that explains it."""

    ok: bool
    text: str


NTP_OFF: Final[Mapping[str, object]] = {
    "state": "off",
    "stratum": None,
    "leap": None,
    "reference_age_s": None,
    "root_distance_s": None,
    "vip_answers": None,
}


def iso(wall: float) -> str:
    """Unix seconds as ISO 8601 in UTC with milliseconds."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def status_view(
    version: str,
    node: str,
    vhosts: Sequence[VhostReport],
    ntp: Mapping[str, object] | None,
    kubernetes: Mapping[str, object],
) -> StatusView:
    """``/status``. ``ntp`` None: nothing is watched, and its state is ``off``."""
    return {
        "version": version,
        "node": node,
        "vhosts": [_vhost_view(report) for report in vhosts],
        "ntp": dict(NTP_OFF) | dict(ntp or {}),
        "kubernetes": dict(kubernetes),
    }


def _vhost_view(report: VhostReport) -> VhostView:
    status, config = report.status, report.status.config
    return {
        "vhid": config.vhid,
        "interface": report.interface,
        "state": status.state.value,
        "since": since_of(report),
        "reason": status.reason,
        "advbase": config.advbase,
        "advskew": config.advskew,
        "effective_advskew": status.effective_advskew,
        "demotion": {"total": status.demotion, "causes": dict(status.causes)},
        "addresses": [str(address) for address in config.addresses],
        "addresses_held": holds_all(report),
        "master": _master_view(status),
        "peers": [_peer_view(peer, report.now) for peer in reversed(status.peers)],
        "counters": _counters_view(report),
        "transitions": [_transition_view(transition) for transition in report.transitions],
        "handing_over": status.handing_over,
        "resting_s": _rest(status, report.now),
        "conflicts": [_conflict_view(conflict, report) for conflict in report.conflicts],
        "keys": {str(number): count for number, count in report.counters.by_key.items()},
    }


def since_of(report: VhostReport) -> str | None:
    """When it became what it is: to the millisecond as its last transition has it, unless the clock was set since."""
    if not report.status.since:
        return None
    began = report.wall - (report.now - report.status.since)
    told = report.transitions[-1].at if report.transitions else began
    return iso(told if abs(told - began) < _SAME_MOMENT else began)


def holds_all(report: VhostReport) -> bool:
    """Whether the kernel holds every address of the virtual host, whatever its state is."""
    return bool(report.addresses_held) and set(report.status.config.addresses) <= set(report.addresses_held)


def _master_view(status: Status) -> MasterView | None:
    if status.state is State.MASTER:
        return {"source": SELF, "advbase": status.config.advbase, "advskew": status.effective_advskew}
    peer = status.master
    if peer is None or status.state is State.INIT:
        return None
    return {"source": peer.address, "advbase": peer.advbase, "advskew": peer.advskew}


def _peer_view(peer: Peer, now: float) -> PeerView:
    return {
        "source": peer.address,
        "speaker": peer.speaker.value,
        "advbase": peer.advbase,
        "advskew": peer.advskew,
        "demotion": peer.demote,
        "last_heard_s": round(max(0.0, now - peer.heard_at), 3),
        "key": str(peer.key),
        "left": peer.left,
    }


def _counters_view(report: VhostReport) -> CountersView:
    counters = report.counters
    return {"sent": counters.sent, "received": counters.received, "dropped": dict(counters.dropped)}


def _transition_view(transition: Transition) -> TransitionView:
    detail = f": {transition.detail}" if transition.detail else ""
    return {
        "at": iso(transition.at),
        "from": transition.old.value,
        "to": transition.new.value,
        "reason": f"{transition.reason}{detail}",
    }


def _conflict_view(conflict: Conflict, report: VhostReport) -> ConflictView:
    return {
        "kind": conflict.kind.value,
        "address": str(ip_address(conflict.address)) if conflict.address else None,
        "mac": conflict.mac.hex(":"),
        "source": str(ip_address(conflict.source)) if conflict.source else None,
        "says": conflict.says.value,
        "since": iso(report.wall - (report.now - conflict.since)),
        "last_heard_s": round(max(0.0, report.now - conflict.heard_at), 3),
        "count": conflict.count,
        "text": describe(conflict),
    }


def _rest(status: Status, now: float) -> float | None:
    return None if status.resting_until is None else round(max(0.0, status.resting_until - now), 3)


def role_of(report: VhostReport) -> Role:
    """The role of one virtual host."""
    state = report.status.state
    if state is not State.INIT:
        return Role.MASTER if state is State.MASTER else Role.BACKUP
    return Role.FAULT if report.status.reason.partition(":")[0] in _FAULTS else Role.INIT


def readiness(mode: str, reports: Sequence[VhostReport], *, settled: bool = True) -> Health:
    """``health``: ready iff each virtual host takes part and is not fully demoted.

    ``role``: ready iff master of any virtual host; while the rollout is not ``settled``, as ``health``.
    """
    if mode == "health" or not settled:
        return health(reports)
    roles = [role_of(report) for report in reports]
    said = ", ".join(f"vhid {report.status.config.vhid} is {role}" for report, role in zip(reports, roles, strict=True))
    return Health(Role.MASTER in roles, said or "no virtual host")


def health(reports: Sequence[VhostReport]) -> Health:
    """Whether each virtual host takes part and is not fully demoted; that it is to be replaced is no illness.

    A rollout demotes every old pod: were that unhealthy, the DaemonSet's controller would take them all at once.
    """
    for report in reports:
        status = report.status
        if status.state is State.INIT:
            return Health(False, f"vhid {status.config.vhid} takes no part: {status.reason}")
        illness = status.demotion - status.causes.get(_DRAIN, 0)
        if illness >= FULL_DEMOTION:
            return Health(False, f"vhid {status.config.vhid} is demoted by {illness}")
    return Health(True, "every virtual host takes part") if reports else Health(False, "no virtual host")


def liveness(reports: Sequence[VhostReport], deadlines: Sequence[float | None], now: float) -> Health:
    """Whether elections tick on time. ``deadlines`` beside ``reports``, on the clock of ``now``; None has none."""
    for report, deadline in zip(reports, deadlines, strict=True):
        late = now - deadline if deadline is not None else 0.0
        if late > _grace(report.status):
            return Health(False, f"vhid {report.status.config.vhid}: a deadline is overdue by {late:.3f} s")
    return Health(True, "the election ticks on time")


def _grace(status: Status) -> float:
    interval = interval_us(status.config.advbase, status.effective_advskew) / MICROSECONDS
    return max(TICK_GRACE, _TICK_INTERVALS * interval)
