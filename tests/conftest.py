"""Holds for every test: where the checkout is, how Hypothesis runs, and that nothing is skipped in silence.

A test that cannot run here is skipped with its reason; where CI=true the same skip is a failure.
"""

import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

IN_CI = os.environ.get("CI") == "true"

# No deadlines: two shared cores stall for longer than any honest one. CI draws the same examples every time.
settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if IN_CI else "dev")

# Started by nohup or in a shell's background, everything here would ignore these, and so would what is under test.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} cannot run here, and CI=true allows no skip: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of the checkout these tests stand in."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def ntpsec_ntpd() -> Path:
    """The real ntpd of ntpsec that `make setup` unpacked (it cannot be installed beside chrony)."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    ntpd = cache / "carp-sidecar" / "bin" / "ntpd"
    if not ntpd.exists():
        pytest.skip(f"no {ntpd}: make setup fetches it")
    return ntpd
