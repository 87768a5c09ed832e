"""What CI runs of it: every kept input, a million mutated frames, and each target under libFuzzer for some seconds.

And whether all that would notice: the product with a check taken out is found out by the same means.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.fuzz.__main__ import guided
from tests.fuzz.million import KINDS, Kind, pour
from tests.fuzz.targets import TARGETS, Target

SEED = 20260101
SHARE = 250_000
SECONDS = 10
"""Of each target under libFuzzer."""
REASONS = {"badlen", "badttl", "badsum", "badver", "badauth", "badaddr", "replay", "tampered"}
"""Drops that mutated frames of the group must meet, else they do not get far."""
CORPUS_KIB = 512

pytestmark = pytest.mark.timeout(300)
each_target = pytest.mark.parametrize("target", TARGETS.values(), ids=str)


def run(
    command: list[str], home: Path, folder: Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A command with the product and the tests of ``home``, in a folder where it may leave what it finds."""
    env = (env or dict(os.environ)) | {"PYTHONPATH": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=100)


def under_libfuzzer(target: Target, seconds: int, home: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """A target under libFuzzer, from the kept corpus."""
    found = folder / "corpus"
    found.mkdir()
    how = guided(target, folder, f"-max_total_time={seconds}", "-seed=1", found, target.corpus, home=home)
    return run(how.command, home, folder, how.env)


def crashes(folder: Path) -> list[bytes]:
    """The inputs that found a fault."""
    return [path.read_bytes() for path in folder.glob("*-*") if path.is_file()]


def test_the_million_is_one() -> None:
    assert SHARE * len(KINDS) == 1_000_000


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_of_a_million_mutated_frames_none_raises_and_none_moves_anything(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = pour(kind, SHARE, SEED + KINDS.index(kind))
    assert outcome.frames == SHARE
    assert outcome.drops.total() + outcome.passed_over == SHARE
    assert outcome.drops.total() > SHARE / 2
    assert outcome.drops.keys() >= REASONS
    assert ("own" in outcome.drops) is kind.master
    assert not kind.strict or outcome.drops["unmarked"] > 0


@each_target
def test_every_kept_input_is_without_fault(target: Target) -> None:
    judge, inputs = target.load(), sorted(target.corpus.iterdir())
    assert len(inputs) >= 5
    for path in inputs:
        try:
            judge(path.read_bytes())
        except BaseException as error:
            error.add_note(f"again: python -m tests.fuzz {target.name} --replay {path}")
            raise


def test_the_corpus_stays_small_and_belongs_to_the_targets() -> None:
    folder = next(iter(TARGETS.values())).corpus.parent
    assert {path.name for path in folder.iterdir()} == set(TARGETS)
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < CORPUS_KIB * 1024


@each_target
def test_seconds_under_libfuzzer_find_no_fault(target: Target, checkout: Path, tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="atheris has no wheel for this machine")
    done = under_libfuzzer(target, SECONDS, checkout, tmp_path)
    assert done.returncode == 0, f"{done.stderr[-3000:]}\n{crashes(tmp_path)}"
    assert "DONE" in done.stderr
    assert list((tmp_path / "corpus").iterdir()), "nothing new was ever covered"


class Fault(NamedTuple):
    """In a file of the product ``old``, which stands there once, becomes ``new``."""

    file: str
    old: str
    new: str

    def planted(self, checkout: Path, folder: Path) -> Path:
        """A copy of product and tests with it."""
        for part in ("sidecar", "tests/fuzz", "tests/golden", "tests/unit/ntp_reply.py"):
            copy = shutil.copytree if (checkout / part).is_dir() else shutil.copy
            (folder / part).parent.mkdir(parents=True, exist_ok=True)
            copy(checkout / part, folder / part)
        path = folder / "sidecar" / self.file
        assert path.read_text().count(self.old) == 1, f"{self.file} has changed: {self.old}"
        path.write_text(path.read_text().replace(self.old, self.new))
        return folder


@pytest.mark.parametrize(
    "fault",
    [
        Fault("net/wire.py", "if len(payload) < 2:", "if not payload:"),
        Fault("net/wire.py", " and len(frame) >= 34:", ":"),
        Fault("carp/auth.py", "if hmac.compare_digest(context.digest(counter), digest):", "if digest[0] < 128:"),
        Fault("carp/freshness.py", "if ticks <= self._heard or self.has_sent(ticks, counter):", "if False:"),
        Fault("carp/receive.py", "if self._strict or self._is_impersonated(datagram.source, now):", "if False:"),
    ],
    ids=lambda fault: fault.old,
)
def test_a_check_less_in_the_receive_path_is_found_by_mutated_frames(
    fault: Fault, checkout: Path, tmp_path: Path
) -> None:
    home = fault.planted(checkout, tmp_path)
    done = run([sys.executable, "-m", "tests.fuzz.million", "40000"], home, tmp_path)
    assert done.returncode != 0
    assert "seed" in done.stderr.splitlines()[-1], done.stderr
    assert list((tmp_path / "build/fuzz/million").iterdir())


def test_a_fault_is_found_written_down_and_raised_again(checkout: Path, tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="atheris has no wheel for this machine")
    fault = Fault("ntp/packet.py", "if len(data) < _HEADER.size:", "if len(data) < 40:")
    home, found = fault.planted(checkout, tmp_path / "home"), tmp_path / "found"
    found.mkdir()
    assert under_libfuzzer(TARGETS["ntp"], 20, home, found).returncode != 0
    (crash,) = found.glob("crash-*")
    again = run([sys.executable, "-m", "tests.fuzz", "ntp", "--replay", str(crash)], home, tmp_path)
    assert "struct.error" in again.stderr
    with_the_check = run([sys.executable, "-m", "tests.fuzz", "ntp", "--replay", str(crash)], checkout, tmp_path)
    assert "no fault" in with_the_check.stdout
