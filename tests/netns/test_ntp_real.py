"""The NTP watch on real servers: chronyd and ntpsec's ntpd, in every state that moves the address.

The watch runs in this process but in the node's own network, so it asks the server exactly as the daemon there would.
chronyd gets `-x` and ntpd loses CAP_SYS_TIME: nobody touches the clock.
"""

import ctypes
import os
import threading
import time
from asyncio import Runner, sleep
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop

from sidecar.lab.netns import CLONE_NEWNET
from sidecar.lab.space import Process
from sidecar.lab.topology import Network, Node
from sidecar.ntp.probe import INTERVAL_S
from sidecar.ntp.verdict import Hysteresis
from sidecar.ntp.watch import Demotion, NtpStatus, NtpWatch, Target, Thresholds
from tests.netns.group import until

VIP4, VIP6 = "10.77.0.100", "fd77::100"
# Entering takes its usual counts; leaving is cut short, and questions come faster than any server here minds.
QUICK = Thresholds(
    holdover=Hysteresis(3, 1.0),
    stale=Hysteresis(3, 1.0),
    unsynchronised=Hysteresis(2, 1.0),
    dead=Hysteresis(3, 0.0),
    leave_probes=3,
    min_dwell_s=1.0,
)
FAST_POLL = "iburst minpoll -4 maxpoll -4"
CHRONY = "allow\nuser root\ncmdport 0\nbindcmdaddress /\npidfile /run/chrony/chronyd.pid\n"


class Watcher:
    """An NtpWatch on a uvloop of its own in a node's network; what it told is kept with the time."""

    def __init__(self, node: Node, target: Target, limits: Thresholds, interval: float) -> None:
        self.told: list[tuple[float, Demotion]] = []
        self._node = node
        self._watch = NtpWatch(target, self._hear, thresholds=limits, interval=interval, timeout=0.45)
        self._runner = Runner(loop_factory=uvloop.new_event_loop)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._live)

    def __enter__(self) -> "Watcher":
        self._thread.start()
        until(lambda: bool(self.told), 5, "the watch starts")
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _live(self) -> None:
        namespace = os.open(f"/proc/{self._node.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(namespace, CLONE_NEWNET):  # this thread only
            raise OSError(ctypes.get_errno(), "setns")
        os.close(namespace)
        with self._runner as runner:
            self._loop = runner.get_loop()
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._watch.start()
        while not self._end.is_set():  # noqa: ASYNC110 - the end comes from another thread
            await sleep(0.02)
        self._watch.stop()

    def _hear(self, demotion: Demotion) -> None:
        self.told.append((time.monotonic(), demotion))

    def hold(self, *addresses: str) -> None:
        self._loop.call_soon_threadsafe(self._watch.set_master, addresses)

    @property
    def status(self) -> NtpStatus:
        return self._watch.status()

    @property
    def reason(self) -> str:
        return self._watch.reason

    @property
    def amounts(self) -> list[int]:
        return [demotion.amount for _, demotion in self.told if demotion.cause == "ntp"]

    def state_is(self, state: str, seconds: float) -> float:
        return until(lambda: self.status["state"] == state, seconds, f"{state} (is {self.status}: {self.reason})")


@contextmanager
def watching(node: Node, host: str = "127.0.0.1", limits: Thresholds = QUICK) -> Iterator[Watcher]:
    with Watcher(node, Target(host), limits, interval=0.5) as watcher:
        yield watcher


@pytest.fixture
def network() -> Iterator[Network]:
    with Network() as made:
        yield made


@pytest.fixture
def server(network: Network) -> Node:
    return network.add_node("server", 1)


@pytest.fixture
def upstream(network: Network, tmp_path: Path) -> tuple[Node, Process]:
    """A node that claims to be a reference clock, and its chronyd."""
    node = network.add_node("upstream", 2)
    return node, chrony(node, tmp_path, "local stratum 1\n")


def chrony(node: Node, logs: Path, configuration: str) -> Process:
    node.path("/run/chrony").mkdir(mode=0o750, exist_ok=True)
    node.write("/run/chrony/chrony.conf", configuration + CHRONY)
    return node.spawn(["chronyd", "-x", "-d", "-f", "/run/chrony/chrony.conf"], log=logs / f"{node.name}.log")


def ntpsec(node: Node, logs: Path, program: Path, configuration: str) -> Process:
    node.write("/run/ntp/ntp.conf", f"driftfile /run/ntp/drift\n{configuration}")
    powerless = ["setpriv", "--bounding-set=-sys_time", "--inh-caps=-sys_time"]
    command = [str(program), "-n", "-c", "/run/ntp/ntp.conf", "-p", "/run/ntp/pid"]
    return node.spawn([*powerless, *command], log=logs / f"{node.name}.log")


def follower_of(node: Node) -> str:
    return f"server {node.ipv4} {FAST_POLL}\n"


# ----------------------------------------------------------------------------------------------------------- chronyd


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "10.77.0.1"])
def test_a_synchronised_chronyd_is_ok_with_sound_figures(
    server: Node, upstream: tuple[Node, Process], tmp_path: Path, host: str
) -> None:
    chrony(server, tmp_path, follower_of(upstream[0]))
    with watching(server, host) as watcher:
        watcher.state_is("ok", 15)
        status = watcher.status
        assert (status["stratum"], status["leap"]) == (2, 0)
        assert 0 <= (status["reference_age_s"] or 0) < 5
        assert 0 < (status["root_distance_s"] or 0) < 0.1
        assert watcher.amounts == [240, 0]


def test_a_chronyd_on_its_own_clock_is_stale_and_ok_only_if_allowed(server: Node, tmp_path: Path) -> None:
    chrony(server, tmp_path, "local stratum 1\n")
    with watching(server) as strict, watching(server, limits=replace(QUICK, allow_local_clock=True)) as lenient:
        strict.state_is("stale", 10)
        assert "127.127.1.1" in strict.reason
        assert strict.amounts == [240, 160]
        lenient.state_is("ok", 5)


def test_a_chronyd_that_never_synchronised_is_unsynchronised_from_the_start(server: Node, tmp_path: Path) -> None:
    chrony(server, tmp_path, f"server 10.77.0.9 {FAST_POLL}\n")
    with watching(server) as watcher:
        watcher.state_is("unsynchronised", 10)
        time.sleep(1.5)
        assert watcher.status["leap"] == 3
        assert watcher.amounts == [240]


def test_a_chronyd_that_lost_its_upstream_is_found_by_reference_age_alone(
    server: Node, upstream: tuple[Node, Process], tmp_path: Path
) -> None:
    """It goes on answering leap 0, the same stratum and hardly more root distance; and it comes back by itself."""
    chrony(server, tmp_path, follower_of(upstream[0]))
    with watching(server, limits=replace(QUICK, max_reference_age_s=3.0)) as watcher:
        watcher.state_is("ok", 15)
        upstream[1].stop()
        watcher.state_is("holdover", 10)
        status = watcher.status
        assert (status["leap"], status["stratum"]) == (0, 2)
        assert (status["root_distance_s"] or 1) < 0.1
        assert (status["reference_age_s"] or 0) > 3
        assert "reference age" in watcher.reason
        chrony(upstream[0], tmp_path, "local stratum 1\n")
        watcher.state_is("ok", 15)
        assert watcher.amounts == [240, 0, 80, 0]


def test_a_killed_chronyd_is_dead_within_seconds_and_heard_again_when_restarted(
    server: Node, upstream: tuple[Node, Process], tmp_path: Path
) -> None:
    process = chrony(server, tmp_path, follower_of(upstream[0]))
    with Watcher(server, Target("127.0.0.1"), QUICK, INTERVAL_S) as watcher:  # at the product's own pace
        watcher.state_is("ok", 15)
        process.send_signal(9)
        assert watcher.state_is("dead", 10) < 3 * INTERVAL_S + 1
        assert "connection refused" in watcher.reason
        assert watcher.status["stratum"] is None
        chrony(server, tmp_path, follower_of(upstream[0]))
        watcher.state_is("ok", 15)
        assert watcher.amounts == [240, 0, 240, 0]


def test_a_stopped_chronyd_is_dead_though_its_port_is_open(
    server: Node, upstream: tuple[Node, Process], tmp_path: Path
) -> None:
    process = chrony(server, tmp_path, follower_of(upstream[0]))
    with watching(server) as watcher:
        watcher.state_is("ok", 15)
        process.send_signal(19)
        watcher.state_is("dead", 10)
        assert "no answer" in watcher.reason
        process.send_signal(18)
        watcher.state_is("ok", 15)


# ----------------------------------------------------------------------------------------------- the virtual address


def test_chronyd_answers_on_a_virtual_address_at_once(
    server: Node, upstream: tuple[Node, Process], tmp_path: Path
) -> None:
    chrony(server, tmp_path, follower_of(upstream[0]))
    with watching(server) as watcher:
        watcher.state_is("ok", 15)
        server.ip(f"addr add {VIP4}/32 dev eth0", f"addr add {VIP6}/128 dev eth0 nodad")
        watcher.hold(VIP4, VIP6)
        until(lambda: watcher.status["vip_answers"] is True, 5, "both addresses answer")
        watcher.hold()
        until(lambda: watcher.status["vip_answers"] is None, 5, "no address is held")
        assert {demotion.cause for _, demotion in watcher.told} == {"ntp"}


def test_a_server_bound_elsewhere_is_healthy_and_its_silent_address_is_found(
    server: Node, upstream: tuple[Node, Process], tmp_path: Path
) -> None:
    """What the loopback cannot show: the daemon is fine, and clients get nothing."""
    chrony(server, tmp_path, follower_of(upstream[0]) + "bindaddress 127.0.0.1\n")
    with watching(server) as watcher:
        watcher.state_is("ok", 15)
        server.ip(f"addr add {VIP4}/32 dev eth0")
        promoted = time.monotonic()
        watcher.hold(VIP4)
        until(lambda: watcher.told[-1][1] == Demotion("vip", 240, VIP4), 10, "the silent address demotes")
        assert 2.9 <= watcher.told[-1][0] - promoted < 5
        assert (watcher.status["state"], watcher.status["vip_answers"]) == ("ok", False)


def test_an_address_that_is_not_here_is_not_asked_of_its_present_owner(
    server: Node, upstream: tuple[Node, Process], tmp_path: Path
) -> None:
    other, _ = upstream
    chrony(server, tmp_path, follower_of(other))
    other.ip(f"addr add {VIP4}/32 dev eth0")
    with watching(server) as watcher:
        watcher.state_is("ok", 15)
        watcher.hold(VIP4)
        until(lambda: watcher.status["vip_answers"] is False, 10, "the address does not answer here")
        server.ip(f"addr add {VIP4}/32 dev eth0")
        until(lambda: watcher.status["vip_answers"] is True, 5, "it answers once it is here")
        server.ip(f"addr del {VIP4}/32 dev eth0")
        until(lambda: watcher.status["vip_answers"] is False, 10, "it is gone and missed")


# ------------------------------------------------------------------------------------------------------- ntpsec's ntpd


def test_ntpd_is_unsynchronised_then_good_and_serves_a_new_address_within_its_grace(
    server: Node, upstream: tuple[Node, Process], tmp_path: Path, ntpsec_ntpd: Path
) -> None:
    """ntpd begins by a kiss of INIT and needs a second or two to notice a new address: neither is a fault."""
    process = ntpsec(server, tmp_path, ntpsec_ntpd, f"server {upstream[0].ipv4} iburst minpoll 3 maxpoll 3\n")
    # The first burst leaves it a root distance of 0.94 s, which takes it minutes to work off.
    limits = replace(QUICK, max_root_distance_s=1.0)
    with Watcher(
        server, Target("127.0.0.1"), limits, INTERVAL_S
    ) as watcher:  # any faster, and ntpd would stop to answer
        watcher.state_is("unsynchronised", 10)
        assert "INIT" in watcher.reason
        watcher.state_is("ok", 18)
        assert watcher.status["stratum"] == 2
        server.ip(f"addr add {VIP4}/32 dev eth0")
        watcher.hold(VIP4)
        until(lambda: watcher.status["vip_answers"] is True, 5, "the new address answers")
        assert {demotion.cause for _, demotion in watcher.told} == {"ntp"}
        process.send_signal(9)
        watcher.state_is("dead", 10)
        assert watcher.amounts == [240, 0, 240]
