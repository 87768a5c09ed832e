"""Advertisements out: the same one on each family, to the group by the packet socket or to each peer by the raw one.

The head of every frame is built when the source addresses are known; sending one is a digest and a ``send``.
"""

from collections.abc import Mapping, Sequence

from sidecar.carp.config import Address, Config, Family
from sidecar.carp.transmit import Transmitter
from sidecar.net.frames import advertisement_head
from sidecar.net.groups import Groups
from sidecar.net.wire import Wire


class AdvertisementSender:
    """Sends for one virtual host. ``place`` before the first ``send``. There are peers, or heads to the groups."""

    def __init__(self, transmitter: Transmitter, wire: Wire, groups: Groups) -> None:
        self._transmitter = transmitter
        self._wire = wire
        self._groups = groups
        self._heads: list[bytes] = []
        self._peers: Sequence[Address] = ()
        self._ifindex = 0
        self._missing: str | None = "no source address yet"

    def place(self, config: Config, ifindex: int, mac: bytes, sources: Mapping[Family, Address]) -> None:
        """Where advertisements leave from; a family without a source address makes sending fail, and says so."""
        missing = [f"IPv{family.value}" for family in config.families if family not in sources]
        self._missing = f"no {' and '.join(missing)} source address on the interface" if missing else None
        self._peers = [peer for peer in config.peers if Family(peer.version) in config.families]
        families = () if self._peers else tuple(family for family in config.families if family in sources)
        self._heads = [advertisement_head(family, mac, sources[family].packed) for family in families]
        self._ifindex = ifindex
        self._transmitter.send_from(frozenset(address.packed for address in sources.values()))

    def send(self, advbase: int, advskew: int, demote: int) -> str | None:
        """One advertisement on every family (to every peer when unicast); the first reason when one could not go."""
        failure = self._missing
        payload = self._transmitter.payload(advbase, advskew, demote)
        for peer in self._peers:
            failed = self._groups.send(payload, peer, self._ifindex)
            failure = failure or failed
        for head in self._heads:
            failed = self._wire.send(head + payload)
            failure = failure or failed
        return failure
