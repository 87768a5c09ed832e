"""The laws of one election under any sequence of events (I1 to I8), and of what it compares."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.carp import effects as do
from sidecar.carp import events as on
from sidecar.carp.config import Address, Config, Dialect, Family, interval_us
from sidecar.carp.demotion import DemotionLedger
from sidecar.carp.effects import Effect, State
from sidecar.carp.election import Election
from sidecar.carp.events import Event
from sidecar.carp.packet import Advertisement
from sidecar.carp.verdict import Verdict, compare, our_standing, patience_us, their_standing

ADDRESS_SETS: list[tuple[Address, ...]] = [
    (ip_address("192.0.2.10"),),
    (ip_address("192.0.2.10"), ip_address("2001:db8::10")),
    (ip_address("2001:db8::10"),),
]
SOURCES = [ip_address(f"192.0.2.{number}").packed for number in (1, 2, 3)]
DIALECTS = st.sampled_from(Dialect)
ADVBASE, ADVSKEW, DEMOTION = st.sampled_from([0, 1, 2, 254]), st.integers(1, 254), st.integers(0, 600)
CONFIGS = st.builds(
    Config, st.just(1), st.sampled_from(ADDRESS_SETS), ADVBASE, ADVSKEW, st.booleans(), DIALECTS
)  # fmt: skip
SAID = st.one_of(
    st.just((255, 255, 0)),
    st.tuples(st.sampled_from([0, 1, 2, 60, 255]), st.integers(0, 255), st.sampled_from([0, 0, 0, 1, 255])),
)


@st.composite
def advertisements(draw: st.DrawFn) -> Event:
    advertisement = Advertisement(1, *draw(SAID), draw(st.integers(0, 9)), bytes(20))
    return on.AdvertisementReceived(advertisement, draw(st.sampled_from(Family)), draw(st.sampled_from(SOURCES)))


@st.composite
def changes_of_configuration(draw: st.DrawFn) -> Event:
    return on.ConfigChanged(draw(CONFIGS))


EVENTS: st.SearchStrategy[Event] = st.one_of(
    advertisements(),
    advertisements(),
    st.just(on.DeadlineReached()),
    st.builds(on.CarpdevChanged, st.booleans()),
    st.builds(on.DemotionSet, st.sampled_from(["ntp", "maintenance"]), st.sampled_from([0, 0, 1, 80, 240])),
    st.just(on.AdvertisementSent()),
    st.just(on.AdvertisementFailed("no buffer space")),
    st.just(on.AddressesHeld()),
    st.just(on.AddressesFailed("refused")),
    st.just(on.StepDownRequested("maintenance")),
    st.builds(on.ResignRequested, st.sampled_from([0.0, 1.0, 30.0])),
    changes_of_configuration(),
    st.just(on.ShutdownRequested()),
)
WAIT = "wait"
MANY = settings(max_examples=300)
STORIES = st.lists(st.tuples(st.sampled_from([0.0, 0.0003, 0.2, 1.0, 5.0, WAIT]), EVENTS), max_size=60)


@dataclass
class World:
    """Does what an election asks for, and holds it to its laws."""

    config: Config
    now: float = 100.0
    state: State = State.INIT
    owned: bool = False
    stopped: int = 0
    bow_outs_since_shutdown: int = 0
    shut_down_from: State | None = None
    told: list[tuple[float, Event, Sequence[Effect]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.election = Election(self.config, Random(1).random)
        self.tell(on.Started())
        self.tell(on.CarpdevChanged(True))

    def live(self, step: float | str, event: Event) -> None:
        """Let time pass, by so much or up to the deadline, and then something happens."""
        if step == WAIT:
            self.now = max(self.now, self.election.deadline or self.now)
            self.tell(on.DeadlineReached())
        else:
            self.now += float(step)
        self.tell(event)

    def tell(self, event: Event) -> None:
        if isinstance(event, on.ShutdownRequested) and self.shut_down_from is None:
            self.shut_down_from = self.state
        effects = self.election.handle(event, self.now)
        self.told.append((self.now, event, effects))
        self._hold_to_the_laws(effects)
        for effect in effects:
            self._apply(effect)
        assert (self.election.deadline is None) is (self.state is State.INIT)  # I1
        assert self.election.deadline is None or self.election.deadline > self.now  # I1
        assert not self.owned or self.state is State.MASTER  # I7
        assert self.election.status.state is self.state

    def _hold_to_the_laws(self, effects: Sequence[Effect]) -> None:
        asks = [effect for effect in effects if not isinstance(effect, do.DemotionChanged)]
        assert not (self.stopped and asks), "one that has stopped asks for nothing"
        leaves = any(isinstance(effect, do.StateChanged) and effect.old is State.MASTER for effect in effects)
        assert not leaves or isinstance(effects[0], do.ReleaseAddresses)  # I2
        assert sum(isinstance(effect, do.StateChanged) for effect in effects) <= 1

    def _apply(self, effect: Effect) -> None:
        match effect:
            case do.StateChanged():
                assert effect.old is self.state
                assert effect.old is not effect.new
                self.before, self.state = self.state, effect.new
            case do.SendAdvertisement():
                self._check_what_is_said(effect)
            case do.HoldAddresses():
                self.owned = True
            case do.ReleaseAddresses():
                self.owned = False
            case do.DemotionChanged():
                assert effect.old != effect.new >= 0
            case do.Stopped():
                self.stopped += 1
            case _:
                pass

    def _check_what_is_said(self, effect: do.SendAdvertisement) -> None:
        bow_out = effect.advbase == 255
        assert (effect.advskew == 255) is bow_out
        assert 0 <= effect.demote <= 255
        assert self.state is State.MASTER or (bow_out and self.before is State.MASTER)
        if bow_out and self.shut_down_from is not None:
            self.bow_outs_since_shutdown += 1


@MANY
@given(CONFIGS, STORIES)
def test_whatever_happens_an_election_keeps_its_laws(config: Config, story: list[tuple[float | str, Event]]) -> None:
    world = World(config)
    for step, event in story:
        world.live(step, event)


@MANY
@given(CONFIGS, STORIES)
def test_a_shutdown_ends_and_says_goodbye_once_if_it_was_master(
    config: Config, story: list[tuple[float | str, Event]]
) -> None:
    world = World(config)
    for step, event in story:
        if not isinstance(event, on.ShutdownRequested):
            world.live(step, event)
    world.live(0.0, on.ShutdownRequested())
    for step, event in story:
        world.live(step, event)
    world.now += 1.0
    world.tell(on.DeadlineReached())
    assert (world.stopped, world.state, world.owned) == (1, State.INIT, False)
    assert world.bow_outs_since_shutdown == (1 if world.shut_down_from is State.MASTER else 0)  # I6


@given(CONFIGS, STORIES)
def test_the_same_configuration_again_asks_for_nothing(config: Config, story: list[tuple[float | str, Event]]) -> None:
    world = World(config)
    for step, event in story:
        world.live(step, event)
        deadline = world.election.deadline
        current = world.election.status.config
        assert world.election.handle(on.ConfigChanged(replace(current)), world.now) == ()  # I5
        assert world.election.deadline == deadline


@given(CONFIGS, STORIES)
def test_the_same_story_again_has_the_same_effects(config: Config, story: list[tuple[float | str, Event]]) -> None:
    world = World(config)
    for step, event in story:
        world.live(step, event)
    again = Election(config, Random(1).random)
    assert [again.handle(event, now) for now, event, _ in world.told] == [effects for _, _, effects in world.told]  # I8


@given(CONFIGS, STORIES)
def test_a_master_is_never_silent_for_longer_than_an_interval_unless_it_hands_over(
    config: Config, story: list[tuple[float | str, Event]]
) -> None:
    world = World(config)
    for step, event in story:
        world.live(step, event)
        status = world.election.status
        if status.state is State.MASTER and not status.handing_over:
            interval = interval_us(status.config.advbase, status.effective_advskew) / 1e6
            assert world.election.deadline is not None
            assert world.election.deadline - world.now <= interval + 1e-6


@given(CONFIGS, DEMOTION, st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
def test_of_two_nodes_exactly_one_is_better_or_they_are_equal(
    config: Config, demotion: int, advbase: int, advskew: int, demote: int
) -> None:
    ours, theirs = our_standing(config, demotion), their_standing(config, advbase, advskew, demote)
    opposite = {
        Verdict.BETTER: {Verdict.SLOWER, Verdict.DEMOTED},
        Verdict.EQUAL: {Verdict.EQUAL},
        Verdict.SLOWER: {Verdict.BETTER},
        Verdict.DEMOTED: {Verdict.BETTER},
    }
    assert compare(theirs, ours) in opposite[compare(ours, theirs)]


@given(CONFIGS, DEMOTION, DEMOTION)
def test_more_demotion_never_makes_a_node_stand_better_or_wait_less(config: Config, one: int, other: int) -> None:
    less, more = sorted((one, other))
    assert our_standing(config, less) <= our_standing(config, more)
    assert patience_us(config, less) <= patience_us(config, more)


@given(CONFIGS, DEMOTION)
def test_a_node_waits_longer_than_two_of_its_own_intervals(config: Config, demotion: int) -> None:
    assert patience_us(config, demotion) > 2 * our_standing(config, demotion).interval or config.advbase > 0
    assert patience_us(config, demotion) >= 1.5 * our_standing(config, demotion).interval


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(-5, 300)), max_size=30))
def test_the_ledger_is_the_sum_of_the_last_amounts(story: list[tuple[str, int]]) -> None:
    ledger, amounts = DemotionLedger(), {}
    for cause, amount in story:
        before = ledger.total
        amounts[cause] = max(0, amount)
        assert ledger.set(cause, amount) == ledger.total - before
    assert ledger.total == sum(amounts.values())
    assert ledger.causes == {cause: amount for cause, amount in amounts.items() if amount}
