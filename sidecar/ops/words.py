"""Sentences for people, made of ``/status`` and nothing else: the command, its live view and the page say the same.

``now`` is Unix time in seconds on the clock of the node that made the status.
"""

from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from sidecar.ops.view import SELF, PeerView, StatusView, VhostView

_LATE: Final = 1.5
"""Intervals of silence after which a master is called silent."""
_STEPS: Final = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))


class Level(StrEnum):
    """How much a sentence should alarm."""

    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


class Sentence(NamedTuple):
    """What to say, and how loud."""

    level: Level
    text: str


def span(seconds: float) -> str:
    """A time in two units at most."""
    if 0 < seconds < 0.001:
        return f"{seconds * 1e6:.0f} us"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    for large, large_name, small, small_name in _STEPS:
        if seconds >= large:
            rest = int(seconds % large // small)
            return f"{int(seconds // large)} {large_name}" + (f" {rest} {small_name}" if rest else "")
    return "1 min"


def unix(moment: str) -> float:
    """ISO 8601 as Unix seconds."""
    return datetime.fromisoformat(moment).timestamp()


def time_in_state(vhost: VhostView, now: float) -> float | None:
    """Seconds since the last change, or None before the first."""
    return None if vhost["since"] is None else max(0.0, now - unix(vhost["since"]))


def interval_of(peer: PeerView) -> float:
    """Seconds between the advertisements of a peer, by what it says of itself."""
    return peer["advbase"] + max(peer["advskew"], 1) / 256


def rivals(vhost: VhostView, now: float) -> list[PeerView]:
    """Who still speaks as master although this node has been master for longer than one of their intervals."""
    if vhost["state"] != "MASTER" or vhost["handing_over"]:
        return []
    reign = time_in_state(vhost, now) or 0.0
    return [
        peer
        for peer in vhost["peers"]
        if not peer["left"] and peer["last_heard_s"] < min(3 * interval_of(peer), reign - interval_of(peer))
    ]


def verdict(vhost: VhostView, now: float) -> Sentence:
    """Is there one master, and who."""
    if vhost["state"] == "INIT":
        return Sentence(Level.BAD, f"takes no part: {vhost['reason']}")
    return _verdict_of_master(vhost, now) if vhost["state"] == "MASTER" else _verdict_of_backup(vhost)


def _verdict_of_master(vhost: VhostView, now: float) -> Sentence:
    others = rivals(vhost, now)
    if others:
        names = ", ".join(f"{peer['source']} (heard {span(peer['last_heard_s'])} ago)" for peer in others)
        return Sentence(Level.BAD, f"more than one master: this node and {names}; do they hear each other?")
    if vhost["conflicts"]:
        return Sentence(Level.BAD, "; ".join(f"{one['kind']}: {one['text']}" for one in vhost["conflicts"]))
    if not vhost["addresses_held"]:
        return Sentence(Level.BAD, "this node is master, but the kernel does not hold every address")
    if vhost["handing_over"]:
        return Sentence(Level.WARN, "this node bowed out and answers until another takes over")
    return Sentence(Level.GOOD, "this node is the only master heard")


def _verdict_of_backup(vhost: VhostView) -> Sentence:
    master = vhost["master"]
    peer = next((peer for peer in vhost["peers"] if master and peer["source"] == master["source"]), None)
    resting = vhost["resting_s"]
    rest = "" if resting is None else f"; this node resigned and takes no part for another {span(resting)}"
    if peer is None:
        return Sentence(Level.WARN, f"no master is heard{rest}")
    heard = span(peer["last_heard_s"])
    if peer["last_heard_s"] > _LATE * interval_of(peer):
        return Sentence(Level.WARN, f"the master {peer['source']} has been silent for {heard}{rest}")
    return Sentence(Level.GOOD, f"{peer['source']} is master, heard {heard} ago{rest}")


def master_text(vhost: VhostView) -> str:
    """The master and what it says of itself."""
    master = vhost["master"]
    if master is None:
        return "unknown"
    who = "this node" if master["source"] == SELF else master["source"]
    return f"{who} (advbase {master['advbase']}, advskew {master['advskew']})"


def demotion_text(vhost: VhostView) -> str:
    """The sum and its causes, largest first."""
    causes = sorted(vhost["demotion"]["causes"].items(), key=lambda item: -item[1])
    because = ", ".join(f"{cause} {amount}" for cause, amount in causes)
    return f"{vhost['demotion']['total']}" + (f" ({because})" if because else "")


def counters_text(vhost: VhostView) -> str:
    """Advertisements sent, believed and refused."""
    counters = vhost["counters"]
    dropped = {reason: count for reason, count in counters["dropped"].items() if count}
    because = ", ".join(f"{reason} {count}" for reason, count in sorted(dropped.items()))
    refused = f"{sum(dropped.values())} ({because})" if because else "0"
    return f"sent {counters['sent']}, believed {counters['received']}, dropped {refused}"


_NTP_LEVELS: Final = {"ok": Level.GOOD, "holdover": Level.WARN, "off": Level.GOOD}


def ntp_verdict(status: StatusView) -> Sentence:
    """The NTP server in one line: state, then whatever is known."""
    ntp = status["ntp"]
    state = str(ntp.get("state"))
    known = [
        _known("stratum {}", ntp.get("stratum")),
        _known("leap {}", ntp.get("leap")),
        _known("reference age {}", _spanned(ntp.get("reference_age_s"))),
        _known("root distance {}", _spanned(ntp.get("root_distance_s"))),
        {True: "the address answers", False: "THE ADDRESS DOES NOT ANSWER"}.get(ntp.get("vip_answers"), ""),  # type: ignore[call-overload]
    ]
    level = Level.BAD if ntp.get("vip_answers") is False else _NTP_LEVELS.get(state, Level.BAD)
    text = "not watched" if state == "off" else ", ".join(filter(None, [state, *known]))
    return Sentence(level, text)


def _known(text: str, value: object) -> str:
    return "" if value is None else text.format(value)


def _spanned(value: object) -> str | None:
    return span(float(value)) if isinstance(value, int | float) else None


def kubernetes_texts(status: StatusView) -> dict[str, str]:
    """What is known of the cluster; nothing where Kubernetes is off."""
    if status["kubernetes"].get("enabled") is False:
        return {}
    known = {key: value for key, value in status["kubernetes"].items() if key != "enabled" and value not in _UNSAID}
    return {key.removesuffix("_s").replace("_", " "): _plain(key, value) for key, value in known.items()}


_UNSAID: Final[tuple[object, ...]] = (None, "", [])


def _plain(key: str, value: object) -> str:
    """Of one fact."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " and ".join(map(str, value))
    return span(float(value)) if key.endswith("_s") and isinstance(value, int | float) else str(value)
