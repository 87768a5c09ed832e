"""What `lab status` shows: whole, in a file as on a terminal."""

from typing import Any

import pytest

from sidecar.lab import view

V4, V6 = "10.77.0.100", "fd77::100"


def node(name: str, **fields: Any) -> dict[str, Any]:
    vhost = {"vhid": 10, "state": "BACKUP", "advskew": 0, "effective_advskew": 240}
    daemon = {"vhosts": [vhost | {"demotion": {"total": 240, "causes": {"ntp": 240}}}], "ntp": {"state": "dead"}}
    whole = {"name": name, "power": True, "link": True, "frozen": False, "ended": [], "owns": [], "ucarp": False}
    return {**whole, "advskews": [0], "daemon": daemon, **fields}


def status() -> dict[str, Any]:
    nodes = [node("node1", ended=["chrony"]), node("node2", owns=[V4, V6], ended=["carp"], daemon=None)]
    client = dict.fromkeys(("sent", "answered", "unanswered", "late", "duplicates"), 0)
    heard = {V4: "node2", V6: None}
    return {"nodes": nodes, "client": {**client, "heard": heard}, "owners": {V4: ["node2"], V6: ["node2"]}}


def test_nothing_is_cut_off_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    view.show(status())
    shown = capsys.readouterr().out
    for words in (
        "NTP server ended",
        "CARP daemon ended",
        "240 (ntp 240)",
        f"{V4} owned, heard",
        f"{V6} owned, silent",
    ):
        assert words in shown


def test_a_terminal_of_sixty_columns_shows_every_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    view.show(status())
    words = capsys.readouterr().out.split()
    assert words.count("owned,") == 2
    assert {"heard", "silent", "dead", "ended"} <= set(words)
