"""Who was heard and what they last said. Bounded, because a stranger with the key could invent sources."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from sidecar.carp.packet import Advertisement
from sidecar.carp.receive import Speaker

_LIMIT: Final = 64
"""Sources remembered; the one silent for longest makes room."""


@dataclass(slots=True)
class Peer:
    """A source and its last word. ``advbase``, ``advskew`` and ``demote`` are those of its last real advertisement."""

    source: bytes
    speaker: Speaker
    advbase: int
    advskew: int
    demote: int
    heard_at: float
    key: int
    left: bool = False
    """It bowed out and has not spoken since."""

    @property
    def address(self) -> str:
        """The source as text."""
        return str(ip_address(self.source))

    @property
    def units(self) -> int:
        """Of advskew and demotion, by which such a node lets others go first."""
        return self.advskew + self.demote

    def describe(self) -> str:
        """For a person: who, and what it says of itself."""
        demoted = f", demoted {self.demote}" if self.demote else ""
        return f"{self.address} (advbase {self.advbase}, advskew {self.advskew}{demoted})"


class PeerTable:
    """Peers by packed source address, the one silent for longest first."""

    def __init__(self) -> None:
        self._peers: dict[bytes, Peer] = {}

    def hear(self, source: bytes, speaker: Speaker, advertisement: Advertisement, key: int, now: float) -> Peer:
        """Note an advertisement. A bow-out keeps what the peer said before it, and marks it as gone."""
        peer = self._peers.pop(source, None)
        if peer is None:
            peer = Peer(source, speaker, advertisement.advbase, advertisement.advskew, advertisement.demote, now, key)
            self._make_room()
        peer.left = advertisement.is_bow_out
        if not peer.left:
            peer.advbase, peer.advskew, peer.demote = advertisement[1:4]
        peer.heard_at, peer.key, peer.speaker = now, key, speaker
        self._peers[source] = peer
        return peer

    def all(self) -> list[Peer]:
        """All that are remembered, latest last."""
        return list(self._peers.values())

    def _make_room(self) -> None:
        while len(self._peers) >= _LIMIT:
            del self._peers[next(iter(self._peers))]
