"""One election that is told things, and a world that does what it asks for."""

from collections.abc import Callable
from ipaddress import ip_address

from sidecar.carp import effects as do
from sidecar.carp import events as on
from sidecar.carp.config import Address, Config, Dialect, Family
from sidecar.carp.effects import Effect, State
from sidecar.carp.election import Election
from sidecar.carp.events import Event
from sidecar.carp.packet import Advertisement
from sidecar.carp.receive import Speaker
from sidecar.carp.status import Status

VIP: tuple[Address, ...] = (ip_address("192.0.2.10"),)
VIP6: tuple[Address, ...] = (ip_address("2001:db8::10"),)
PEER = ip_address("192.0.2.1").packed
OTHER = ip_address("192.0.2.2").packed
PEER6 = ip_address("fe80::1").packed


class Told:
    """Starts as a backup at 0.0 s. ``owned``, ``said``, ``announced`` and ``changes`` are what came of it."""

    def __init__(
        self,
        advskew: int = 100,
        *,
        advbase: int = 1,
        addresses: tuple[Address, ...] = VIP,
        preempt: bool = True,
        dialect: Dialect = Dialect.FREEBSD,
        jitter: Callable[[], float] = float,
        up: bool = True,
    ) -> None:
        self.config = Config(1, addresses, advbase, advskew, preempt, dialect)
        self.election = Election(self.config, jitter)
        self.now = 0.0
        self.owned: tuple[Address, ...] = ()
        self.said: list[do.SendAdvertisement] = []
        self.announced = 0
        self.renewed = 0
        self.changes: list[do.StateChanged] = []
        self.stopped = self.refuses = False
        self.tell(on.Started())
        if up:
            self.tell(on.CarpdevChanged(True))

    @property
    def state(self) -> State:
        return self.status.state

    @property
    def status(self) -> Status:
        return self.election.status

    @property
    def deadline(self) -> float:
        deadline = self.election.deadline
        assert deadline is not None
        return deadline

    @property
    def demotion(self) -> int:
        return self.status.demotion

    @property
    def why(self) -> do.Reason:
        """The reason of the last change of state."""
        return self.changes[-1].reason

    def tell(self, event: Event, after: float = 0.0) -> tuple[Effect, ...]:
        """Say it ``after`` so many seconds, in which no deadline is looked at, and do what is asked for.

        The kernel owns at once what it is asked to own, unless it ``refuses``; what that leads to is returned, too.
        """
        self.now += after
        effects = self.election.handle(event, self.now)
        for effect in effects:
            self._do(effect)
        if not any(isinstance(effect, do.HoldAddresses) for effect in effects):
            return effects
        return effects + self.tell(on.AddressesFailed("refused") if self.refuses else on.AddressesHeld())

    def _do(self, effect: Effect) -> None:
        match effect:
            case do.SendAdvertisement():
                self.said.append(effect)
            case do.HoldAddresses():
                self.owned = effect.addresses
            case do.ReleaseAddresses():
                self.owned = ()
            case do.Announce():
                self.announced += 1
            case do.RenewLease():
                self.renewed += 1
            case do.StateChanged():
                self.changes.append(effect)
            case do.Stopped():
                self.stopped = True
            case do.DemotionChanged():
                pass

    def hear(
        self,
        advskew: int,
        *,
        advbase: int = 1,
        demote: int = 0,
        family: Family = Family.V4,
        source: bytes = PEER,
        after: float = 0.0,
    ) -> tuple[Effect, ...]:
        """A peer's advertisement."""
        advertisement = Advertisement(1, advbase, advskew, demote, 7, bytes(20))
        return self.tell(on.AdvertisementReceived(advertisement, family, source, 1, Speaker.BSD), after)

    def hear_goodbye(
        self, *, source: bytes = PEER, family: Family = Family.V4, after: float = 0.0
    ) -> tuple[Effect, ...]:
        """A peer's bow-out."""
        return self.hear(255, advbase=255, source=source, family=family, after=after)

    def wait(self) -> tuple[Effect, ...]:
        """The next deadline, when it is due."""
        self.now = self.deadline
        return self.tell(on.DeadlineReached())

    def run_until(self, moment: float) -> None:
        """Every deadline up to a moment."""
        while self.election.deadline is not None and self.election.deadline <= moment:
            self.wait()
        self.now = moment

    def run(self, seconds: float) -> None:
        """Every deadline of so many seconds."""
        self.run_until(self.now + seconds)

    def demote(self, amount: int, cause: str = "ntp") -> tuple[Effect, ...]:
        return self.tell(on.DemotionSet(cause, amount))


def master(advskew: int = 100, **options: object) -> Told:
    """A node that has taken over a moment ago."""
    told = Told(advskew, **options)  # type: ignore[arg-type]
    told.wait()
    assert told.state is State.MASTER
    return told


def backup(advskew: int = 100, *, hears: int = 50, **options: object) -> Told:
    """A node that has heard a master a moment ago."""
    told = Told(advskew, **options)  # type: ignore[arg-type]
    told.hear(hears)
    assert told.state is State.BACKUP
    return told
