"""The wire of one carpdev: advertisements of all its virtual hosts in, frames out. Nothing here judges one.

The kernel filter lets in what concerns our vhids and nothing we sent ourselves. Peers whose advertisements were
believed have a socket to themselves, so that no flood can take their place; strangers have another, and when they are
a crowd, only so much of it is looked at. A wake-up reads a bounded number of frames.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from struct import Struct
from typing import Final, Protocol

from sidecar.carp.config import Family
from sidecar.carp.receive import Datagram
from sidecar.errors import HostError
from sidecar.net import bpf
from sidecar.net.doorkeeper import TURN, Doorkeeper
from sidecar.net.ear import Ear
from sidecar.net.readable import Readable

_log: Final = logging.getLogger(__name__)
_V4, _V6 = Family.V4, Family.V6
_IPV4: Final = Struct("!6x6s2xBxH4xBx2x4s4s")
_IPV6: Final = Struct("!6x6s2x4xHxB16s16s")
"""Source MAC, the header's length in words (IPv4), the packet's or payload's length, TTL, source and destination."""
BUDGET: Final = 64
"""Frames of known peers read a wake-up, and of strangers at most half as many."""
REST: Final = 0.001
"""Seconds that known peers wake nobody after one said what was not believed: a flood wakes us a thousand times a second
and not at each frame."""
_MOST_WAITING: Final = 16384
"""No buffer holds more frames."""
_MOST_KNOWN: Final = 32
_AMPLE: Final = 8 << 20
_SCANT: Final = 128 << 10
"""Bytes for a crowd: what is read of it must not be old."""
_TELL_AGAIN: Final = 60.0
_FLOOD: Final = (
    "a flood of advertisements that are not believed; strangers are heard only now and then, known peers as ever"
)


class Alarm(Protocol):
    """A timer with a descriptor."""

    def fileno(self) -> int:
        """The descriptor to watch."""

    def arm(self, deadline: float | None) -> None:
        """Become readable then."""

    def acknowledge(self) -> None:
        """It fired."""


@dataclass(frozen=True, slots=True)
class Listener:
    """One virtual host. ``receive`` says whether it believed; ``worried`` whether it would conclude from silence."""

    receive: Callable[[Datagram], bool]
    worried: Callable[[], bool]


class _Ears:
    """Both sockets and what watches them."""

    def __init__(self, ifindex: int, ifname: str, alarm: Alarm, filters: tuple[list[bpf.Instruction], ...]) -> None:
        self.known = Ear(ifindex, ifname, filters[0], _AMPLE)
        try:
            self.strangers = Ear(ifindex, ifname, filters[1], _AMPLE)
            self.readable = Readable(self.known.socket, self.strangers.socket, alarm.fileno())
        except OSError:
            self.close()
            raise
        self._paused: set[Ear] = set()

    def pause(self, ear: Ear, *, paused: bool) -> None:
        """Whether what this one has wakes nobody."""
        if paused is not (ear in self._paused):
            self.readable.heed(ear.socket, heeded=not paused)
            self._paused ^= {ear}

    def close(self) -> None:
        for one in ("readable", "strangers", "known"):
            if hasattr(self, one):
                getattr(self, one).close()


class Wire:
    """Virtual hosts ``attach``; ``open`` and ``close`` may alternate."""

    def __init__(self, alarm: Alarm, clock: Callable[[], float] = time.monotonic) -> None:
        self._alarm = alarm
        self._clock = clock
        self._ears: _Ears | None = None
        self._listeners: dict[int, Listener] = {}
        self._known: dict[bytes, None] = {}
        self._door = Doorkeeper()
        self._ifname = ""
        self._known_at = self._turn_at = inf
        self._wake_ups = 0
        self._told_at = -_TELL_AGAIN

    def attach(self, vhid: int, listener: Listener) -> None:
        """Hear a vhid from now on."""
        self._listeners[vhid] = listener
        self._attend()

    def open(self, ifindex: int, ifname: str) -> None:
        """Listen on an interface. ``HostError`` when the host does not allow it (CAP_NET_RAW)."""
        self.close()
        self._ifname = ifname
        try:
            self._ears = _Ears(ifindex, ifname, self._alarm, self._filters())
        except PermissionError as error:
            raise HostError(f"no packet socket on {ifname}: CAP_NET_RAW is missing") from error
        except OSError as error:
            raise HostError(f"no packet socket on {ifname}: {error.strerror}") from error

    def close(self) -> None:
        """Hear nothing more."""
        if self._ears is not None:
            self._ears.close()
            self._ears = None
        self._door.forgive()
        self._known_at = self._turn_at = inf
        self._set_alarm()

    def fileno(self) -> int:
        """The descriptor to watch, -1 when closed."""
        return -1 if self._ears is None else self._ears.readable.fileno()

    def drain(self) -> None:
        """Read and hand over a bounded number of frames, known peers' first; what waits longer wakes us again.

        A master speaks once in its interval. Who looks whether it said more, and whether strangers did, pays two system
        calls that fail, as much as for the advertisement itself. But now and then they are looked at whatever masters
        say: a recording that is believed (of a peer that is no carp-sidecar) may be played without end.
        """
        if self._ears is None:
            return
        self._wake_ups += 1
        if self._hear_masters(self._ears) and self._wake_ups % BUDGET:
            return
        if self._door.limiting:
            self._limit(self._ears)
        else:
            self._hear_strangers(self._ears, BUDGET // 2)

    def drain_all(self) -> None:
        """Hear all that has come, before silence is concluded; bounded, so that no flood holds the loop for ever."""
        if self._ears is not None:
            self._hear_known(self._ears)
            if not self._hear_strangers(self._ears, BUDGET // 2) and self._worried():
                self._hear_strangers(self._ears, _MOST_WAITING)

    def _hear_masters(self, ears: _Ears) -> bool:
        """Whether so many were believed as there are virtual hosts, before known peers had nothing more to say."""
        if self._known_at < inf and self._clock() < self._known_at:
            return False
        masters, refused = len(self._listeners), 0
        for _ in range(BUDGET):
            frame = ears.known.read()
            if frame is None:
                break
            if not self._deliver(frame):
                refused += 1
            elif masters == 1:
                return True
            else:
                masters -= 1
        if refused or self._known_at < inf:
            self._rest(ears, refused)
        return False

    def _rest(self, ears: _Ears, refused: int) -> None:
        """Somebody speaks in a known peer's name: what more there is, is read together, which costs half as much."""
        ears.pause(ears.known, paused=refused > 0)
        pause = REST if refused < BUDGET else 0.0
        self._known_at = self._clock() + pause if refused else inf
        self._set_alarm()

    def _set_alarm(self) -> None:
        """For the first of those that wait for a time."""
        due = min(self._known_at, self._turn_at)
        self._alarm.acknowledge()
        self._alarm.arm(due if due < inf else None)

    def _hear_known(self, ears: _Ears) -> None:
        """All that they said."""
        for _ in range(_MOST_WAITING):
            frame = ears.known.read()
            if frame is None:
                return
            self._deliver(frame)

    def _hear_strangers(self, ears: _Ears, budget: int) -> bool:
        """Look at so many, and see whether it is time to limit them; whether that were all."""
        all_heard = False
        for _ in range(budget):
            frame = ears.strangers.read()
            if frame is None:
                all_heard = True
                break
            self._meet(frame)
        if not self._door.limiting and self._door.looks(self._clock()) == 0 and not self._worried():
            self._begin_to_limit(ears)
        return all_heard

    def _meet(self, frame: bytes) -> None:
        """A stranger's frame: who is believed is none from now on."""
        datagram = dissect(frame)
        if datagram is None or datagram.source in self._known:
            self._deliver(frame)
        elif self._hand_over(datagram):
            self._learn(datagram.source)
        else:
            self._door.refuse(datagram.source)

    def _learn(self, source: bytes) -> None:
        while len(self._known) >= _MOST_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[source] = None
        self._attend()

    def _begin_to_limit(self, ears: _Ears) -> None:
        now = self._clock()
        self._door.limiting = True
        ears.strangers.resize(_SCANT)
        self._take_turn(ears, now)
        if now - self._told_at >= _TELL_AGAIN:
            self._told_at = now
            _log.warning("%s: %s", self._ifname, _FLOOD)

    def _limit(self, ears: _Ears) -> None:
        """A wake-up while strangers are a crowd: their turn may have come, or everybody's."""
        now = self._clock()
        if now < self._turn_at:
            return
        if self._worried():
            self._door.forgive()
        else:
            looks = min(self._door.looks(now), BUDGET // 2)
            self._hear_strangers(ears, looks)
            self._take_turn(ears, now)
        if not self._door.limiting:
            self._end_to_limit(ears)

    def _take_turn(self, ears: _Ears, now: float) -> None:
        """Until the next one strangers wake nobody, and the loud ones are not even let in."""
        before = self._door.muted
        self._door.turn(now)
        if self._door.muted != before:
            self._attend()
        ears.pause(ears.strangers, paused=True)
        self._turn_at = now + TURN
        self._set_alarm()

    def _end_to_limit(self, ears: _Ears) -> None:
        ears.strangers.resize(_AMPLE)
        ears.pause(ears.strangers, paused=False)
        self._attend()
        self._turn_at = inf
        self._set_alarm()

    def _worried(self) -> bool:
        return any(listener.worried() for listener in self._listeners.values())

    def _filters(self) -> tuple[list[bpf.Instruction], list[bpf.Instruction]]:
        """What known peers' socket lets in, and what strangers' does."""
        return (
            bpf.known(self._listeners, self._known),
            bpf.strangers(self._listeners, self._known.keys() | self._door.muted),
        )

    def _attend(self) -> None:
        """Strangers first: a frame that both let in would be heard twice, and its second time be a replay."""
        if self._ears is not None:
            known, strangers = self._filters()
            self._ears.strangers.attend(strangers)
            self._ears.known.attend(known)

    def _deliver(self, frame: bytes) -> bool:
        """Whether it was believed."""
        datagram = dissect(frame)
        return datagram is not None and self._hand_over(datagram)

    def _hand_over(self, datagram: Datagram) -> bool:
        payload = datagram.payload
        if len(payload) < 2:
            return False
        listener = self._listeners.get(payload[1])
        return listener is not None and listener.receive(datagram)

    def send(self, frame: bytes) -> str | None:
        """Put a frame on the wire; the reason when it could not go."""
        if self._ears is None:
            return "the interface is gone"
        try:
            self._ears.known.socket.send(frame)
        except OSError as error:
            return error.strerror or str(error)
        return None


def dissect(frame: bytes) -> Datagram | None:
    """An Ethernet frame as a datagram, its payload as long as the IP header says; None when it is not whole IP."""
    kind = frame[12:14]
    if kind == b"\x08\x00" and len(frame) >= 34:
        mac, words, length, ttl, source, destination = _IPV4.unpack_from(frame)
        return Datagram(_V4, source, destination, ttl, frame[14 + (words & 0x0F) * 4 : 14 + length], mac)
    if kind == b"\x86\xdd" and len(frame) >= 54:
        mac, length, ttl, source, destination = _IPV6.unpack_from(frame)
        return Datagram(_V6, source, destination, ttl, frame[54 : 54 + length], mac)
    return None
