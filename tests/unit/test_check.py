"""What `check` makes of what it found: levels, words and what to do, without a host."""

from pathlib import Path

import pytest

from sidecar.app.punctuality import holds
from sidecar.check.finding import Level, ok, problem
from sidecar.check.privileges import judge, permitted
from sidecar.check.time_server import judge as judge_time
from sidecar.check.timing import dead_time
from sidecar.check.timing import judge as judge_timing
from sidecar.ntp.probe import ProbeResult
from sidecar.ntp.verdict import Miss
from sidecar.settings.load import load
from sidecar.settings.values import VhostSettings

BOTH = frozenset({"CAP_NET_ADMIN", "CAP_NET_RAW"})


def settings(folder: object, **given: str) -> VhostSettings:
    keys = Path(f"{folder}/keys")
    keys.touch(0o600)
    keys.write_text("only for tests\n")
    given = {"vhid": "10", "addresses": "192.0.2.10", "passphrase_file": str(keys), "advskew": "20", **given}
    return load(given, {}).vhosts[0]


def test_a_finding_is_one_line_with_what_to_do() -> None:
    line = str(problem("interface eth9", "there is none of this name", "name another"))
    assert line == "problem  interface eth9: there is none of this name; name another"
    assert str(ok("NTP", "stratum 1")) == "ok       NTP: stratum 1"


def test_a_missing_capability_is_a_problem_that_names_it() -> None:
    first = next(judge(frozenset({"CAP_NET_ADMIN"}), shortest=1.0))
    assert first.level is Level.PROBLEM
    assert "CAP_NET_RAW missing" in first.what


def test_real_time_matters_only_below_a_second() -> None:
    assert [one.level for one in judge(BOTH, shortest=1.0)] == [Level.OK, Level.OK]
    assert [one.level for one in judge(BOTH, shortest=0.1)] == [Level.OK, Level.WARNING]
    assert [one.level for one in judge(BOTH | {"CAP_SYS_NICE"}, shortest=0.1)] == [Level.OK, Level.OK]


def test_capabilities_are_read_from_the_permitted_set() -> None:
    assert permitted("Name:\tx\nCapPrm:\t0000000000003000\nCapEff:\t0000000000000000\n") == BOTH


def test_the_dead_time_is_the_protocols_own(tmp_path: object) -> None:
    assert dead_time(settings(tmp_path)) == pytest.approx(3 + 20 / 256)
    assert dead_time(settings(tmp_path, advbase="0", advskew="3")) == pytest.approx(9 / 256, abs=1e-5)
    assert dead_time(settings(tmp_path, dialect="openbsd")) == pytest.approx(3 + 60 / 256)


def test_a_host_that_is_late_is_trusted_with_a_multiple_only() -> None:
    assert holds(0.040) == pytest.approx(0.120)
    assert holds(0.0001) == pytest.approx(0.035)


def test_a_dead_time_that_the_host_cannot_hold_is_a_warning(tmp_path: object) -> None:
    fast = settings(tmp_path, advbase="0", advskew="5")
    assert [one.level for one in judge_timing(fast, [0.040])] == [Level.WARNING]
    assert [one.level for one in judge_timing(fast, [0.002])] == [Level.OK]


def test_a_time_server_that_does_not_answer_is_a_problem() -> None:
    found = judge_time("NTP server 127.0.0.1:123", ProbeResult(Miss.REFUSED))
    assert found.level is Level.PROBLEM
    assert "demoted by 240" in found.what
