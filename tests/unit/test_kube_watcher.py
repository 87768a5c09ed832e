"""How often a watch is begun: what fails or ends at once is begun ever more rarely, however well it begins."""

import json
from collections.abc import Iterator

import pytest

from sidecar.kube.api import POD, Answer, Api
from sidecar.kube.errors import KubeError, TimedOutError
from sidecar.kube.mailbox import Mailbox
from sidecar.kube.watcher import Watcher

LONGEST = 15.0


class EnoughError(Exception):
    """The test has seen it."""


class Server:
    """A transport: each watch gives the object, lasts so long and then ends, or fails."""

    def __init__(self, error: KubeError | None, lasts: float = 0.0) -> None:
        self.error, self.lasts, self.now = error, lasts, 0.0

    def request(self, method: str, target: str, body: object = None, content_type: str = "") -> Answer:
        raise AssertionError(f"{method} {target}")

    def stream(self, target: str, idle: float) -> Iterator[bytes]:
        yield json.dumps({"type": "ADDED", "object": {"metadata": {"name": "carp"}}}).encode()
        self.now += self.lasts
        if self.error is not None:
            raise self.error


def pauses(server: Server, number: int) -> list[float]:
    """Between the first so many watches; without jitter."""
    found: list[float] = []

    def sleep(seconds: float) -> None:
        found.append(seconds)
        server.now += seconds
        if len(found) == number:
            raise EnoughError

    api = Api(server, "time")
    watcher = Watcher(api, POD, lambda _: None, Mailbox(), lambda *_: None, lambda: server.now)
    with pytest.raises(EnoughError):
        watcher.run("carp", lambda: 1.0, sleep)
    return found


@pytest.mark.parametrize("error", [None, TimedOutError("watch")], ids=["ended", "silent"])
def test_one_that_ends_soon_after_its_first_object_is_begun_ever_more_rarely(error: KubeError | None) -> None:
    assert pauses(Server(error), 7) == [0.5, 1, 2, 4, 8, LONGEST, LONGEST]


@pytest.mark.parametrize("error", [None, TimedOutError("watch")], ids=["ended", "silent"])
def test_one_that_lasted_is_begun_again_soon(error: KubeError | None) -> None:
    assert pauses(Server(error, lasts=60.0), 5) == [1.0] * 5
