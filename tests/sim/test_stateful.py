"""Hypothesis decides what happens to a group, and makes a failing story short."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sidecar.carp.config import Dialect
from tests.sim.chaos import DEMOTIONS, Fates
from tests.sim.cluster import configs

NODE = st.integers(0, 4)
SKEWS = st.lists(st.sampled_from([0, 20, 20, 40, 100, 250]), min_size=2, max_size=5)


class Group(RuleBasedStateMachine):
    """A group of two to five nodes; in the end everything is mended and it comes to rest."""

    fates: Fates

    @initialize(skews=SKEWS, preempt=st.booleans(), dialect=st.sampled_from(Dialect), settle=st.booleans())
    def start(self, skews: list[int], preempt: bool, dialect: Dialect, settle: bool) -> None:
        self.fates = Fates(configs(*skews, preempt=preempt, dialect=dialect))
        if settle:
            self.fates.cluster.run(20.0)

    @rule(seconds=st.sampled_from([0.0001, 0.00025, 0.004, 0.1, 0.9, 3.2, 30.0, 70.0]))
    def time_passes(self, seconds: float) -> None:
        self.fates.cluster.run(seconds)

    @rule(number=NODE)
    def kill(self, number: int) -> None:
        self.fates.kill(number)

    @rule(number=NODE)
    def power_off(self, number: int) -> None:
        self.fates.power_off(number)

    @rule(number=NODE)
    def restart(self, number: int) -> None:
        self.fates.restart(number)

    @rule(number=NODE)
    def freeze(self, number: int) -> None:
        self.fates.freeze(number)

    @rule(number=NODE)
    def thaw(self, number: int) -> None:
        self.fates.thaw(number)

    @rule(number=NODE)
    def pull_or_plug_the_cable(self, number: int) -> None:
        self.fates.pull_or_plug(number)

    @rule(number=NODE, other=NODE)
    def one_way_is_lost(self, number: int, other: int) -> None:
        self.fates.cut(number, other)

    @rule(number=NODE)
    def part_one_from_the_others(self, number: int) -> None:
        self.fates.part(number)

    @rule()
    def heal(self) -> None:
        self.fates.heal()

    @rule(number=NODE, amount=st.sampled_from(DEMOTIONS))
    def demote(self, number: int, amount: int) -> None:
        self.fates.demote(number, amount)

    @rule(number=NODE, seconds=st.sampled_from([0.0, 1.0, 30.0]))
    def resign(self, number: int, seconds: float) -> None:
        self.fates.resign(number, seconds)

    @rule(number=NODE)
    def step_down(self, number: int) -> None:
        self.fates.step_down(number)

    @rule(number=NODE, sends=st.booleans())
    def fail_or_recover(self, number: int, sends: bool) -> None:
        self.fates.fail_or_recover(number, sends=sends)

    @rule(number=NODE)
    def shut_down(self, number: int) -> None:
        self.fates.shut_down(number)

    @rule(number=NODE, advskew=st.sampled_from([0, 20, 90, 254]))
    def reconfigure(self, number: int, advskew: int) -> None:
        self.fates.reconfigure(number, advskew)

    @invariant()
    def the_promises_are_kept(self) -> None:
        if hasattr(self, "fates"):
            self.fates.keep_the_promises()

    def teardown(self) -> None:
        if hasattr(self, "fates"):
            self.fates.mend()


TestGroup = Group.TestCase
TestGroup.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
