"""`sniff` names our own speakers, and what `run` would drop for their counter."""

from ipaddress import ip_address

from sidecar.carp.auth import Authenticator, Key
from sidecar.carp.config import Family
from sidecar.carp.constants import GROUP_V4
from sidecar.carp.freshness import Freshness
from sidecar.carp.packet import decode, encode
from sidecar.carp.receive import Datagram
from sidecar.carp.transmit import Transmitter
from sidecar.sniff.dissect import Observation
from sidecar.sniff.frame import Frame
from sidecar.sniff.judge import Judge, Record

KEY = Key(b"secret")
VIP = (ip_address("10.9.0.100"),)
OURS, OTHER = ip_address("10.9.0.1").packed, ip_address("10.9.0.66").packed


class Tape:
    """A capture that is judged frame after frame."""

    def __init__(self) -> None:
        ring = Authenticator(7, VIP, [KEY], sign_link_local=True)
        self._transmitter = Transmitter(7, ring, Freshness(lambda: 16_000), float)
        self._ring = ring
        self._judge = Judge((KEY,), VIP, 7)
        self._frames = 0

    def say(self) -> bytes:
        return self._transmitter.payload(1, 100, 0)

    def count_on(self, payload: bytes) -> bytes:
        """What ucarp answers with."""
        counter = decode(payload).counter + 1
        return encode(decode(payload)._replace(counter=counter, digest=self._ring.sign(counter)))

    def show(self, payload: bytes, source: bytes = OURS, after: float = 1.0) -> Record:
        self._frames += 1
        datagram = Datagram(Family.V4, source, GROUP_V4, 255, payload, bytes((0, 0, 0x5E, 0, 0, 7)))
        frame = Frame(self._frames, self._frames * after, 1, b"")
        return self._judge.judge(frame, Observation(datagram, bytes(6))).record


def test_our_own_are_named_whatever_the_mac() -> None:
    tape = Tape()
    assert [(one.speaker, one.drop) for one in (tape.show(tape.say()) for _ in range(3))] == [
        ("carp-sidecar", None)
    ] * 3


def test_what_comes_again_is_a_replay_and_what_was_altered_is_tampered() -> None:
    tape = Tape()
    said = tape.say()
    altered = encode(decode(said)._replace(advskew=0))
    assert tape.show(said).drop is None
    assert [tape.show(one, source).drop for one in (said, altered) for source in (OURS, OTHER)] == [
        "replay", "replay", "tampered", "tampered",
    ]  # fmt: skip


def test_who_counts_on_from_ours_is_not_ours() -> None:
    tape = Tape()
    said = tape.say()
    tape.show(said)
    found = tape.show(tape.count_on(said), OTHER)
    assert (found.speaker, found.drop) == ("ucarp", None)
    assert tape.show(tape.count_on(said), OURS).drop == "unmarked"
