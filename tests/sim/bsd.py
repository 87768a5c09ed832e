"""Plain BSD peers as the kernels behave: no lease, no hand-over, and the hearer of an equal yields.

Written after the protocol notes, not after our own election, so that a shared mistake cannot hide: they use nothing of
``sidecar.carp`` but the vocabulary of events and effects.
"""

from sidecar.carp import effects as do
from sidecar.carp import events as on
from sidecar.carp.config import Config, Family
from sidecar.carp.effects import Effect, Reason, State
from sidecar.carp.events import Event
from sidecar.carp.packet import Advertisement

Effects = tuple[Effect, ...]


def interval_of(advbase: int, advskew: int) -> float:
    """advbase + advskew/256 s."""
    return advbase + advskew / 256


class FreeBsd:
    """One vhid of a FreeBSD kernel (10 and later); ``config.preempt`` is its sysctl, off by default in the world."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._state = State.INIT
        self._deadline: float | None = None
        self._stopped = False
        self._heard: dict[Family, float] = {}
        self._causes: dict[str, int] = {}

    @property
    def deadline(self) -> float | None:
        return self._deadline

    @property
    def demotion(self) -> int:
        return sum(self._causes.values())

    def advskew(self) -> int:
        """What goes on the wire, and into comparisons."""
        return min(240, max(0, self._config.advskew + self.demotion))

    def demote_byte(self) -> int:
        return 0

    def master_down(self) -> float:
        """Silence before a take-over: with the configured advskew, whatever the demotion."""
        return 3 * self._config.advbase + self._config.advskew / 256

    def interval(self) -> float:
        return interval_of(self._config.advbase, self.advskew())

    def takes_over_from(self, ad: Advertisement) -> bool:
        """Whether a backup would rather be master than leave this one alone."""
        theirs = interval_of(ad.advbase, ad.advskew)
        return (self._config.preempt and self.interval() < theirs) or self.master_down() < theirs

    def yields_to(self, ad: Advertisement, source: bytes) -> bool:
        """Whether a master gives way."""
        return self.interval() >= interval_of(ad.advbase, ad.advskew)

    def handle(self, event: Event, now: float) -> Effects:
        if self._stopped:
            return ()
        match event:
            case on.CarpdevChanged(up=True) if self._state is State.INIT:
                return self._enter(State.BACKUP, Reason.CARPDEV_UP, now)
            case on.CarpdevChanged(up=False) if self._state is not State.INIT:
                return self._enter(State.INIT, Reason.CARPDEV_DOWN, now)
            case on.ShutdownRequested():
                self._stopped = True
                return (*self._go_down(now), do.Stopped())
            case on.DemotionSet():
                self._causes[event.cause] = event.amount
                return self._advertise(now) if self._state is State.MASTER else ()
            case on.DeadlineReached() if self._deadline is not None and now >= self._deadline:
                return self._on_deadline(now)
            case on.AdvertisementReceived() if self._state is not State.INIT and event.family in self._heard:
                return self._on_advertisement(event, now)
        return ()

    def _go_down(self, now: float) -> Effects:
        """FreeBSD says no goodbye."""
        return self._enter(State.INIT, Reason.SHUTDOWN, now)

    def _on_deadline(self, now: float) -> Effects:
        if self._state is State.MASTER:
            return self._advertise(now)
        return self._enter(State.MASTER, Reason.MASTER_DOWN, now)

    def _on_advertisement(self, event: on.AdvertisementReceived, now: float) -> Effects:
        if self._state is State.MASTER:
            yields = self.yields_to(event.advertisement, event.source)
            return self._enter(State.BACKUP, Reason.BETTER_PEER, now) if yields else ()
        if self.takes_over_from(event.advertisement):
            return self._enter(State.MASTER, Reason.PREEMPT, now)
        self._heard[event.family] = now
        self._deadline = min(self._heard.values()) + self.master_down()
        return ()

    def _advertise(self, now: float) -> Effects:
        self._deadline = now + self.interval()
        return (do.SendAdvertisement(self._config.advbase, self.advskew(), self.demote_byte()),)

    def _enter(self, state: State, reason: Reason, now: float) -> Effects:
        old, self._state = self._state, state
        self._heard = dict.fromkeys(self._config.families, now)
        self._deadline = None if state is State.INIT else now + self.master_down()
        changed: Effects = (do.StateChanged(old, state, reason),)
        if state is State.MASTER:
            return (*changed, *self._advertise(now), do.HoldAddresses(self._config.addresses))
        return (do.ReleaseAddresses(), *changed) if old is State.MASTER else changed


class Ucarp(FreeBsd):
    """ucarp: between equals the source decides, byte-swapped, and the loser speaks once more before it goes."""

    def __init__(self, config: Config, source: bytes) -> None:
        super().__init__(config)
        self._order = source[::-1]

    def yields_to(self, ad: Advertisement, source: bytes) -> bool:
        theirs = interval_of(ad.advbase, ad.advskew)
        return self.interval() > theirs or (self.interval() == theirs and source[::-1] < self._order)

    def _on_advertisement(self, event: on.AdvertisementReceived, now: float) -> Effects:
        was_master = self._state is State.MASTER
        effects = super()._on_advertisement(event, now)
        last_word = do.SendAdvertisement(self._config.advbase, self.advskew())
        return (last_word, *effects) if was_master and effects else effects


class OpenBsd(FreeBsd):
    """OpenBSD: demotion in a byte of its own, three times the whole interval, a goodbye when it is taken down."""

    def advskew(self) -> int:
        return self._config.advskew

    def demote_byte(self) -> int:
        return min(255, self.demotion)

    def master_down(self) -> float:
        return 3 * self.interval()

    def takes_over_from(self, ad: Advertisement) -> bool:
        if ad.demote > self.demote_byte():
            return True
        theirs = interval_of(ad.advbase, ad.advskew)
        preempts = self._config.preempt and self.interval() < theirs and ad.demote == self.demote_byte()
        too_slow = 3 * self._config.advbase + self._config.advskew / 256 < theirs
        return preempts or (too_slow and self._config.advbase > 0)

    def yields_to(self, ad: Advertisement, source: bytes) -> bool:
        if ad.demote != self.demote_byte():
            return ad.demote < self.demote_byte()
        return super().yields_to(ad, source)

    def _go_down(self, now: float) -> Effects:
        was_master = self._state is State.MASTER
        left = super()._go_down(now)
        return (*left, do.SendAdvertisement(255, 255, self.demote_byte())) if was_master else left
