"""Hypothesis decides what happens to a group, and makes a failing story short."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sidecar.carp.config import Dialect
from tests.sim.draw import DEMOTIONS
from tests.sim.fates import Fates
from tests.sim.script import Group as Kind
from tests.sim.script import Member

NODE = st.integers(0, 4)
SKEWS = st.lists(st.sampled_from([0, 20, 20, 40, 100, 250]), min_size=2, max_size=5)


class Group(RuleBasedStateMachine):
    """A group of two to five nodes; in the end everything is mended and it comes to rest."""

    fates: Fates

    @initialize(skews=SKEWS, preempt=st.booleans(), dialect=st.sampled_from(Dialect), settle=st.booleans())
    def start(self, skews: list[int], preempt: bool, dialect: Dialect, settle: bool) -> None:
        self.fates = Fates(Kind(tuple(map(Member, skews)), preempt=preempt, dialect=dialect))
        if settle:
            self.fates.cluster.run(20.0)

    @rule(seconds=st.sampled_from([0.0001, 0.00025, 0.004, 0.1, 0.9, 3.2, 30.0, 70.0]))
    def time_passes(self, seconds: float) -> None:
        self.fates.cluster.run(seconds)

    @rule(number=NODE)
    def kill(self, number: int) -> None:
        self.fates.befall("kill", number)

    @rule(number=NODE)
    def power_off(self, number: int) -> None:
        self.fates.befall("power_off", number)

    @rule(number=NODE)
    def restart(self, number: int) -> None:
        self.fates.befall("restart", number)

    @rule(number=NODE)
    def freeze(self, number: int) -> None:
        self.fates.befall("freeze", number)

    @rule(number=NODE)
    def thaw(self, number: int) -> None:
        self.fates.befall("thaw", number)

    @rule(number=NODE)
    def pull_or_plug(self, number: int) -> None:
        self.fates.befall("pull_or_plug", number)

    @rule(number=NODE, other=NODE)
    def cut(self, number: int, other: int) -> None:
        self.fates.befall("cut", number, other)

    @rule(mask=st.integers(0, 31))
    def part(self, mask: int) -> None:
        self.fates.befall("part", mask)

    @rule()
    def heal(self) -> None:
        self.fates.befall("heal")

    @rule(number=NODE, amount=st.sampled_from(DEMOTIONS))
    def demote(self, number: int, amount: int) -> None:
        self.fates.befall("demote", number, amount)

    @rule(number=NODE, on=st.integers(0, 1))
    def maintain(self, number: int, on: int) -> None:
        self.fates.befall("maintain", number, on)

    @rule(number=NODE, seconds=st.sampled_from([0.0, 1.0, 30.0]))
    def resign(self, number: int, seconds: float) -> None:
        self.fates.befall("resign", number, seconds)

    @rule(number=NODE)
    def step_down(self, number: int) -> None:
        self.fates.befall("step_down", number)

    @rule(number=NODE, what=st.sampled_from(["sends", "holds"]))
    def fail_or_recover(self, number: int, what: str) -> None:
        self.fates.befall("fail_or_recover", number, what)

    @rule(number=NODE)
    def shut_down(self, number: int) -> None:
        self.fates.befall("shut_down", number)

    @rule(number=NODE, advskew=st.sampled_from([0, 20, 90, 254]))
    def set_advskew(self, number: int, advskew: int) -> None:
        self.fates.befall("set_advskew", number, advskew)

    @invariant()
    def the_promises_are_kept(self) -> None:
        if hasattr(self, "fates"):
            self.fates.keep_the_promises()

    def teardown(self) -> None:
        if hasattr(self, "fates"):
            self.fates.mend()


TestGroup = Group.TestCase
TestGroup.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
