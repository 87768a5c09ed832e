"""Asks one NTP server again and again, and reports what came of each question. The edge: sockets, timers, randomness.

Law: one question at a time, one result a question, never faster than once a second, and nothing that the network does
raises. Plain callbacks on the loop (asyncio's or uvloop's): a question is a chore, asked in company where there is
any, and while all is well its answer is heard in company, too: who waits for nothing is woken by a refusal alone. The
socket is connected, so the kernel drops whatever comes from another address or port; after a miss it is opened anew,
because the route, the server's address or our own may be others by now.
"""

import asyncio
import errno
import secrets
import socket
from collections import Counter
from collections.abc import Callable
from math import ceil
from typing import Final, NamedTuple

from sidecar.company import Company
from sidecar.ntp.line import Line
from sidecar.ntp.packet import COOKIE_LENGTH, Refusal, Reply, check, request
from sidecar.ntp.resolve import Endpoint, Resolver, literal
from sidecar.ntp.target import Target
from sidecar.ntp.verdict import Miss, Outcome

# ntpsec keeps a decaying average of 20 s and answers no one who is above one query a second, with no word of why: asked
# each 1.00 s it fell silent for good after 74 answers, asked each 1.05 s it never did (ntpsec 1.2.2, its own defaults).
INTERVAL_S: Final = 1.25
# A miss is looked into sooner (each second), so that three of them are about three seconds; but not for long: at that
# pace a limit as above, once reached by whatever else asks from this address, would never let us in again.
_SOONER: Final = 0.8
_SOONER_TIMES: Final = 3
_EARLY: Final = 0.1  # of an interval, by which a question may follow one that was asked late
# In company questions are an interval apart on the average, in intervals between these: with adverts a second apart
# four of five bring one, so 1.0 or 2.0 s; the pace of a miss that is looked into is kept by a timer.
_LEAST: Final = 0.76
_MOST: Final = 1.8
TIMEOUT_S: Final = 0.5
# An answer that is not waited for is heard in company once its time-out is over, and by the clock so many intervals
# after the question: a first miss is known when the next question is due that looks into it, or 0.125 s later.
_PATIENCE: Final = 0.9
_NO_PATIENCE_S: Final = 10.0  # after what spoke against it: no company came, or datagrams that were no answers;
_OFTEN: Final = 0.2  # or company within so many intervals, which costs as much as a wake-up while the question is warm
_WAITED_FOR: Final = 16  # one question in so many is, for a server that answers, but late
_DATAGRAM: Final = 1024
_BACK_OFF_MOST: Final = 4  # doublings: at most 20 s between questions
_FORGET_KISS_AFTER: Final = 10  # good answers for each halving back
_QUESTIONS: Final = 64  # made at once
_DATAGRAMS_A_WAKE_UP: Final = 16  # whoever forges the server's address may not hold the loop


class ProbeResult(NamedTuple):
    """What came of one question."""

    outcome: Outcome
    rtt_s: float | None = None  # from question to reply; None without a reply, or when it was not waited for


Listener = Callable[[ProbeResult, float], object]
"""With the time of the probe's clock at which it came to be. True: all is well, and the next answer may wait."""


class Probe:
    """Asks `target` from `start()` to `stop()` on the running loop; `on_result(result, now)` is told of every question.

    With `own_address` the target is an address of this host, and is asked from that same address: if it is not here,
    the question fails (Miss.ABSENT) and never leaves for whoever has it now.
    """

    def __init__(
        self,
        target: Target,
        on_result: Listener,
        *,
        own_address: bool = False,
        family: int = socket.AF_UNSPEC,
        interval: float = INTERVAL_S,
        timeout: float = TIMEOUT_S,
        company: Company | None = None,
    ) -> None:
        """``company``: of whoever wakes this process anyway; None: it is woken for each question."""
        if not 0 < timeout < interval:
            raise ValueError(f"a timeout of {timeout} s does not end within the interval of {interval} s")
        self.target = target
        self.refused: Counter[Refusal] = Counter()  # datagrams that were no reply to our question, by reason
        self._on_result = on_result
        self._own_address = own_address
        self._interval, self._timeout = interval, timeout
        self._alone = company is None
        self._company = company or Company()
        self._chore = self._company.chore(f"the question to {target}", self._turn)
        self._literal = literal(target, family)
        self._endpoints: list[Endpoint] = list(self._literal)
        self._resolver = Resolver(target, self._resolved, family)
        self._line: Line | None = None
        self._questions: list[bytes] = []  # not asked yet
        self._cookie: bytes | None = None  # of the question that waits for its answer
        self._asked_at = 0.0
        self._awaiting_name = False
        self._well = False  # as the listener said
        self._impatient_until = 0.0
        self._back_off = 0
        self._misses = 0  # in a row
        self._good = 0
        self._loop: asyncio.AbstractEventLoop | None = None  # while it asks

    def start(self) -> None:
        """Ask for the first time at once. Needs the running loop."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._well = False
            self._chore.plan(0.0, self._company.now())

    def stop(self) -> None:
        """Ask no more and report nothing more."""
        self._chore.cancel()
        self._cookie, self._awaiting_name = None, False
        self._close()
        self._loop = None

    # ------------------------------------------------------------------------------------------------- one question

    def _turn(self) -> None:
        """The time of the next question has come, or that of the answer to one."""
        now = self._company.now()
        if self._cookie is not None or self._awaiting_name:
            self._conclude(now)
            if self._chore.earliest > now:  # or stopped
                return
        self._asked_at = now
        if self._endpoints:
            self._send()
        else:
            self._find_endpoints()

    def _send(self) -> None:
        asked, question = self._asked_at, self._questions.pop() if self._questions else self._more_questions()
        wait = self._well and asked >= self._impatient_until and len(self._questions) % _WAITED_FOR > 0
        try:
            line = self._line or self._open()
            if line.awake is wait:
                line.wake(by_answers=not wait)
            line.send(question)
        except OSError as error:
            self._finish(_miss(error), self._company.now())
            return
        self._cookie = question[-COOKIE_LENGTH:]
        due = asked + self._timeout
        self._chore.plan(due, asked + self._interval * _PATIENCE if wait else due)

    def _more_questions(self) -> bytes:
        """Many at once, and the first of them: random bits have their price, too."""
        bits = secrets.token_bytes(COOKIE_LENGTH * _QUESTIONS)
        self._questions = [request(bits[at : at + COOKIE_LENGTH]) for at in range(0, len(bits), COOKIE_LENGTH)]
        return self._questions.pop()

    def _conclude(self, now: float) -> None:
        """The time-out is over: what has come is heard (also after a stall of ours), then silence is concluded."""
        line = self._line
        if line is not None:
            if not (line.awake or self._chore.earliest + self._interval * _OFTEN < now < self._chore.latest):
                self._impatient_until = now + _NO_PATIENCE_S
            self._hear(line)
        if self._cookie is not None or self._awaiting_name:
            outcome = Miss.UNRESOLVED if self._awaiting_name else Miss.TIMEOUT
            stalled = line is None or line.awake or now > self._asked_at + self._interval
            self._finish(outcome, now if stalled else self._asked_at + self._timeout)

    def _finish(self, outcome: Outcome, at: float) -> None:
        """The one end of every question. The next one is set before the listener is told, whatever that may do."""
        self._cookie, self._awaiting_name = None, False
        rtt: float | None = at - self._asked_at
        if isinstance(outcome, Reply) and not (self._misses or self._back_off):
            self._plan_next()
        else:
            self._pace(outcome)
            if isinstance(outcome, Miss):
                rtt = None
                self._close()
                # A name may have several addresses; the last is asked anew.
                self._endpoints = self._endpoints[1:] or list(self._literal)
        self._well = bool(self._on_result(ProbeResult(outcome, rtt or None), at)) and not self._alone

    def _pace(self, outcome: Outcome) -> None:
        """When the next question is asked: less often when told to (RFC 5905 §7.4), and coming back slowly."""
        if isinstance(outcome, Refusal):
            self._back_off, self._good = min(self._back_off + 1, _BACK_OFF_MOST), 0
        elif isinstance(outcome, Reply) and self._back_off:
            self._good += 1
            if self._good == _FORGET_KISS_AFTER:
                self._back_off, self._good = self._back_off - 1, 0
        self._misses = self._misses + 1 if isinstance(outcome, Miss) else 0
        sooner = 0 < self._misses <= _SOONER_TIMES and not self._back_off
        next_at = self._asked_at + self._interval * (_SOONER if sooner else 1 << self._back_off)
        if self._misses:
            self._at(next_at)
        elif self._back_off:
            self._at(self._in_step(next_at))
        else:
            self._plan_next()

    def _plan_next(self) -> None:
        """At the next beat, or in company from then on."""
        asked, interval = self._asked_at, self._interval
        if self._alone:
            self._at(self._in_step(asked + interval))
        else:
            beat = ceil(asked / interval + _EARLY) * interval
            least = asked + interval * _LEAST
            self._chore.plan(max(least, beat), asked + interval * _MOST)

    def _in_step(self, at: float) -> float:
        """The beat that all probes of this interval share: one wake-up asks for the server and for every address."""
        return ceil(at / self._interval - _EARLY) * self._interval

    def _at(self, moment: float) -> None:
        self._chore.plan(moment, moment)

    # --------------------------------------------------------------------------------------------------- the answer

    def _hear(self, line: Line) -> None:
        """What has come, until it is the answer."""
        for number in range(_DATAGRAMS_A_WAKE_UP):
            if line is not self._line:  # the listener stopped us, or a miss closed it
                return
            if number and self._cookie is None:  # answered; what else there is comes by another wake-up
                return
            try:
                data = line.recv(_DATAGRAM)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._broken(error)
                return
            outcome = check(data, self._cookie or b"")
            if isinstance(outcome, Refusal) and not outcome.kiss:
                self._refuse(outcome)
            else:  # when it came is not known where it was not waited for
                self._finish(outcome, self._company.now() if line.awake else self._asked_at)

    def _refuse(self, why: Refusal) -> None:
        """The genuine answer may still come, and others before it."""
        self.refused[why] += 1
        self._impatient_until = self._company.now() + _NO_PATIENCE_S

    def _broken(self, error: OSError) -> None:
        """The kernel reports what an ICMP message said, perhaps after the question was given up."""
        if self._cookie is None:
            self._close()
        else:
            self._finish(_miss(error), self._company.now())

    # ----------------------------------------------------------------------------------------------------- the socket

    def _open(self) -> Line:
        line = self._line = Line(self._endpoints[0], own_address=self._own_address)
        if self._loop is not None:
            self._loop.add_reader(line.fileno(), self._hear, line)
        return line

    def _close(self) -> None:
        if self._line is not None:
            if self._loop is not None:
                self._loop.remove_reader(self._line.fileno())
            self._line.close()
            self._line = None

    def _find_endpoints(self) -> None:
        self._awaiting_name = True
        self._at(self._asked_at + self._timeout)
        self._resolver.start()

    def _resolved(self, found: list[Endpoint]) -> None:
        """The name's addresses. If the question that wanted them was given up meanwhile, the next one has them."""
        self._endpoints = found
        if not self._awaiting_name:
            return
        self._awaiting_name = False
        if found:
            self._send()
        else:
            self._finish(Miss.UNRESOLVED, self._company.now())


def _miss(error: OSError) -> Miss:
    if isinstance(error, ConnectionRefusedError):
        return Miss.REFUSED
    return Miss.ABSENT if error.errno in {errno.EADDRNOTAVAIL, errno.EINVAL} else Miss.UNREACHABLE
