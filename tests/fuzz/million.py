"""Mutated frames by the million through the receive path of a node, from a seed. By hand, ten million of them:

    nice -n 19 python -m tests.fuzz.million 10000000 [SEED]

They are made of what an attacker without the key has: everything that the group ever said on this segment, what real
BSD kernels and ucarp say under other keys, and VRRP. None may raise, be believed, or make the node ask for anything;
in between the genuine master goes on speaking, and every one of its advertisements must be believed as if nothing was.
"""

import logging
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

from scapy.utils import RawPcapReader

from tests.fuzz.mutate import Mutator, mend
from tests.fuzz.node import VHID, Node, settled, unmarked
from tests.golden.recorded import BSD_FRAMES, DATA, VECTORS

EVERY = 1000
"""Frames in a second of the node's life."""
CRASHES = Path("build/fuzz/million")


class Kind(NamedTuple):
    """Who is attacked."""

    master: bool
    strict: bool

    def __str__(self) -> str:
        return f"{'master' if self.master else 'backup'}, {'strict' if self.strict else 'compat'}"


KINDS = tuple(Kind(master, strict) for master in (False, True) for strict in (False, True))


@dataclass
class Outcome:
    """``drops`` by reason; ``passed_over``: not CARP of this virtual host, so that nobody was asked."""

    frames: int = 0
    drops: Counter[str] = field(default_factory=Counter)
    passed_over: int = 0
    genuine: int = 0


@cache
def golden() -> list[bytes]:
    """What real implementations said, under other keys, with our virtual host's id; and a few as they were."""
    frames = [bytes.fromhex(row["frame"]) for row in BSD_FRAMES]
    frames += [bytes.fromhex(row["eth_frame_hex"]) for row in VECTORS["vectors"] if row.get("eth_frame_hex")]
    with RawPcapReader(str(DATA / "vrrp-keepalived.pcap")) as capture:
        frames += [frame for frame, _ in capture][:8]
    ours = []
    for frame in frames:
        renamed = bytearray(frame)
        at = 55 if frame[12:14] == b"\x86\xdd" else 35
        renamed[at] = VHID
        mend(renamed)
        ours.append(bytes(renamed))
    return ours + frames[::8]


def sources_of(node: Node, kind: Kind) -> list[bytes]:
    """What the attacker recorded until now. Our own group's come up most; BSD ones under its key where nobody may."""
    said = [*node.voice.recording[-12:], *node.peer.recording[:4], *node.peer.recording[-12:]]
    more = list(unmarked(4)) if kind.strict else []
    return said * (1 + 2 * len(golden()) // len(said)) + golden() + more * 4


def pour(kind: Kind, frames: int, seed: int) -> Outcome:
    """So many mutated frames at one node. ``AssertionError``, or what was raised, after the frame was written down."""
    node = settled(**kind._asdict())
    mutator = Mutator(sources_of(node, kind), seed)
    outcome = Outcome()
    with _quiet():
        for number in range(1, frames + 1):
            _hit(node, mutator.next(), f"seed {seed}, {kind}, frame {number}")
            if number % EVERY == 0:
                _live_on(node, kind, outcome)
                mutator.sources = sources_of(node, kind)
    outcome.frames = frames
    outcome.drops.update(node.driver.counters.dropped)
    outcome.passed_over = frames - outcome.drops.total()
    return outcome


def _hit(node: Node, frame: bytes, name: str) -> None:
    touched, believed = node.world.touched, len(node.believed)
    try:
        node.hear(frame)
        assert len(node.believed) == believed, "it was believed"
        assert node.world.touched == touched, "it moved something"
    except BaseException as error:
        CRASHES.mkdir(parents=True, exist_ok=True)
        (CRASHES / f"{name}.frame".replace(", ", "-").replace(" ", "")).write_bytes(frame)
        error.add_note(f"{name}: {frame.hex()}")
        raise


def _live_on(node: Node, kind: Kind, outcome: Outcome) -> None:
    """A second passes: the master's genuine advertisements are believed, and nothing else has changed."""
    state, changes = node.driver.state, len(node.driver.report("eth0").transitions)
    node.wait(1.0)
    if not kind.master:
        node.believed.clear()
        node.hear_peer()
        assert len(node.believed) == 2, "a genuine advertisement was not believed"
        outcome.genuine += 2
    assert node.driver.state is state
    assert len(node.driver.report("eth0").transitions) == changes


@contextmanager
def _quiet() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def main(frames: int, seed: int) -> None:
    drops: Counter[str] = Counter()
    began = time.monotonic()
    for number, kind in enumerate(KINDS):
        outcome = pour(kind, frames // len(KINDS), seed + number)
        drops += outcome.drops
        print(f"{kind}: {outcome}", flush=True)
    print(f"{frames} frames, seed {seed}, {time.monotonic() - began:.0f} s: none raised, none believed, nothing moved")
    print(", ".join(f"{reason} {count}" for reason, count in drops.most_common()))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
