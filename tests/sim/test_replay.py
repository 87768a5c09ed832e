"""What the flight recorder kept of a simulated life gives the same effects again, from the beginning or the middle."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.carp.config import Dialect
from sidecar.runtime.recorder import Recorder
from tests.sim.cluster import Cluster, configs
from tests.sim.engine import Record
from tests.sim.replay import main, read, replay


def eventful(dialect: Dialect = Dialect.FREEBSD, seed: int = 1) -> Cluster:
    """Three nodes to which a little of everything happens."""
    cluster = Cluster(configs(0, 20, 40, dialect=dialect), seed=seed, record=True)
    cluster.start()
    cluster.run(10.0)
    cluster.demote(0, "ntp", 240)
    cluster.run(10.0)
    cluster.demote(0, "ntp", 0)
    cluster.resign(1, 5.0)
    cluster.run(10.0)
    cluster.freeze(0)
    cluster.run(7.0)
    cluster.thaw(0)
    cluster.set_link(2, False)
    cluster.run(1.0)
    cluster.set_link(2, True)
    cluster.nodes[0].sends_fail = True
    cluster.run(15.0)
    cluster.nodes[0].sends_fail = False
    cluster.step_down(1)
    cluster.run(10.0)
    cluster.shut_down(1)
    cluster.run(5.0)
    return cluster


def dumped(cluster: Cluster, number: int, last: int | None = None) -> list[str]:
    """As SIGUSR1 would write it, of the last so many steps."""
    assert cluster.records is not None
    recorder = Recorder(last or 100_000)
    for record in cluster.records[number]:
        recorder.note(record.now, record.event, tuple(record.effects))
    return list(recorder.dump(cluster.nodes[number].config))


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("dialect", Dialect)
def test_a_whole_life_gives_the_same_effects_again(dialect: Dialect, number: int) -> None:
    dump = read(dumped(eventful(dialect), number))
    assert dump.has_the_beginning
    assert len(dump.steps) > 50
    assert replay(dump) == []


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("last", [20, 40, 60])
def test_the_end_of_a_life_is_joined_at_its_first_change(last: int, dialect: Dialect, number: int) -> None:
    dump = read(dumped(eventful(dialect), number, last))
    assert not dump.has_the_beginning
    assert len(dump.steps) == last
    assert replay(dump) == []


def test_an_election_that_behaves_otherwise_is_told_with_the_step() -> None:
    lines = dumped(eventful(), 1)
    forged = [line.replace('"advskew": 20, "preempt"', '"advskew": 60, "preempt"') for line in lines]
    found = replay(read(forged))
    assert found
    assert "was" in str(found[0])
    assert found[0].replayed != found[0].step.effects


def test_configurations_and_events_come_back_as_they_were() -> None:
    cluster = eventful()
    assert cluster.records is not None
    dump = read(dumped(cluster, 0))
    assert dump.config == cluster.nodes[0].config
    assert [(step.now, step.event) for step in dump.steps] == [record[:2] for record in kept(cluster.records[0])]


def kept(records: list[Record]) -> Iterator[Record]:
    yield from records


def test_a_dump_in_which_the_configuration_changed_is_refused() -> None:
    cluster = eventful()
    cluster.reconfigure(0, replace(cluster.nodes[0].config, advskew=5))
    with pytest.raises(ValueError, match="configuration changed"):
        replay(read(dumped(cluster, 0)))


def test_what_is_no_dump_is_refused() -> None:
    with pytest.raises(ValueError, match="configuration"):
        read(['{"now": 1.0}'])


def test_the_command_tells_whether_they_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dump = tmp_path / "dump"
    lines = dumped(eventful(), 0)
    dump.write_text("\n".join(lines))
    assert main(str(dump)) == 0
    assert f"{len(lines) - 1} steps, from the beginning, 0 diverge" in capsys.readouterr().out
    dump.write_text("\n".join(lines).replace("Announce", "Silence"))
    assert main(str(dump)) == 1
