"""The metrics: exactly these names and labels, in the text that Prometheus reads."""

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from sidecar.carp.config import Config
from sidecar.carp.effects import Reason, State
from sidecar.ops.metrics import Metrics, Sources
from sidecar.report import Counters, Histogram, VhostReport
from tests.unit.ops_reports import ADDRESSES, report

NTP = {
    "state": "holdover",
    "stratum": 2,
    "leap": 0,
    "reference_age_s": 5000.5,
    "root_distance_s": 0.002,
    "vip_answers": True,
}

NAMES = {
    "carp_build_info": {"version", "python"},
    "carp_state": {"vhid"},
    "carp_effective_advskew": {"vhid"},
    "carp_addresses_held": {"vhid"},
    "carp_address_claims_total": {"vhid", "verdict"},
    "carp_address_conflict": {"vhid"},
    "carp_split_brain_suspected": {"vhid"},
    "carp_transitions_total": {"vhid", "from", "to", "reason"},
    "carp_demotion": {"vhid", "cause"},
    "carp_advertisements_sent_total": {"vhid"},
    "carp_advertisements_received_total": {"vhid"},
    "carp_advertisements_by_key_total": {"vhid", "key"},
    "carp_advertisements_dropped_total": {"vhid", "reason"},
    "carp_timer_lateness_seconds_bucket": {"vhid", "le"},
    "carp_timer_lateness_seconds_count": {"vhid"},
    "carp_timer_lateness_seconds_sum": {"vhid"},
    "carp_ntp_state": {"state"},
    "carp_ntp_stratum": set(),
    "carp_ntp_reference_age_seconds": set(),
    "carp_ntp_root_distance_seconds": set(),
    "carp_vip_answering": set(),
    "carp_config_load_error": set(),
}


class Node:
    """A node whose values a test may change between two scrapes."""

    def __init__(self) -> None:
        self.reports: list[VhostReport] = [full()]
        self.ntp: dict[str, object] | None = NTP
        self.failed = False
        self.kubernetes: dict[str, object] = {"enabled": False}
        self._metrics = Metrics(
            Sources("1.2.3", lambda: self.reports, lambda: self.ntp, lambda: self.failed, lambda: self.kubernetes)
        )

    def text(self) -> str:
        return self._metrics.render().decode()

    def scrape(self) -> dict[str, Metric]:
        return {family.name: family for family in text_string_to_metric_families(self.text())}

    def samples(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.scrape().values()
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float | None:
        return self.samples().get((name, frozenset(labels.items())))


def full(vhid: int = 10) -> VhostReport:
    lateness = Histogram.of(0.001, 0.1)
    for late in (0.0005, 0.0006, 0.05, 3.0):
        lateness.add(late)
    return report(
        State.MASTER,
        config=Config(vhid, ADDRESSES),
        demotion=80,
        causes={"ntp": 80},
        effective_advskew=100,
        counters=Counters(7, 5, {"badauth": 2, "replay": 1}, {1: 5, 2: 0}),
        transition_counts={(State.BACKUP, State.MASTER, Reason.MASTER_DOWN): 3},
        lateness=lateness,
    )


@pytest.fixture
def node() -> Node:
    return Node()


def test_these_names_and_labels_and_no_others(node: Node) -> None:
    found: dict[str, set[str]] = {}
    for name, labels in node.samples():
        found.setdefault(name, set()).update(key for key, _ in labels)
    assert found == NAMES


def test_every_metric_explains_itself(node: Node) -> None:
    assert {family.name for family in node.scrape().values() if not family.documentation.endswith(".")} == set()


@pytest.mark.parametrize(("state", "number"), [(State.INIT, 0), (State.BACKUP, 1), (State.MASTER, 2)])
def test_state_is_a_number(node: Node, state: State, number: int) -> None:
    node.reports = [report(state)]
    assert node.value("carp_state", vhid="10") == number


def test_counters_are_those_of_the_report(node: Node) -> None:
    assert node.value("carp_advertisements_sent_total", vhid="10") == 7
    assert node.value("carp_advertisements_received_total", vhid="10") == 5
    assert node.value("carp_advertisements_by_key_total", vhid="10", key="1") == 5
    assert node.value("carp_advertisements_by_key_total", vhid="10", key="2") == 0, "nobody signs with it any more"
    assert node.value("carp_advertisements_dropped_total", vhid="10", reason="badauth") == 2
    assert node.value("carp_transitions_total", vhid="10", to="MASTER", reason="master_down", **{"from": "BACKUP"}) == 3
    assert node.value("carp_addresses_held", vhid="10") == 2
    assert node.value("carp_effective_advskew", vhid="10") == 100


def test_a_reason_that_never_happened_is_counted_as_zero(node: Node) -> None:
    assert node.value("carp_advertisements_dropped_total", vhid="10", reason="badttl") == 0
    assert node.value("carp_advertisements_dropped_total", vhid="10", reason="replay") == 1


def test_lateness_is_cumulative_as_prometheus_wants_it(node: Node) -> None:
    buckets = [
        node.value("carp_timer_lateness_seconds_bucket", vhid="10", le=bound) for bound in ("0.001", "0.1", "+Inf")
    ]
    assert buckets == [2, 3, 4]
    assert node.value("carp_timer_lateness_seconds_count", vhid="10") == 4
    assert node.value("carp_timer_lateness_seconds_sum", vhid="10") == pytest.approx(3.0511)


def test_a_cause_that_is_gone_falls_to_zero(node: Node) -> None:
    assert node.value("carp_demotion", vhid="10", cause="ntp") == 80
    node.reports = [report(State.MASTER)]
    assert node.value("carp_demotion", vhid="10", cause="ntp") == 0


def test_one_ntp_state_is_one(node: Node) -> None:
    states = ("ok", "holdover", "stale", "unsynchronised", "dead")
    assert [node.value("carp_ntp_state", state=state) for state in states] == [0, 1, 0, 0, 0]


@pytest.mark.parametrize("ntp", [None, {"state": "off", "stratum": None, "vip_answers": None}])
def test_without_a_watched_server_there_is_no_ntp_sample(node: Node, ntp: dict[str, object] | None) -> None:
    node.ntp = ntp
    assert [name for name, _ in node.samples() if name.startswith(("carp_ntp", "carp_vip"))] == []


def test_what_is_not_known_has_no_sample(node: Node) -> None:
    node.ntp = {**NTP, "reference_age_s": None, "vip_answers": None}
    assert node.value("carp_ntp_reference_age_seconds") is None
    assert node.value("carp_vip_answering") is None
    assert node.value("carp_ntp_stratum") == 2


@pytest.mark.parametrize(("answers", "value"), [(True, 1), (False, 0)])
def test_an_address_that_does_not_answer_is_zero(node: Node, answers: bool, value: int) -> None:
    node.ntp = {**NTP, "vip_answers": answers}
    assert node.value("carp_vip_answering") == value


def test_a_refused_configuration_shows_until_it_is_mended(node: Node) -> None:
    assert node.value("carp_config_load_error") == 0
    node.failed = True
    assert node.value("carp_config_load_error") == 1


def test_kubernetes_is_counted_only_where_it_is_told(node: Node) -> None:
    assert node.value("carp_kubernetes_sync_errors_total") is None
    node.kubernetes = {"enabled": True, "errors": 3, "lag_s": 1.5}
    assert node.value("carp_kubernetes_sync_errors_total") == 3
    assert node.value("carp_kubernetes_sync_lag_seconds") == 1.5


def test_every_name_is_explained_even_while_there_is_nothing_to_measure(node: Node) -> None:
    """Whoever looks for a name finds it, on the smallest node: no Kubernetes, no NTP server, nothing ever demoted."""
    node.reports, node.ntp = [report()], None
    shown = node.text()
    names = {name.removesuffix("_bucket") for name in NAMES if not name.endswith(("_sum", "_count", "_created"))}
    names |= {"carp_kubernetes_sync_errors_total", "carp_kubernetes_sync_lag_seconds"}
    assert {name for name in names if f"# TYPE {name} " not in shown} == set()


def test_several_virtual_hosts_stand_side_by_side(node: Node) -> None:
    node.reports = [full(10), full(11)]
    assert node.value("carp_state", vhid="10") == node.value("carp_state", vhid="11") == 2


def test_two_registries_do_not_meet() -> None:
    assert Node().value("carp_state", vhid="10") == Node().value("carp_state", vhid="10") == 2
