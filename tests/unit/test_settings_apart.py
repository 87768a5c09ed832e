"""The process that judges: ready before it is asked, gone when it is not needed, told of when it fails."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from sidecar.errors import ConfigError, ExhaustedError, SidecarError
from sidecar.settings.ahead import Judge
from sidecar.settings.apart import ask, outcome
from sidecar.settings.problems import ConfigErrors


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_an_answer_is_what_the_process_found() -> None:
    judge = Judge()
    ask(judge, {"vhid": "300", "log": None}, {"CARP_LOG": "xml", "HOME": "/nowhere"})
    with pytest.raises(ConfigErrors) as wrong:
        outcome(judge)
    assert {"--vhid", "CARP_LOG", "--addresses", "--passphrase-file"} == {one.key for one in wrong.value.errors}
    assert all(isinstance(one, ConfigError) for one in wrong.value.errors)


def test_a_question_may_be_longer_than_a_pipe() -> None:
    judge = Judge()
    ask(judge, {"vhid": "1"}, {"CARP_NODE": "x" * 300_000})
    with pytest.raises(ConfigErrors):
        outcome(judge)


def test_nobody_asks_and_the_process_ends_in_peace(capfd: pytest.CaptureFixture[str]) -> None:
    before = descriptors()
    judge = Judge()
    assert judge.close() == 0
    assert judge.close() == 0, "again"
    assert descriptors() == before
    assert capfd.readouterr() == ("", "")


def test_a_process_that_died_is_told_with_how() -> None:
    judge = Judge()
    os.kill(judge.pid, signal.SIGKILL)
    time.sleep(0.1)
    ask(judge, {}, {"CARP_NODE": "x" * 300_000})
    with pytest.raises(SidecarError, match="ended with -9"):
        outcome(judge)


def test_no_process_to_be_had_is_one_error_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    before = descriptors()
    with pytest.raises(ExhaustedError, match="no process to read the settings"):
        Judge()
    assert descriptors() == before


def test_it_is_not_in_the_way_of_what_is_typed_to_end_the_daemon() -> None:
    judge = Judge()
    assert os.getpgid(judge.pid) == judge.pid
    judge.close()
