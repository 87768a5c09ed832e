"""What the NTP server says, asked as `run` asks it, and what that would add to advskew."""

import asyncio
from collections.abc import Iterator
from typing import Final

from sidecar.check.finding import Finding, ok, problem, warning
from sidecar.ntp.probe import Probe, ProbeResult
from sidecar.ntp.target import Target
from sidecar.ntp.verdict import Thresholds, Verdict, assess
from sidecar.settings.values import RunSettings

_QUESTIONS: Final = 2
_LIMIT: Final = 6.0


def time_server(settings: RunSettings) -> Iterator[Finding]:
    """One finding."""
    if settings.ntp_server is None:
        fix = "name the server with --ntp if there is one"
        yield warning("NTP", "off: the address goes by the node's health alone", fix)
        return
    target = Target(*settings.ntp_server)
    result = asyncio.run(_ask(target))
    yield judge(f"NTP server {target}", result)


async def _ask(target: Target) -> ProbeResult | None:
    """The first answer, or the last of a few silences."""
    results: asyncio.Queue[ProbeResult] = asyncio.Queue()
    probe = Probe(target, lambda result, _now: results.put_nowait(result))
    probe.start()
    last: ProbeResult | None = None
    try:
        async with asyncio.timeout(_LIMIT):
            for _ in range(_QUESTIONS):
                last = await results.get()
                if last.rtt_s is not None:
                    break
    except TimeoutError:
        pass
    finally:
        probe.stop()
    return last


def judge(subject: str, result: ProbeResult | None) -> Finding:
    """What its answer is worth."""
    verdict, why = assess(result.outcome, Thresholds()) if result else (Verdict.DEAD, "no answer")
    if verdict is None:
        return warning(subject, why, "allow this host to ask once a second (chrony: no ratelimit for it)")
    if verdict is Verdict.OK:
        return ok(subject, why)
    if verdict is Verdict.DEAD:
        fix = "start it, let it listen here and answer this host (chrony: allow), or name another with --ntp"
        return problem(subject, f"{why}: demoted by {verdict.demotion}", fix)
    return warning(subject, f"{why}: {verdict}, demoted by {verdict.demotion}", "look at its sources (chronyc sources)")
