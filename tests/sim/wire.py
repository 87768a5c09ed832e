"""How a node puts what it says on the wire and what it makes of what it hears: as values, or as signed bytes."""

from collections.abc import Callable, Sequence
from typing import Protocol

from sidecar.carp.auth import Authenticator, Key
from sidecar.carp.config import Config, Family
from sidecar.carp.constants import GROUP_V4, GROUP_V6, TTL
from sidecar.carp.effects import SendAdvertisement
from sidecar.carp.events import AdvertisementReceived
from sidecar.carp.freshness import Freshness
from sidecar.carp.packet import Advertisement, decode, encode
from sidecar.carp.receive import Datagram, DropReason, Receiver, Speaker, check_form
from sidecar.carp.transmit import Transmitter

Message = AdvertisementReceived | Datagram
GROUPS = {Family.V4: GROUP_V4, Family.V6: GROUP_V6}
_MASK = (1 << 64) - 1


def ring(secrets: Sequence[bytes]) -> list[Key]:
    """Keys in the order of their file."""
    return [Key(secret, number) for number, secret in enumerate(secrets, start=1)]


def authenticator(config: Config, keys: Sequence[Key]) -> Authenticator:
    return Authenticator(config.vhid, config.addresses, keys, sign_link_local=config.sign_link_local)


class Wire(Protocol):
    """``pack`` what is said into a message a family; ``unpack`` a message into an event, or drop it."""

    def pack(self, ad: SendAdvertisement, families: tuple[Family, ...]) -> Sequence[Message]: ...

    def unpack(self, message: Message) -> AdvertisementReceived | None: ...

    def configure(self, config: Config, keys: Sequence[Key] | None = None) -> None: ...


class Plain:
    """A wire of values: what is heard is what was meant. Fast. ``ours``: whether carp-sidecar listens."""

    def __init__(self, sources: dict[Family, bytes], vhid: int, *, ours: bool = True) -> None:
        self._sources = sources
        self._vhid = vhid
        self._ours = ours
        self._heard: dict[int, tuple[AdvertisementReceived, AdvertisementReceived]] = {}
        self._cache: dict[tuple[SendAdvertisement, tuple[Family, ...]], tuple[AdvertisementReceived, ...]] = {}

    def pack(self, ad: SendAdvertisement, families: tuple[Family, ...]) -> Sequence[Message]:
        messages = self._cache.get((ad, families))
        if messages is None:
            meant = Advertisement(self._vhid, ad.advbase, ad.advskew, ad.demote, 0, b"")
            speaker = Speaker.CARP_SIDECAR if self._ours else Speaker.UNKNOWN
            messages = tuple(
                AdvertisementReceived(meant, family, self._sources[family], 1, speaker) for family in families
            )
            self._cache[ad, families] = messages
        return messages

    def unpack(self, message: Message) -> AdvertisementReceived | None:
        assert isinstance(message, AdvertisementReceived)
        known = self._heard.get(id(message))
        if known is None:
            outranks = message.speaker is Speaker.CARP_SIDECAR and message.source < self._sources[message.family]
            known = self._heard[id(message)] = (message, message._replace(outranks=outranks))
        return known[1]

    def configure(self, config: Config, keys: Sequence[Key] | None = None) -> None:
        """Nothing here depends on it."""


class Real:
    """Our own wire of bytes: signed, packed, checked. Counts what was dropped and why."""

    def __init__(
        self,
        sources: dict[Family, bytes],
        config: Config,
        keys: Sequence[Key],
        freshness: Freshness,
        now: Callable[[], float],
        *,
        strict: bool = False,
    ) -> None:
        """``freshness``: what a process knows of the past; a new one knows nothing."""
        self._sources = sources
        self._keys = keys
        self._freshness = freshness
        self._now = now
        self._strict = strict
        self._transmitter = Transmitter(config.vhid, authenticator(config, keys), freshness, now)
        self._transmitter.send_from(frozenset(sources.values()))
        self.drops: dict[DropReason, int] = {}
        self.configure(config)

    def configure(self, config: Config, keys: Sequence[Key] | None = None) -> None:
        """Other keys or addresses; the ticks go on."""
        self._keys = self._keys if keys is None else keys
        signer = authenticator(config, self._keys)
        self._transmitter.authenticate_with(signer)
        self._receiver = Receiver(config, signer, self._freshness, strict=self._strict)

    def pack(self, ad: SendAdvertisement, families: tuple[Family, ...]) -> Sequence[Message]:
        payload = self._transmitter.payload(ad.advbase, ad.advskew, ad.demote)
        return [Datagram(family, self._sources[family], GROUPS[family], TTL, payload) for family in families]

    def unpack(self, message: Message) -> AdvertisementReceived | None:
        assert isinstance(message, Datagram)
        checked = self._receiver.check(message, self._now())
        if isinstance(checked, DropReason):
            self.drops[checked] = self.drops.get(checked, 0) + 1
            return None
        advertisement, key, speaker, outranks = checked
        return AdvertisementReceived(advertisement, message.family, message.source, key, speaker, outranks)


class Ordinary:
    """A BSD kernel or ucarp on a wire of bytes: FreeBSD, NetBSD, ucarp go on from the counter they heard (``copies``);
    OpenBSD has one for as long as the interface lives, and takes it for a loop when it hears it."""

    def __init__(
        self, sources: dict[Family, bytes], config: Config, keys: Sequence[Key], first_counter: int, *, copies: bool
    ) -> None:
        self._sources = sources
        self._counter = first_counter
        self._copies = copies
        self._keys = keys
        self.configure(config)

    def configure(self, config: Config, keys: Sequence[Key] | None = None) -> None:
        """One key is all that they have."""
        self._keys = self._keys if keys is None else keys
        self._vhid = config.vhid
        self._families = config.families
        self._signer = authenticator(config, self._keys[:1])

    def pack(self, ad: SendAdvertisement, families: tuple[Family, ...]) -> Sequence[Message]:
        self._counter = (self._counter + self._copies) & _MASK
        digest = self._signer.sign(self._counter)
        said = encode(Advertisement(self._vhid, ad.advbase, ad.advskew, ad.demote, self._counter, digest))
        return [Datagram(family, self._sources[family], GROUPS[family], TTL, said) for family in families]

    def unpack(self, message: Message) -> AdvertisementReceived | None:
        assert isinstance(message, Datagram)
        if check_form(message) is not None:
            return None
        ad = decode(message.payload)
        key = self._signer.verify(ad.counter, ad.digest)
        if key is None or ad.vhid != self._vhid or message.family not in self._families:
            return None
        if self._copies:
            self._counter = ad.counter
        elif ad.counter == self._counter:
            return None
        return AdvertisementReceived(ad, message.family, message.source, key)
