"""Watches the NTP server beside us, and turns its health into demotion. Law: it reports changes, and decides nothing.

    watch = NtpWatch(Target("127.0.0.1"), on_demotion)
    watch.demotion                     # 240 from the first moment: the election must never begin without it
    watch.start()                      # on the running loop
    watch.set_master(("192.0.2.10",))  # the virtual addresses held now, each time that changes, before one is given up
    watch.status()                     # the `ntp` object of /status
    watch.stop()

`on_demotion(Demotion)` is called on the loop, only when an amount changes, and once by `start()`:

* `("ntp", 0|80|160|240, None)`: the server's health; of the same weight for every virtual host.
* `("vip", 0|240, address)`: one virtual address that this host holds does not answer, though the server does. A virtual
  host is worth its worst address: `watch.vip_demotion(addresses)`.

Target None (`off`) watches nothing: state `off`, no demotion, no call.
"""

import logging
from collections.abc import Callable, Iterable
from functools import partial
from time import monotonic
from typing import Final, NamedTuple, TypedDict

from sidecar.company import Company
from sidecar.ntp.packet import Reply
from sidecar.ntp.probe import INTERVAL_S, TIMEOUT_S, Listener, Probe, ProbeResult
from sidecar.ntp.target import Target
from sidecar.ntp.verdict import HealthLedger, Miss, Thresholds, Verdict, VipLedger

__all__ = ["Demotion", "NtpStatus", "NtpWatch", "Target", "Thresholds", "Verdict"]

_log: Final = logging.getLogger(__name__)
_WELL: Final = (True, 0)  # an address that answers, and its demotion
_LATER: Final = 0.001  # asked together, the server's silence is to be known before that of an address


class Demotion(NamedTuple):
    """What one cause adds to advskew from now on."""

    cause: str  # "ntp" or "vip"
    amount: int  # 0-240
    address: str | None = None  # the virtual address, for "vip"


class NtpStatus(TypedDict):
    """The `ntp` object of /status. Figures are of the last answer; null while there is none."""

    state: str  # ok, holdover, stale, unsynchronised, dead, off
    stratum: int | None
    leap: int | None
    reference_age_s: float | None
    root_distance_s: float | None
    vip_answers: bool | None


class NtpWatch:
    """One NTP server, and the virtual addresses through which it is served while they are held here."""

    def __init__(
        self,
        target: Target | None,
        on_demotion: Callable[[Demotion], None],
        *,
        thresholds: Thresholds | None = None,
        interval: float = INTERVAL_S,
        timeout: float = TIMEOUT_S,
        company: Company | None = None,
    ) -> None:
        self.target = target
        self._on_demotion = on_demotion
        self._limits = thresholds or Thresholds()
        self._interval, self._timeout, self._company = interval, timeout, company
        self._clock = company.now if company else monotonic
        self._health = HealthLedger(self._limits)
        self._server_answers = False  # the last question, not the state: that takes three
        self._probe = self._asking(target, self._answered) if target else None
        self._vips: dict[str, VipLedger] = {}
        self._vip_probes: dict[str, Probe] = {}
        self._running = False

    def _asking(self, target: Target, on_result: Listener, *, own_address: bool = False) -> Probe:
        return Probe(
            target,
            on_result,
            own_address=own_address,
            interval=self._interval,
            timeout=self._timeout + (_LATER if own_address else 0.0),
            company=self._company,
        )

    # ------------------------------------------------------------------------------------------------ what it is told

    def start(self) -> None:
        """Report the demotion at start, then ask at once. Needs the running loop."""
        if self._probe is None or self._running:
            return
        self._running = True
        self._on_demotion(Demotion("ntp", self.demotion))
        self._probe.start()
        for probe in self._vip_probes.values():
            probe.start()

    def stop(self) -> None:
        """Ask no more; reports nothing."""
        self._running = False
        for probe in (self._probe, *self._vip_probes.values()):
            if probe is not None:
                probe.stop()

    def set_master(self, addresses: Iterable[str]) -> None:
        """The virtual addresses (without prefix) that this host holds now; empty while backup."""
        if self.target is None:
            return
        wanted = set(addresses)
        for address in self._vip_probes.keys() - wanted:
            self._vip_probes.pop(address).stop()
            self._vips[address].release(self._clock())
        for address in wanted - self._vip_probes.keys():
            self._hold(address, Target(address, self.target.port))

    def _hold(self, address: str, target: Target) -> None:
        answered = partial(self._vip_answered, address)
        probe = self._vip_probes[address] = self._asking(target, answered, own_address=True)
        self._vips.setdefault(address, VipLedger(self._limits)).hold(self._clock())
        if self._running:
            probe.start()

    # -------------------------------------------------------------------------------------------------- what it tells

    @property
    def demotion(self) -> int:
        """0, 80, 160 or 240 by the server's health; 240 from construction until the first answer that counts."""
        return self._health.demotion if self.target else 0

    def vip_demotion(self, addresses: Iterable[str]) -> int:
        """0 or 240: of a virtual host with these addresses."""
        return max((self._vips[address].demotion for address in addresses if address in self._vips), default=0)

    @property
    def verdict(self) -> Verdict | None:
        """The server's health; None when off."""
        return self._health.verdict if self.target else None

    @property
    def state(self) -> str:
        """ok, holdover, stale, unsynchronised, dead or off."""
        return str(self.verdict) if self.verdict is not None else "off"

    @property
    def reason(self) -> str:
        """Why the state is what it is, in words."""
        return self._health.reason if self.target else "not watched"

    @property
    def reply(self) -> Reply | None:
        """The last answer; None while there is none."""
        return self._health.reply

    @property
    def vip_answers(self) -> bool | None:
        """Whether all held addresses answer; False also for one that was given up for its silence; None: not known."""
        answers = {vip.answers for vip in self._vips.values() if vip.held or vip.answers is not None}
        return next((answer for answer in (False, None, True) if answer in answers), None)

    def status(self) -> NtpStatus:
        """The `ntp` object of /status."""
        reply = self.reply
        return {
            "state": self.state,
            "stratum": reply.stratum if reply else None,
            "leap": reply.leap if reply else None,
            "reference_age_s": _rounded(reply.reference_age_s) if reply else None,
            "root_distance_s": _rounded(reply.root_distance_s) if reply else None,
            "vip_answers": self.vip_answers,
        }

    # -------------------------------------------------------------------------------------------------- what it hears

    def _answered(self, result: ProbeResult, now: float) -> bool:
        """Whether all is well with the server."""
        self._server_answers = not isinstance(result.outcome, Miss)
        health = self._health
        known, before = health.known, health.verdict
        health.feed(result.outcome, now)
        if health.verdict is not before or health.known is not known:
            self._tell_state(before if known else None)
            if health.demotion != before.demotion:
                self._on_demotion(Demotion("ntp", health.demotion))
        if len(self._vips) > len(self._vip_probes):
            self._vips_pass(now)
        return health.well and self._server_answers

    def _vips_pass(self, now: float) -> None:
        for address in [address for address, vip in self._vips.items() if not vip.held]:
            self._vip_passes(address, now)

    def _tell_state(self, before: Verdict | None) -> None:
        now = self._health.verdict
        level = logging.WARNING if now > (before or Verdict.OK) else logging.INFO
        was = "new" if before is None else str(before)
        text = "NTP server %s: %s -> %s, demotion %d: %s"
        _log.log(level, text, self.target, was, now, now.demotion, self._health.reason)

    def _vip_answered(self, address: str, result: ProbeResult, now: float) -> bool:
        """Whether it did."""
        vip = self._vips[address]
        before = vip.answers, vip.demotion
        missed = isinstance(result.outcome, Miss)
        if missed:
            vip.missed(now, self._server_answers)
        else:
            vip.answered(now)
        if missed or before != _WELL:
            self._tell_vip(address, before, result.outcome)
        return not missed

    def _vip_passes(self, address: str, now: float) -> None:
        vip = self._vips[address]
        before = vip.answers, vip.demotion
        vip.tick(now)
        self._tell_vip(address, before, None)

    def _tell_vip(self, address: str, before: tuple[bool | None, int], outcome: object) -> None:
        vip = self._vips[address]
        if (vip.answers, vip.demotion) == before:
            return
        if vip.answers:
            _log.info("virtual address %s answers NTP", address)
        elif vip.answers is False:
            why = outcome.value if isinstance(outcome, Miss) else "no answer"
            _log.warning("virtual address %s does not answer NTP (%s), demotion %d", address, why, vip.demotion)
        else:
            _log.info("virtual address %s gets another chance to answer NTP", address)
        if vip.demotion != before[1]:
            self._on_demotion(Demotion("vip", vip.demotion, address))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
