"""Prometheus metrics over the same reports as ``/status``, collected when asked for; the door of prometheus_client.

Its import takes tens of milliseconds: whoever runs an election imports this module when the election is up.
"""

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from sidecar.carp.conflicts import ConflictKind, Verdict
from sidecar.carp.effects import State
from sidecar.carp.receive import DropReason
from sidecar.report import Histogram, VhostReport

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
NTP_STATES: Final = ("ok", "holdover", "stale", "unsynchronised", "dead")
_STATE_NUMBERS: Final = {State.INIT: 0, State.BACKUP: 1, State.MASTER: 2}


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the values come from, each asked at every scrape."""

    version: str
    reports: Callable[[], Sequence[VhostReport]]
    ntp: Callable[[], Mapping[str, object] | None]
    config_load_error: Callable[[], bool]
    kubernetes: Callable[[], Mapping[str, object]] = dict


class Metrics(Collector):
    """All metrics of this node in a registry of their own."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._causes = Causes()
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def render(self) -> bytes:
        """The text exposition of now."""
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """Nothing: names are fixed, and asking for reports before there are any would be wrong."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every metric family."""
        reports = self._sources.reports()
        yield _build_info(self._sources.version)
        yield from _states(reports)
        yield self._causes.family(reports)
        yield from _advertisements(reports)
        yield from _conflicts(reports)
        yield _lateness(reports)
        yield from _ntp(self._sources.ntp() or {})
        failed = GaugeMetricFamily(
            "carp_config_load_error",
            "1 while the last configuration or keys read were refused and the ones before them still hold.",
        )
        failed.add_metric([], float(self._sources.config_load_error()))
        yield failed
        yield from _kubernetes(self._sources.kubernetes())


@dataclass(slots=True)
class Causes:
    """Causes of demotion, remembered: one that is gone is shown as 0, so that a graph falls instead of ending."""

    _seen: dict[str, set[str]] = field(default_factory=dict)

    def family(self, reports: Iterable[VhostReport]) -> Metric:
        """``carp_demotion``."""
        family = GaugeMetricFamily(
            "carp_demotion",
            "Why this node would rather not serve, by cause; the sum counts. A cause appears when it first applies.",
            labels=["vhid", "cause"],
        )
        for report in reports:
            vhid, causes = _vhid(report), report.status.causes
            seen = self._seen.setdefault(vhid, set())
            seen.update(causes)
            for cause in sorted(seen):
                family.add_metric([vhid, cause], causes.get(cause, 0))
        return family


def _vhid(report: VhostReport) -> str:
    return str(report.status.config.vhid)


def _build_info(version: str) -> Metric:
    family = InfoMetricFamily("carp_build", "What runs here.")
    family.add_metric([], {"version": version, "python": platform.python_version()})
    return family


def _gauge(name: str, text: str, values: Iterable[tuple[VhostReport, float]]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=["vhid"])
    for report, value in values:
        family.add_metric([_vhid(report)], value)
    return family


def _states(reports: Sequence[VhostReport]) -> Iterator[Metric]:
    yield _gauge(
        "carp_state",
        "What this node believes: 0 INIT, 1 BACKUP, 2 MASTER. Two masters on a split network both say 2.",
        ((report, _STATE_NUMBERS[report.status.state]) for report in reports),
    )
    yield _gauge(
        "carp_effective_advskew",
        "The advskew that is advertised, demotion included (1/256 s; less is preferred).",
        ((report, report.status.effective_advskew) for report in reports),
    )
    yield _gauge(
        "carp_addresses_held",
        "How many virtual addresses the kernel of this node holds. That clients reach them is another matter.",
        ((report, len(report.addresses_held)) for report in reports),
    )
    yield _transitions(reports)


def _transitions(reports: Iterable[VhostReport]) -> Metric:
    family = CounterMetricFamily(
        "carp_transitions_total", "Changes of state since start.", labels=["vhid", "from", "to", "reason"]
    )
    for report in reports:
        for (old, new, reason), count in report.transition_counts.items():
            family.add_metric([_vhid(report), old.value, new.value, reason.value], count)
    return family


def _advertisements(reports: Sequence[VhostReport]) -> Iterator[Metric]:
    sent = CounterMetricFamily(
        "carp_advertisements_sent_total",
        "Advertisements handed to the kernel. That a peer heard them is not promised.",
        labels=["vhid"],
    )
    received = CounterMetricFamily(
        "carp_advertisements_received_total", "Advertisements that passed every check.", labels=["vhid"]
    )
    dropped = CounterMetricFamily(
        "carp_advertisements_dropped_total",
        "Advertisements that were not believed, by the first check that failed. "
        "What the kernel's filter keeps out (other vhids, under a flood strangers) is not counted.",
        labels=["vhid", "reason"],
    )
    by_key = CounterMetricFamily(
        "carp_advertisements_by_key_total",
        "Advertisements that passed every check, by the line of the passphrase file that verified them, since the keys "
        "were last changed. A backup says nothing: a 0 speaks for those only that were master since.",
        labels=["vhid", "key"],
    )
    for report in reports:
        vhid, counters = _vhid(report), report.counters
        for key, count in counters.by_key.items():
            by_key.add_metric([vhid, str(key)], count)
        sent.add_metric([vhid], counters.sent)
        received.add_metric([vhid], counters.received)
        for reason in sorted({*map(str, DropReason), *counters.dropped}):
            dropped.add_metric([vhid, reason], counters.dropped.get(reason, 0))
    yield from (sent, received, by_key, dropped)


def _conflicts(reports: Sequence[VhostReport]) -> Iterator[Metric]:
    """What others say of the addresses; only a master judges it."""
    for name, kind, text in _CONFLICTS:
        values = ((report, any(one.kind is kind for one in report.conflicts)) for report in reports)
        yield _gauge(name, text, values)
    claims = CounterMetricFamily(
        "carp_address_claims_total",
        "ARP and neighbour discovery that says who has the addresses: own (ours, reflected), expected (not judged), "
        "member (the virtual MAC, though this node is master), stranger, wanted (asks whether it is free).",
        labels=["vhid", "verdict"],
    )
    for report in reports:
        for verdict in Verdict:
            claims.add_metric([_vhid(report), verdict.value], report.claims.get(verdict, 0))
    yield claims


_CONFLICTS: Final = (
    (
        "carp_address_conflict",
        ConflictKind.VIP_CONFLICT,
        "1 while a stranger answers for a virtual address of this master.",
    ),
    (
        "carp_split_brain_suspected",
        ConflictKind.SPLIT_BRAIN,
        (
            "1 while this master has signs of another one that does not hear it, or that it does not hear. "
            "0 is no proof: what is wholly cut off cannot be noticed."
        ),
    ),
)


def _lateness(reports: Iterable[VhostReport]) -> Metric:
    family = HistogramMetricFamily(
        "carp_timer_lateness_seconds",
        "How late the election handled its deadlines: what this host's scheduling and the daemon itself cost.",
        labels=["vhid"],
    )
    for report in reports:
        family.add_metric([_vhid(report)], _buckets(report.lateness), report.lateness.total)
    return family


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Prometheus wants them cumulative and with text bounds."""
    bounds = [str(bound) for bound in histogram.bounds] + ["+Inf"]
    return list(zip(bounds, map(float, accumulate(histogram.counts)), strict=True))


def _kubernetes(kubernetes: Mapping[str, object]) -> Iterator[Metric]:
    """No samples where Kubernetes is off."""
    errors = CounterMetricFamily(
        "carp_kubernetes_sync_errors_total",
        "Requests to the Kubernetes API that failed. None of them costs an address.",
    )
    lag = GaugeMetricFamily(
        "carp_kubernetes_sync_lag_seconds",
        "How long the oldest news of this node has waited for the API to take it; 0 when labels are right.",
    )
    for family, key in ((errors, "errors"), (lag, "lag_s")):
        value = kubernetes.get(key)
        if isinstance(value, int | float):
            family.add_metric([], float(value))
        yield family


def _ntp(ntp: Mapping[str, object]) -> Iterator[Metric]:
    """No samples where no server is watched; of a value that is not known there is no sample."""
    state = GaugeMetricFamily(
        "carp_ntp_state",
        "1 for the state the watched NTP server is in, 0 for the others; nothing while none is watched.",
        labels=["state"],
    )
    if ntp and ntp.get("state") != "off":
        for name in dict.fromkeys([*NTP_STATES, str(ntp["state"])]):
            state.add_metric([name], float(name == ntp["state"]))
    yield state
    for name, key, text in _NTP_VALUES:
        family = GaugeMetricFamily(name, text)
        value = ntp.get(key)
        if isinstance(value, int | float):
            family.add_metric([], float(value))
        yield family


_NTP_VALUES: Final = (
    ("carp_ntp_stratum", "stratum", "Stratum in the last good answer of the NTP server; 0 is unsynchronised."),
    (
        "carp_ntp_reference_age_seconds",
        "reference_age_s",
        "How long ago the NTP server last heard a source of its own, by its own timestamps.",
    ),
    (
        "carp_ntp_root_distance_seconds",
        "root_distance_s",
        "The error the NTP server itself admits to. A server that is wrong and does not know it admits to nothing.",
    ),
    (
        "carp_vip_answering",
        "vip_answers",
        "1 while the virtual addresses held here answer NTP, asked from here. That clients reach them is not promised.",
    ),
)
