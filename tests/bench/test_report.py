"""The page and the README say what the kept results say, and every property of the table has its row."""

import pytest

from tests.bench import report
from tests.bench.contenders import BY_KEY, Contender
from tests.bench.figures import Figures
from tests.bench.plot import picture
from tests.bench.results import Calm, Checked, Cost, Failure, Flooded, Hosts, Measured, Part, Results
from tests.bench.runs import phase
from tests.bench.table import EVENTS, rate
from tests.bench.verdicts import verdicts


def event(key: str, kind: str, count: int, number: int = 1) -> Measured:
    """Whatever it was, nothing else of it is remarkable."""
    figures = Figures(count, float(count), BY_KEY[key].dead * 1000 + 0.5, 0.4, 0.2)
    return Measured(key, number, kind, 0.5, figures, 0.5, 0.0)


def lost(contender: Contender, kind: str) -> int:
    """As the formula has it, with a graceful rival that is as slow as keepalived."""
    if kind == "crash":
        return int((contender.dead - contender.interval / 2) * 1000)
    if kind == "deaf":
        return int(contender.dead * 900)
    return 600 if kind == "stop" and not contender.ours else 0


def run() -> Results:
    """One in which ours is as wanted."""
    results = Results("2026-01-01 00:00 UTC", "2 processors, with SCHED_FIFO", 8112, 8)
    results.parts = [Part("events", "2026-01-01 00:00 UTC", 600.0, 0.2, 0.9, 12.0)]
    results.events = [event(key, kind, lost(one, kind)) for key, one in BY_KEY.items() for kind in EVENTS]
    results.idle = [Cost(key, "master", 0.02, 39.0, 39.0) for key in BY_KEY]
    results.starts = {"carp-sidecar": [0.2, 0.21], "keepalived": [0.02], "ucarp": [0.04]}
    results.hosts = Hosts(255, 12.0, 60.0, 10.0, 0.003)
    results.calms = [Calm(key, 600.0, 0, 0.0, 0.0) for key in BY_KEY]
    results.checks = [Checked("ours-fastest", "quiet", "ok dead time of vhid 10: 0.035 s; timers were on time")]
    results.floods = [
        Flooded("carp-sidecar, 20 ms", True, source, 50_000.0, 40_000.0, 0, 0.001, 0.001, 0.02)
        for source in ("one stranger", "the master itself")
    ]
    return results


def test_a_run_with_every_figure_as_wanted_reaches_everything_but_what_the_rivals_decide() -> None:
    missed = [one for one in verdicts(run()) if not one.reached]
    assert {one.what.partition(":")[0] for one in missed} <= {
        "power lost, from the new master's first word to its first answer (ms)",  # the rivals' is as good in this run
        "power lost, requests lost (ms)",  # as far as their formula makes it so
    }


def test_a_run_in_which_nothing_could_be_measured_says_so_in_every_row() -> None:
    results = Results()
    results.fail("events", "ours-1s", RuntimeError("no | pipes\nand no lines"))
    text = report.measured(results)
    assert {one.reached for one in verdicts(results)} == {None}
    assert text.count("| - | - | ") >= len(verdicts(results)) > 30
    assert "| events | ours-1s | RuntimeError: no / pipes and no lines |" in text


def test_a_minute_without_a_false_failover_proves_nothing() -> None:
    results = run()
    results.calms = [one._replace(seconds=60.0) for one in results.calms]
    reached = {one.reached for one in verdicts(results) if one.what.startswith("two hogs")}
    assert reached == {None}


def test_one_request_too_many_is_told() -> None:
    results = run()
    results.events += [event("ours-1s", "stop", 2, number) for number in range(2, 9)]
    missed = report.missed(verdicts(results))
    assert "SIGTERM, requests lost: carp-sidecar, advbase 1" in missed


def test_results_are_the_same_after_they_were_kept() -> None:
    results = run()
    results.failures = [Failure("floods", "ucarp", "why")]
    again = Results.load(results.dump())
    assert again.dump() == results.dump()
    assert report.blocks(again) == report.blocks(results)


def test_nothing_seen_in_ten_minutes_bounds_the_rate_only() -> None:
    assert rate(Calm("ours-1s", 600.0, 0, 0.0, 0.0)) == "< 18"
    assert rate(Calm("ours-1s", 600.0, 2, 0.0, 0.0)) == "12"


def test_a_profile_says_what_check_said_of_it() -> None:
    table = report.profile_table(run())
    assert "| ok: 0.035 s; timers were on time | - |" in table
    assert all(f"| `{one.name}` |" in table for one in report.PROFILES)


def test_phases_cover_the_interval_evenly_and_are_the_same_again() -> None:
    phases = [phase(number, 8, 8112) for number in range(1, 9)]
    assert sorted(int(one * 8) for one in phases) == list(range(8))
    assert phases == [phase(number, 8, 8112) for number in range(1, 9)]


@pytest.mark.parametrize("kind", EVENTS)
def test_a_picture_has_a_dot_a_run(kind: str) -> None:
    assert picture(run().events, kind).count("<circle") == len(BY_KEY)


def test_pages_say_what_the_kept_results_say() -> None:
    """By `--from docs/benchmarks/results.json --write`, when this fails."""
    kept = Results.load(report.RESULTS.read_text()) if report.RESULTS.exists() else None
    for page, text in report.rendered(kept):
        assert page.read_text() == text, f"{page.name} is not made from docs/benchmarks/results.json"
    assert kept is None or not kept.quick, "a quick run is no measurement"


def test_a_page_without_its_marks_is_an_error() -> None:
    with pytest.raises(ValueError, match="<!-- bench -->"):
        report.replaced("nothing here", "bench", "body")
