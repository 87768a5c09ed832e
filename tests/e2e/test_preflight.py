"""A machine that cannot run the cluster is told exactly what it lacks, and nothing has been made by then."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


def check(before: Sequence[str], **settings: str) -> str:
    """What `check` complains about when it is run by the command `before`."""
    command = [*before, sys.executable, "-B", "-m", "tests.e2e.cluster", "check"]
    done = subprocess.run(
        command, cwd=CHECKOUT, env={**os.environ, **settings}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    return done.stderr


def without(capability: str) -> list[str]:
    return ["setpriv", f"--bounding-set=-{capability}", f"--inh-caps=-{capability}"]


def test_this_machine_has_all() -> None:
    command = [sys.executable, "-m", "tests.e2e.cluster", "check"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("before", "named"),
    [
        (["setpriv", "--reuid=65534", "--clear-groups"], "run it as root"),
        (without("sys_admin"), "(root with CAP_SYS_ADMIN): unshare"),
        (without("net_admin"), "bridges (module bridge)"),
    ],
)
def test_what_root_may_not_do_is_named(before: list[str], named: str) -> None:
    assert named in check(before)


def test_packages_that_are_missing_are_named_with_the_command_that_installs_them() -> None:
    """Those that make the images, too: else the first test that wants one would tell of it, minutes later."""
    found = [shutil.which(name) for name in ("buildah", "mmdebstrap", "runc")]
    hidden = "; ".join(f"mount --bind /dev/null {path}" for path in found)
    said = check(["unshare", "--mount", "sh", "-c", f'{hidden}; exec "$@"', "sh"])
    assert "packages buildah mmdebstrap runc: run tools/kubernetes/packages" in said


def test_programs_that_are_not_built_are_named_with_the_command_that_builds_them(tmp_path: Path) -> None:
    said = check([], XDG_CACHE_HOME=str(tmp_path))
    assert "kubebox" in said
    assert "run make e2e-build" in said


def test_make_tells_an_ordinary_user_what_it_needs_before_it_builds_anything() -> None:
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "make", "--no-print-directory", "e2e"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "needs root: sudo make e2e" in done.stderr
    assert done.stdout == ""
