"""Maintenance by several sources, drain, and whether there is a Kubernetes to tell."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from sidecar.app.inpod import tells_kubernetes
from sidecar.app.vhost import VirtualHost
from sidecar.app.wishes import Wishes
from sidecar.carp.config import Config
from sidecar.carp.effects import Effect, SendAdvertisement, State
from sidecar.carp.election import Election
from sidecar.carp.events import CarpdevChanged, DeadlineReached, Started
from sidecar.errors import ConfigError
from sidecar.settings.values import Kubernetes
from tests.unit.ops_reports import ADDRESSES


@dataclass
class Node:
    """A virtual host that is only its election: a master on its own, at time 100."""

    config: Config
    effects: list[Effect] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.election = Election(self.config)
        for event, now in ((Started(), 0.0), (CarpdevChanged(True), 0.0), (DeadlineReached(), 100.0)):
            self.election.handle(event, now)
        assert self.election.status.state is State.MASTER

    @property
    def driver(self) -> "Node":
        return self

    def post(self, event: Any) -> None:
        self.effects += self.election.handle(event, 100.0)

    @property
    def causes(self) -> dict[str, int]:
        return self.election.status.causes

    @property
    def hands_over(self) -> bool:
        return self.election.status.handing_over


def node(*, preempt: bool = True) -> tuple[Node, Wishes]:
    made = Node(Config(10, ADDRESSES, preempt=preempt))
    return made, Wishes([cast("VirtualHost", made)])


def test_maintenance_demotes_wholly_and_hands_over() -> None:
    made, wishes = node()
    wishes.maintain("command", wanted=True)
    assert made.causes == {"maintenance": 240}
    assert made.hands_over


def test_two_sources_of_maintenance_do_not_undo_each_other() -> None:
    made, wishes = node()
    wishes.maintain("command", wanted=True)
    wishes.maintain_by_annotation(["pod"])
    wishes.maintain("command", wanted=False)
    assert (made.causes, wishes.sources) == ({"maintenance": 240}, ["pod"])
    wishes.maintain_by_annotation([])
    assert (made.causes, wishes.sources) == ({}, [])
    wishes.maintain("command", wanted=True)
    wishes.maintain_by_annotation([])
    assert (made.causes, wishes.sources) == ({"maintenance": 240}, ["command"])


def test_a_hint_that_says_nothing_new_does_nothing() -> None:
    made, wishes = node()
    wishes.maintain_by_annotation(["node"])
    before = len(made.effects)
    wishes.maintain_by_annotation(["node"])
    assert len(made.effects) == before


def test_a_drained_master_is_worse_than_any_healthy_peer_and_better_than_one_that_serves_no_time() -> None:
    made, wishes = node()
    wishes.drain(wanted=True)
    assert made.causes == {"drain": 120}
    assert not made.hands_over
    advertised = [one.advskew for one in made.effects if isinstance(one, SendAdvertisement)]
    assert 0 < advertised[-1] < 240
    wishes.drain(wanted=False)
    assert made.causes == {}


def test_peers_that_do_not_preempt_are_asked() -> None:
    made, wishes = node(preempt=False)
    wishes.drain(wanted=True)
    assert made.hands_over


POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "POD_NAME": "carp-abcde"}


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("x")
    return path


@pytest.mark.parametrize(
    ("wanted", "environ", "told"),
    [
        (Kubernetes.AUTO, POD, True),
        (Kubernetes.ON, POD, True),
        (Kubernetes.OFF, POD, False),
        (Kubernetes.AUTO, {}, False),
        (Kubernetes.AUTO, {"KUBERNETES_SERVICE_HOST": "10.96.0.1"}, False),
    ],
)
def test_kubernetes_is_told_inside_a_pod(wanted: Kubernetes, environ: dict[str, str], told: bool, token: Path) -> None:
    assert tells_kubernetes(wanted, environ, token) is told


def test_auto_needs_a_token(tmp_path: Path) -> None:
    assert not tells_kubernetes(Kubernetes.AUTO, POD, tmp_path / "none")


@pytest.mark.parametrize(
    ("environ", "why"),
    [({}, "this is no pod"), ({"KUBERNETES_SERVICE_HOST": "h"}, "POD_NAME is not set; give POD_NAME, POD_NAMESPACE")],
)
def test_on_says_what_is_missing(environ: dict[str, str], why: str, token: Path) -> None:
    with pytest.raises(ConfigError, match=why):
        tells_kubernetes(Kubernetes.ON, environ, token)
