"""What is remembered of maintenance beside the control socket."""

import errno
import os
from pathlib import Path

import pytest

from sidecar.app.standing import Standing


def test_a_wish_is_remembered_until_it_is_taken_back(tmp_path: Path) -> None:
    standing = Standing(tmp_path / "control")
    assert not standing.wanted()
    standing.keep(wanted=True)
    assert Standing(tmp_path / "control").wanted()
    standing.keep(wanted=False)
    standing.keep(wanted=False)
    assert not standing.wanted()


def test_where_the_folder_of_the_control_socket_is_closed_nothing_is_remembered_and_nothing_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def closed(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "stat", closed)
    assert not Standing(Path("/run/carp-sidecar/control")).wanted()
