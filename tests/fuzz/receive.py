"""Any frames in any order at one node, some of them signed: a member gone mad knows the key, and may not crash us.

Input: a byte that chooses the node (1: master, 2: strict), then frames, ``<next>`` between them. Whatever is believed
must carry a digest of the group's key; in strict nothing is believed twice; nothing else moves anything.
"""

import json
from random import Random

from sidecar.carp.config import Family
from sidecar.carp.marker import fit, ticks_of
from sidecar.ops.view import status_view
from tests.fuzz.million import KINDS, Kind, sources_of
from tests.fuzz.mutate import CARP, Mutator, holds_signed, mend, payload_at
from tests.fuzz.node import PASSPHRASE, SIGNER, VHID, Node, settled

NEXT = b"<next>"
MOST = 8
"""Frames of one input that are looked at."""
_STEP = 0.4
_NODES = {kind: settled(**kind._asdict()) for kind in KINDS}
_SOURCES = {kind: sources_of(node, kind) for kind, node in _NODES.items()}
_NEWEST = ticks_of(_NODES[KINDS[0]].world.wall())
_MESSAGE = bytes((2, 1, VHID, 10, 77, 0, 100)) + bytes.fromhex("fd770000000000000000000000000100")


def kind_of(first: int) -> Kind:
    """The node that a first byte chooses."""
    return Kind(master=bool(first & 1), strict=bool(first & 2))


def receive(data: bytes) -> None:
    """``AssertionError`` where a promise is broken; whatever else is raised is a fault, too."""
    if not data:
        return
    kind = kind_of(data[0])
    node = settled(**kind._asdict())
    heard = set(_said(node))
    for frame in data[1:].split(NEXT)[:MOST]:
        _hear(node, frame)
        said = _said(node)
        assert not (kind.strict and heard & said), "the same counter was believed twice"
        heard |= said
        node.wait(_STEP)
    json.dumps(status_view("1", "fuzz", [node.driver.report("eth0")], None, {}), allow_nan=False)
    assert len(list(node.driver.recorder.dump(node.driver.report("eth0").status.config))) > 1


def _said(node: Node) -> set[tuple[Family, bytes]]:
    """Families and counters of what was believed."""
    return {(datagram.family, datagram.payload[8:16]) for datagram in node.believed}


def _hear(node: Node, frame: bytes) -> None:
    touched, state = node.world.touched, node.driver.state
    node.believed.clear()
    node.hear(frame)
    if node.believed:
        assert holds_signed(frame, PASSPHRASE, _MESSAGE), "believed without the key"
    else:
        assert (touched, state) == (node.world.touched, node.driver.state), "moved by what was not believed"


def grow(data: bytes, most: int, seed: int) -> bytes:
    """Another input like that one: a frame changed or added, and signed with the group's key now and then."""
    random = Random(seed)
    first, frames = data[:1] or b"\0", data[1:].split(NEXT)[:MOST]
    mutator = Mutator(_SOURCES[kind_of(first[0])], seed)
    at = random.randrange(len(frames))
    frame = mutator.change(frames[at]) if frames[at] and random.random() < 0.6 else mutator.next()
    if random.random() < 0.4:
        frame = signed(frame, random)
    if random.random() < 0.4:
        frames.insert(at, frame)
    else:
        frames[at] = frame
    if random.random() < 0.1:
        first = bytes([random.randrange(4)])
    return (first + NEXT.join(frames))[:most]


def signed(frame: bytes, random: Random) -> bytes:
    """As a member would say it: a fresh marked counter for its header, or any counter, and the right digest."""
    at, changed = payload_at(frame), bytearray(frame)
    if len(frame) < at + CARP:
        return frame
    changed[at : at + 2] = bytes((0x21, VHID))
    if random.random() < 0.7:
        advskew, demote, advbase = changed[at + 2], changed[at + 4], changed[at + 5]
        counter = SIGNER.seal(fit(_NEWEST + random.randrange(-20, 200), advbase, advskew), advbase, advskew, demote)
        changed[at + 8 : at + 16] = counter.to_bytes(8, "big")
    counter = int.from_bytes(changed[at + 8 : at + 16], "big")
    changed[at + 16 : at + 36] = SIGNER.sign(counter)
    mend(changed)
    return bytes(changed)
