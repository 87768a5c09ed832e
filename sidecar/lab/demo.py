"""`lab demo`: build, serve real NTP, pull the plug on the master, plug it in again, report, tear down.

Every stage has a deadline, so that it ends within a minute; the verdict is the exit code.
"""

import shutil
import tempfile
import time
from pathlib import Path

from sidecar.lab.adverts import EXPRESSION, adverts
from sidecar.lab.lab import Lab
from sidecar.lab.plan import ADVBASE, LabError, Plan
from sidecar.lab.report import UCARP_SLACK, Facts, headline, judge, render
from sidecar.lab.topology import IPV6_HERE

READY_SECONDS = 20.0
RETURN_SECONDS = 20.0
CLIENT_SECONDS = 120.0


class Clock:
    """Progress lines with the seconds since the start."""

    def __init__(self) -> None:
        self.start = time.monotonic()

    def say(self, text: str, at: float | None = None) -> None:
        print(f"{(time.monotonic() if at is None else at) - self.start:6.2f} s  {text}", flush=True)


def demo(plan: Plan, rate: float, seconds: float) -> int:
    """Run the demonstration inside a sandbox, looking on for `seconds` before and after each event.

    Returns 0 if every promise was kept, else 1. Logs live in the sandbox and leave it only when they are of use.
    """
    if plan.dual and not IPV6_HERE:
        raise LabError("--dual needs IPv6, which this kernel has switched off")
    clock = Clock()
    with tempfile.TemporaryDirectory(prefix="lab-", dir="/run") as folder:
        logs = Path(folder)
        try:
            facts = observe(plan, logs, clock, rate, seconds)
        except LabError as error:
            raise LabError(f"{error}; the logs are in {rescued(logs)}") from error
        clock.say("everything is removed again")
        findings = judge(facts)
        print("\nWhat was seen, against what is promised:\n")
        print("\n".join(render(findings, shutil.get_terminal_size((100, 24)).columns)), flush=True)
        kept = all(finding.ok is not False for finding in findings)
        where = "" if kept else f"; the logs are in {rescued(logs)}"
    print(
        f"\n{headline(facts)}.\nThe address {'answered' if kept else 'did NOT answer'} as promised{where}.", flush=True
    )
    return 0 if kept else 1


def rescued(logs: Path) -> Path:
    """A copy outside the sandbox."""
    copy = Path(tempfile.mkdtemp(prefix="carp-sidecar-lab-logs-"))
    return Path(shutil.copytree(logs, copy, dirs_exist_ok=True))


def observe(plan: Plan, logs: Path, clock: Clock, rate: float, seconds: float) -> Facts:
    lab = Lab(plan, logs)
    try:
        return perform(lab, clock, rate, seconds)
    finally:
        lab.close()


def perform(lab: Lab, clock: Clock, rate: float, seconds: float) -> Facts:
    plan = lab.plan
    victim = plan.best(plan.vhosts[0].vhid).name
    lab.build()
    clock.say(describe(plan))
    with lab.network.capture(expression=EXPRESSION) as seen:
        lab.start_client(rate, CLIENT_SECONDS)
        clock.say(f"a client asks {' and '.join(plan.addresses)} {rate:.0f} times a second; waiting for a master")
        wait_all(lab, "", READY_SECONDS, clock)
        begin_counting(lab)
        time.sleep(seconds)
        cut = lab.cut_power(victim)
        clock.say(f"the power of {victim} is cut", cut)
        wait_all(lab, victim, plan.dead_time(255) + ADVBASE + UCARP_SLACK, clock)
        time.sleep(seconds)
        healed = time.monotonic()
        lab.switch_on(victim)
        clock.say(f"{victim} has power again and boots", healed)
        wait_all(lab, "", RETURN_SECONDS, clock)
        time.sleep(seconds)
        end = time.monotonic()
        frames = list(seen.frames)
    with lab.outcomes_lock:
        lab.outcomes.finish()
    sources = {node.ipv4: name for name, node in lab.network.nodes.items()}
    changes = list(lab.owners.changes)
    return Facts(plan, victim, clock.start, cut, healed, end, lab.outcomes, changes, adverts(frames), sources)


def describe(plan: Plan) -> str:
    vhids = " and ".join(f"{', '.join(vhost.addresses)} (vhid {vhost.vhid})" for vhost in plan.vhosts)
    members = ", ".join(
        f"{member.name} (advskew {'/'.join(map(str, member.advskews))}{', ucarp' if member.ucarp else ''})"
        for member in plan.members
    )
    return f"built: {members}; each with its own chronyd, sharing {vhids}"


def wait_all(lab: Lab, without: str, timeout: float, clock: Clock) -> None:
    """Wait until every virtual host is served by the one who should, as the kernels and the client see it."""
    for vhost in lab.plan.vhosts:
        name = lab.plan.best(vhost.vhid, without=without).name
        lab.wait_for_master(vhost.vhid, name, timeout)
        clock.say(f"{name} is the one master of vhid {vhost.vhid} and the client hears good time from it")


def begin_counting(lab: Lab) -> None:
    """Forget what the client saw while there was no master yet."""
    with lab.outcomes_lock:
        lab.outcomes.reset()
