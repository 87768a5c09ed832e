"""One master in a mixed group with the real ucarp, in every order of joining, leaving and being killed."""

import itertools
import shutil
import signal
import time
from pathlib import Path

import pytest

from sidecar.lab.space import Process
from tests.netns.group import PASSPHRASE, V4, VHID, Group, Member, adverts, until

UCARP = shutil.which("ucarp") or "/usr/sbin/ucarp"
ORDERS = list(itertools.product(("ours", "ucarp"), ("ours", "ucarp"), ("term", "kill")))
PATIENCE = 15.0
"""Seconds: ucarp reacts up to a second late to what it hears and up to 2.6 s late to silence (its pcap timeouts)."""


class Ucarp:
    """A node that runs ucarp as its manual says: preempting, with up and down scripts."""

    def __init__(self, group: Group, advskew: int) -> None:
        number = 9
        self.node = group.network.add_node(f"ucarp{number}", number)
        up = self.node.write("/run/up", '#!/bin/sh\nip addr add "$2/32" dev "$1"\n', 0o755)
        down = self.node.write("/run/down", '#!/bin/sh\nip addr del "$2/32" dev "$1"\n', 0o755)
        secret = self.node.write("/run/passphrase", f"{PASSPHRASE}\n", 0o600)
        self._argv = [UCARP, "-i", "eth0", "-s", self.node.ipv4, "-v", str(VHID), "-o", secret, "-a", V4]
        self._argv += ["-b", "1", "-k", str(advskew), "-P", "-z", "-u", up, "-d", down]
        self._log = group.folder / "ucarp.log"
        self._process: Process | None = None

    def start(self) -> None:
        self._process = self.node.spawn(self._argv, log=self._log)

    def leave(self, how: str) -> None:
        """By SIGTERM with its down script, or killed; then the address it leaves behind is not our business."""
        assert self._process is not None
        if how == "term":
            self._process.stop(5.0)
            return
        self.kill()
        self.node.ip("addr flush to 10.77.0.100/32")

    def kill(self) -> None:
        """Its address stays."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)


def leave(member: Member, how: str) -> None:
    if how == "term":
        assert member.stop() == 0
    else:
        member.kill(signal.SIGKILL)


def sole_speaker(group: Group, source: str | None, seconds: float = PATIENCE) -> None:
    """For a while, this source and nobody else advertises."""
    end = time.monotonic() + seconds
    heard: set[str] = set()
    while time.monotonic() < end:
        with group.network.capture(expression="ip proto 112") as seen:
            time.sleep(2.5)
        heard = {one for _, one in adverts(seen)}
        if heard == {source}:
            return
    raise AssertionError(f"{source} is not the only speaker: {heard}")


@pytest.mark.parametrize(("better", "first", "how"), ORDERS, ids=["-".join(one) for one in ORDERS])
def test_there_is_one_master_beside_ucarp(group: Group, better: str, first: str, how: str) -> None:
    ours = group.add(advskew=0 if better == "ours" else 100)
    ucarp = Ucarp(group, 0 if better == "ucarp" else 100)
    nodes: dict[str, Member | Ucarp] = {"ours": ours, "ucarp": ucarp}
    addresses = {"ours": ours.node.ipv4, "ucarp": ucarp.node.ipv4}
    worse = "ucarp" if better == "ours" else "ours"
    nodes[first].start()
    sole_speaker(group, addresses[first])
    nodes[worse if first == better else better].start()
    sole_speaker(group, addresses[better])
    if better == "ours":
        leave(ours, how)
    else:
        ucarp.leave(how)
    sole_speaker(group, addresses[worse])
    nodes[better].start()
    sole_speaker(group, addresses[better])
    until(lambda: ours.owns() is (better == "ours"), 5, "our kernel agrees with the election")


def test_a_bow_out_hands_over_to_ucarp_at_once(group: Group, tmp_path: Path) -> None:
    """ucarp honours it within its pcap timeout of a second; a crash would cost three and more."""
    ours, ucarp = group.add(advskew=0), Ucarp(group, 100)
    ours.start()
    group.wait_for_owner(ours)
    ucarp.start()
    time.sleep(3.5)
    with group.network.capture(expression="ip proto 112") as seen:
        assert ours.stop() == 0
        until(lambda: any(one == ucarp.node.ipv4 for _, one in adverts(seen)), PATIENCE, "ucarp speaks")
    spoken = adverts(seen)
    goodbye = max(at for at, one in spoken if one == ours.node.ipv4)
    assert min(at for at, one in spoken if one == ucarp.node.ipv4) - goodbye < 2.0
