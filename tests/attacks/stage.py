"""One segment: two nodes of a product, a client, and the attacker who records, waits and sends.

Every attack has a virtual host to itself, so that all of a phase go on at once and one that is left alone is there to
compare with.
"""

import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

from sidecar.lab.capture import Capture
from sidecar.lab.owners import OwnerWatch
from sidecar.lab.space import Process
from sidecar.lab.topology import Network
from tests.attacks import frames
from tests.attacks.catalogue import ARP, CATALOGUE, CONTROL, Attack, Lane, Phase
from tests.attacks.client import Client
from tests.attacks.frames import Kind, Packet
from tests.attacks.products import Product
from tests.attacks.verdict import Story, Verdict, story
from tests.rivals import PASSPHRASE

VHID = 10
TICK = 0.1
SETTLE = 60.0
SECONDS = {
    Phase.PEACE: 6.0,
    Phase.BACKUP_RESTARTS: 6.0,
    Phase.MASTER_RESTARTS: 8.0,
    Phase.BOTH_RESTART: 8.0,
    Phase.MASTER_CUT: 9.0,
}
RESTARTING = {Phase.BACKUP_RESTARTS: (1,), Phase.MASTER_RESTARTS: (0,), Phase.BOTH_RESTART: (0, 1)}
Drops = Counter[tuple[int, str]]
BEFORE = 0x1122334455667788
"""The counter of another implementation, some time ago."""


class Outcome(NamedTuple):
    """What one attack did to one product."""

    attack: Attack
    verdict: Verdict
    story: Story
    control: Story
    drops: dict[str, int]
    """What the two nodes counted meanwhile, by reason, where they count."""

    @property
    def falls(self) -> bool:
        """Whether the attacker got what he wanted."""
        return self.verdict not in {Verdict.NOTHING, Verdict.NONE}


class Stage:
    """``play`` runs a phase; the lanes follow the order of ``attacks``."""

    def __init__(self, product: Product, folder: Path, attacks: Sequence[Attack] = (*CATALOGUE, ARP)) -> None:
        self.product = product
        self.attacks = [CONTROL, *attacks]
        self._folder = folder
        self.network = Network()
        self.watch: OwnerWatch | None = None
        self.client: Client | None = None
        self.capture: Capture | None = None
        self.running: dict[str, list[Process]] = {}
        try:
            self.nodes = [self.network.add_node("node1", 11), self.network.add_node("node2", 12)]
            self.attacker = self.network.add_node("attacker", 66)
            self.lanes = [self._lane(number) for number in range(len(self.attacks))]
            self._listen()
        except BaseException:
            self.close()
            raise

    def _lane(self, number: int) -> Lane:
        master, backup = (node.ipv4 for node in self.nodes)
        vhid, address = VHID + number, f"10.77.0.{100 + number}"
        before = frames.signed(vhid, address, PASSPHRASE, backup, BEFORE, 0)
        kind = self.product.kind
        return Lane(kind, vhid, address, master, backup, self.product.passwords, before if kind is Kind.CARP else None)

    def _listen(self) -> None:
        addresses = [lane.address for lane in self.lanes]
        self.watch = OwnerWatch(addresses)
        self.client = Client(self.network.add_node("client", 200), addresses)
        for node in self.nodes:
            self.watch.attach(node)
            self.client.serve_on(node)
        self.capture = Capture(self.attacker.pid, "eth0", "ip proto 112")
        self._sending = self.attacker.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._sending.bind(("eth0", 0))

    # -- the nodes

    def start(self, rank: int) -> None:
        """Start the product on a node."""
        node = self.nodes[rank]
        openbsd = {lane.vhid for lane, attack in zip(self.lanes, self.attacks, strict=True) if attack.openbsd}
        log = self._folder / f"{self.product.name}-{node.name}.log"
        self.running[node.name] = self.product.start(node, self.lanes, openbsd, rank, log)

    def stop(self, *ranks: int) -> None:
        """End it in an orderly way, on several nodes at once."""
        processes = [process for rank in ranks for process in self.running.pop(self.nodes[rank].name)]
        for process in processes:
            process.send_signal(15)
        for process in processes:
            process.stop(10.0)

    def owners(self, lane: Lane) -> frozenset[str]:
        """The nodes whose kernels have the address."""
        assert self.watch is not None
        return self.watch.owners(lane.address)

    def wait_for(self, rank: int, seconds: float = SETTLE) -> None:
        """Until one node alone owns every address."""
        wanted = frozenset({self.nodes[rank].name})
        end = time.monotonic() + seconds
        while any(self.owners(lane) != wanted for lane in self.lanes):
            if time.monotonic() > end:
                wrong = {lane.vhid: set(self.owners(lane)) for lane in self.lanes if self.owners(lane) != wanted}
                raise AssertionError(f"{self.product.name}: not {set(wanted)} alone within {seconds} s: {wrong}")
            time.sleep(0.05)

    # -- the attacker

    def record(self) -> None:
        """Both nodes have been master, and both have left in an orderly way, before the attacks begin."""
        self.start(0)
        self.wait_for(0)
        self.start(1)
        time.sleep(2.5)
        self.stop(0)
        self.wait_for(1)
        time.sleep(2.2)
        self.start(0)
        self.wait_for(0)
        time.sleep(2.2)
        self._sort()
        self.remember()

    def _sort(self) -> None:
        """What was heard, by virtual host."""
        assert self.capture is not None
        recorded = [frame.data for frame in list(self.capture.frames)]
        for lane in self.lanes:
            lane.recorded = [frame for frame in recorded if Packet.read(frame).payload[1] == lane.vhid]
            assert lane.masters, f"nothing was recorded of the master, vhid {lane.vhid}"
            assert lane.others, f"nothing was recorded of the backup, vhid {lane.vhid}"

    def remember(self) -> None:
        """Stop recording."""
        if self.capture is not None:
            self.capture.close()
            self.capture = None

    def send(self, seconds: float, attacks: Sequence[tuple[Attack, Lane]]) -> None:
        """Send every attack's frames in turn, at its rate."""
        turns = [(cycle(forged), attack.rate) for attack, lane in attacks if (forged := attack.forge(lane))]
        began = time.monotonic()
        for tick in range(round(seconds / TICK)):
            for made, rate in turns:
                for _ in range(int((tick + 1) * rate * TICK) - int(tick * rate * TICK)):
                    self._sending.send(next(made))
            time.sleep(max(0.0, began + (tick + 1) * TICK - time.monotonic()))

    def play(self, phase: Phase) -> list[Outcome]:
        """A phase from its event to its end, and what each of its attacks did."""
        waging = [
            (attack, lane) for attack, lane in zip(self.attacks, self.lanes, strict=True) if attack.phase is phase
        ]
        before = Drops() if phase in RESTARTING else self._drops()
        start = time.monotonic()
        self._befall(phase)
        self.send(SECONDS[phase], waging)
        end = time.monotonic()
        rise = self._drops()
        rise.subtract(before)
        span = (start, end)
        return [self._outcome(attack, lane, span, rise) for attack, lane in waging if attack is not CONTROL]

    def _outcome(self, attack: Attack, lane: Lane, span: tuple[float, float], rise: Drops) -> Outcome:
        told, control = self._story(lane, *span), self._story(self.lanes[0], *span)
        seen = told.misleads(control) if attack is ARP else told.verdict(control)
        verdict = seen if attack.forge(lane) else Verdict.NONE
        drops = {reason: count for (vhid, reason), count in rise.items() if vhid == lane.vhid and count > 0}
        return Outcome(attack, verdict, told, control, drops)

    def _drops(self) -> Drops:
        """What both nodes have dropped, by vhid and reason; a node that restarted counts from zero."""
        total = Drops()
        for node in self.nodes:
            if node.on:
                for vhid, reasons in self.product.drops(node).items():
                    total.update({(vhid, reason): count for reason, count in reasons.items()})
        return total

    def _story(self, lane: Lane, start: float, end: float) -> Story:
        assert self.watch is not None
        assert self.client is not None
        return story(self.watch.changes, lane.address, start, end, self.client.answers[lane.address])

    def _befall(self, phase: Phase) -> None:
        if phase is Phase.MASTER_CUT:
            self._cut()
        elif phase in RESTARTING:
            self.stop(*RESTARTING[phase])
            for rank in RESTARTING[phase]:
                self.start(rank)

    def _cut(self) -> None:
        assert self.watch is not None
        assert self.client is not None
        self.client.forget(self.nodes[0])
        self.nodes[0].power_off()
        self.watch.detach(self.nodes[0].name)

    def close(self) -> None:
        """Take everything down."""
        self.remember()
        if self.client is not None:
            self.client.close()
        if self.watch is not None:
            self.watch.close()
        if hasattr(self, "_sending"):
            self._sending.close()
        self.network.close()


@contextmanager
def stage_for(product: Product, folder: Path) -> Iterator[Stage]:
    """A stage that is gone afterwards, whatever happened."""
    stage = Stage(product, folder)
    try:
        yield stage
    finally:
        stage.close()


def wage(product: Product, folder: Path) -> list[Outcome]:
    """Every attack on one product, phase by phase."""
    outcomes: list[Outcome] = []
    with stage_for(product, folder) as stage:
        stage.record()
        for phase in Phase:
            outcomes += stage.play(phase)
            if phase is not Phase.MASTER_CUT:
                stage.wait_for(0)
    return outcomes


def wage_all(products: Sequence[Product], folder: Path) -> dict[str, list[Outcome]]:
    """Every attack on several products, each on a segment of its own, at the same time; outcomes by title."""
    with ThreadPoolExecutor(len(products)) as pool:
        waging = {one.title: pool.submit(wage, one, folder) for one in products}
        return {title: outcomes.result() for title, outcomes in waging.items()}
