"""From answers to demotion: what one answer says, and what a run of them is worth. Pure: time is an argument.

Law: quick to demote, slow to forgive. Getting worse takes a few probes; getting better takes time on end (never less
than the dwell), so that the address never flaps. Equal demotion moves nothing, nor do moves between two states of 240.
"""

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Final

from sidecar.ntp.packet import UNSYNCHRONISED_LEAP, UNSYNCHRONISED_STRATUM, Refusal, Reply

VIP_DEMOTION: Final = 240
_LOCAL_CLOCK_NETWORK: Final = bytes([127, 127, 1])  # what chrony's `local` and ntpd's driver 1 call their reference
_LOCAL_CLOCK_NAME: Final = b"LOCL"  # RFC 5905 §7.3: uncalibrated local clock
_ASLEEP_S: Final = 3.0  # without a question for longer than this the process slept
_AHEAD_S: Final = 1.0  # a reference time later than the answer by more than fuzz is invalid (RFC 5905 A.5.1.1)

_TIMERS_EARLY_S: Final = 0.05  # the question at 3 s counts as such even if the loop's timers fired a little early


class Miss(Enum):
    """Why a question stayed without a reply (the value is its name in logs and metrics)."""

    TIMEOUT = "no answer"
    REFUSED = "connection refused"
    UNREACHABLE = "unreachable"
    UNRESOLVED = "name not resolved"
    ABSENT = "address not on this host"


Outcome = Reply | Refusal | Miss


class Verdict(IntEnum):
    """How fit the NTP server is to serve the address; the greater, the worse."""

    OK = 0
    HOLDOVER = 1
    STALE = 2
    UNSYNCHRONISED = 3
    DEAD = 4

    @property
    def demotion(self) -> int:
        """What the state adds to advskew (0-240)."""
        return (0, 80, 160, 240, 240)[self]

    def __str__(self) -> str:
        return self.name.lower()


_OK: Final = Verdict.OK  # what nearly every answer says; looked up through its class it is dearer


@dataclass(frozen=True, slots=True)
class Hysteresis:
    """How a state is entered and left."""

    enter_probes: int  # probes in a row that say so, or worse
    leave_s: float  # seconds on end of answers that are better


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What counts as holdover, stale and so on. Ages and distances in seconds; exactly the limit is still within it."""

    max_reference_age_s: float = 4500.0  # about four polls of the longest usual interval
    max_reference_age_refclock_s: float = 120.0  # stratum 1: GNSS and radio clocks speak at least once a minute
    max_root_distance_s: float = 0.1
    max_stratum: int = 5
    stale_reference_age_s: float = 86400.0
    stale_root_distance_s: float = 1.0
    allow_local_clock: bool = False
    holdover: Hysteresis = Hysteresis(3, 30.0)
    stale: Hysteresis = Hysteresis(3, 60.0)
    unsynchronised: Hysteresis = Hysteresis(2, 60.0)
    dead: Hysteresis = Hysteresis(3, 0.0)
    leave_probes: int = 10  # better answers in a row, besides leave_s: a stalled probe earns nothing by the clock alone
    min_dwell_s: float = 30.0  # from entering a state until it may get better
    start_patience_s: float = 30.0  # how long a server never heard yet is new, not dead: it may start after us
    vip_grace_s: float = 3.0  # silence of a virtual address that is forgiven: ntpd needs up to 2 s to notice it
    vip_hold_s: float = 60.0  # how long a silent address counts after it was given up; doubles each time
    vip_hold_max_s: float = 3600.0

    def of(self, verdict: Verdict) -> Hysteresis:
        """The hysteresis of a state worse than ok."""
        return (self.holdover, self.stale, self.unsynchronised, self.dead)[verdict - 1]


def assess(outcome: Outcome, limits: Thresholds) -> tuple[Verdict | None, str]:
    """What one answer says by itself, and why in words. None: nothing at all (we are told to ask less often).

    A server that refuses us by DENY or RSTR is as good as dead: it is the operator's `restrict` or `allow` to mend.
    """
    if isinstance(outcome, Reply):
        return _assess_reply(outcome, limits)
    if outcome is Refusal.KISS_RATE:
        return None, "the server asks for fewer queries"
    if isinstance(outcome, Refusal):
        return Verdict.DEAD, f"the server refuses to answer us ({outcome.value})"
    return Verdict.DEAD, outcome.value


def _assess_reply(reply: Reply, limits: Thresholds) -> tuple[Verdict, str]:  # noqa: PLR0911 - one arm a reason
    stratum, age, distance = reply.stratum, reply.reference_age_s, reply.root_distance_s
    if reply.leap == UNSYNCHRONISED_LEAP or not 0 < stratum < UNSYNCHRONISED_STRATUM:
        kiss = f", {reply.kiss}" if reply.kiss else ""
        return Verdict.UNSYNCHRONISED, f"not synchronised (leap {reply.leap}, stratum {stratum}{kiss})"
    if age is None:
        return Verdict.STALE, "the server does not say when its clock was last set"
    if age < -_AHEAD_S:
        return Verdict.STALE, f"reference time is {-age:.0f} s ahead of the server's own clock"
    if age > limits.stale_reference_age_s:
        return Verdict.STALE, _exceeds("reference age", age, limits.stale_reference_age_s)
    if distance > limits.stale_root_distance_s:
        return Verdict.STALE, _exceeds("root distance", distance, limits.stale_root_distance_s)
    if is_local_clock(reply) and not limits.allow_local_clock:
        return Verdict.STALE, f"free-running local clock (reference {reply.refid_text})"
    max_age = limits.max_reference_age_refclock_s if stratum == 1 else limits.max_reference_age_s
    if age > max_age:
        return Verdict.HOLDOVER, _exceeds("reference age", age, max_age)
    if distance > limits.max_root_distance_s:
        return Verdict.HOLDOVER, _exceeds("root distance", distance, limits.max_root_distance_s)
    if stratum > limits.max_stratum:
        return Verdict.HOLDOVER, f"stratum {stratum} is above {limits.max_stratum}"
    return _OK, f"stratum {stratum}"


def _exceeds(what: str, value: float, limit: float) -> str:
    return f"{what} {round(value, 3):g} s is above {limit:g} s"


def is_local_clock(reply: Reply) -> bool:
    """Whether the server follows nothing but its own oscillator, which looks perfectly healthy otherwise."""
    return reply.refid[:3] == _LOCAL_CLOCK_NETWORK or reply.refid == _LOCAL_CLOCK_NAME


@dataclass(slots=True)
class _Window:
    """Answers on end that were better than the state."""

    since: float
    worst: Verdict
    reason: str
    probes: int = 0

    def add(self, verdict: Verdict, reason: str) -> None:
        self.probes += 1
        if verdict >= self.worst:
            self.worst, self.reason = verdict, reason


class HealthLedger:
    """The state of one NTP server. Feed it every outcome with its time (monotonic seconds).

    * Worse: a state is entered when `enter_probes` in a row say so or worse. A missing answer is no evidence of the
      states that only an answer can show: it neither adds to their runs nor ends them; its own run leads to dead.
    * Better: when every answer for `leave_s`, at least `leave_probes` of them, was better than the state and the state
      is `min_dwell_s` old. The new state is the worst of those answers.
    * Equal demotion (dead, unsynchronised) follows the runs both ways: the state is honest and nothing moves.
    * At start the demotion is 240 and the state dead ("no answer yet"). The first state is whichever is reached first,
      and the first good answer ever is ok at once: there is no history to be careful about. A server never heard yet
      becomes known to be dead only after `start_patience_s`: sidecars start before their server, which then owes us no
      dwell for having refused.
    """

    def __init__(self, limits: Thresholds | None = None) -> None:
        self.verdict = Verdict.DEAD
        self.reason = "no answer yet"
        self.known = False  # whether the state rests on evidence yet
        self.reply: Reply | None = None  # the last one; None while dead
        self._limits = limits or Thresholds()
        self._was_ok = False
        self._heard = False  # anything at all
        self._began_at: float | None = None
        self._runs = dict.fromkeys(Verdict, 0)
        self._window: _Window | None = None
        self._entered_at = 0.0
        self.well = False  # as the last answer was, with nothing to remember

    @property
    def demotion(self) -> int:
        """0, 80, 160 or 240."""
        return self.verdict.demotion

    def feed(self, outcome: Outcome, now: float) -> None:
        """Take one outcome into account. `now` never goes back."""
        if isinstance(outcome, Reply):
            self.reply = outcome
        self._began_at = now if self._began_at is None else self._began_at
        self._heard = self._heard or not isinstance(outcome, Miss)
        verdict, reason = assess(outcome, self._limits)
        if verdict is None:
            self._runs[Verdict.DEAD] = 0  # it lives, and says no more than that
            return
        if self.well and verdict is _OK:  # as nearly always: nothing follows
            self.reason = reason
            return
        self._count(verdict)
        self._watch_for_better(verdict, reason, now)
        following, why = self._next(verdict, reason, now)
        if following is not None and (following is not self.verdict or not self.known):
            self._enter(following, why, now)
        elif verdict is self.verdict and self.known:
            self.reason = reason
        self.well = verdict is self.verdict is Verdict.OK

    def _count(self, verdict: Verdict) -> None:
        if verdict is Verdict.DEAD:
            self._runs[verdict] += 1
            return
        self._runs[Verdict.DEAD] = 0
        for grade in (Verdict.HOLDOVER, Verdict.STALE, Verdict.UNSYNCHRONISED):
            self._runs[grade] = self._runs[grade] + 1 if verdict >= grade else 0

    def _watch_for_better(self, verdict: Verdict, reason: str, now: float) -> None:
        if verdict >= self.verdict:
            self._window = None
            return
        self._window = self._window or _Window(now, verdict, reason)
        self._window.add(verdict, reason)

    def _next(self, verdict: Verdict, reason: str, now: float) -> tuple[Verdict | None, str]:
        """The state that follows, and why; None: as it was."""
        if verdict is Verdict.OK and not self._was_ok:
            return verdict, reason
        if self._may_be_starting(now):
            return None, self.reason
        reached = self._reached()
        if reached is not None and (not self.known or reached.demotion >= self.verdict.demotion):
            return reached, reason
        window = self._window
        if self.known and window is not None and self._forgiven(window, now):
            return window.worst, window.reason
        return None, self.reason

    def _may_be_starting(self, now: float) -> bool:
        """Whether silence says nothing yet."""
        return not self._heard and now - (self._began_at or 0.0) < self._limits.start_patience_s

    def _reached(self) -> Verdict | None:
        """The worst state whose run is complete."""
        complete = (grade for grade in Verdict if grade and self._runs[grade] >= self._limits.of(grade).enter_probes)
        return max(complete, default=None)

    def _forgiven(self, window: _Window, now: float) -> bool:
        return (
            window.probes >= self._limits.leave_probes
            and now - window.since >= self._limits.of(self.verdict).leave_s
            and now - self._entered_at >= self._limits.min_dwell_s
        )

    def _enter(self, verdict: Verdict, reason: str, now: float) -> None:
        """The one place that sets the state."""
        self.verdict, self.reason, self.known = verdict, reason, True
        self._was_ok = self._was_ok or verdict is Verdict.OK
        self._entered_at = now
        self._window = None
        if verdict is Verdict.DEAD:  # what it said when it lived is no evidence for what comes after
            self.reply = None
            self._runs = dict.fromkeys(Verdict, 0)


class VipLedger:
    """Whether one virtual address answers NTP while this host holds it, and whether that is held against the host.

    The demotion gives a silent address up. Only its holder can ask it, so from then on there is no news; to forget at
    once would take it back to be silent again. So the demotion is held, twice as long each time, until an answer.
    """

    def __init__(self, limits: Thresholds | None = None) -> None:
        self.answers: bool | None = None  # None: not held, or not known yet
        self.held = False
        self._limits = limits or Thresholds()
        self._blamed = False
        self._silent_since = 0.0
        self._blame_since = 0.0
        self._heard_of_at = 0.0
        self._hold_s = self._limits.vip_hold_s
        self._forgive_at = 0.0

    @property
    def demotion(self) -> int:
        """0 or 240."""
        return VIP_DEMOTION if self._blamed else 0

    def hold(self, now: float) -> None:
        """This host holds the address from now on."""
        self.held = True
        self._silent_since = self._blame_since = self._heard_of_at = now

    def release(self, now: float) -> None:
        """This host holds the address no more."""
        self.held = False
        if self._blamed:
            self._forgive_at = now + self._hold_s
            self._hold_s = min(self._hold_s * 2, self._limits.vip_hold_max_s)
        else:
            self.answers = None

    def answered(self, now: float) -> None:
        """The address answered, whatever it said: what the server is worth is the other ledger's business."""
        self.answers, self._blamed = True, False
        self._silent_since = self._blame_since = self._heard_of_at = now
        self._hold_s = self._limits.vip_hold_s

    def missed(self, now: float, server_answers: bool) -> None:
        """The address did not answer. While the server itself is silent too, that is explained and costs nothing.

        Silence counts while it is listened to: a daemon that was frozen finds its address gone and has it back at once.
        """
        if now - self._heard_of_at > _ASLEEP_S:
            self._silent_since = self._blame_since = now
        self._heard_of_at = now
        if not server_answers:
            self._blame_since = now
        grace = self._limits.vip_grace_s - _TIMERS_EARLY_S
        if now - self._silent_since >= grace:
            self.answers = False
        if now - self._blame_since >= grace:
            self._blamed = True

    def tick(self, now: float) -> None:
        """Let time pass: a demotion held long enough ends."""
        if self._blamed and not self.held and now >= self._forgive_at:
            self.answers, self._blamed = None, False
