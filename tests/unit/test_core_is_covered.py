"""Every line and every branch of the core is run by its unit tests alone."""

import os
import subprocess
import sys
from pathlib import Path


def test_unit_tests_run_every_branch_of_the_core(checkout: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/carp"),
            *("--cov=sidecar.carp", "--cov-branch", "--cov-report=term-missing", "--cov-fail-under=100"),
        ],
        cwd=checkout,
        env={**os.environ, "COVERAGE_FILE": str(tmp_path / "coverage")},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
