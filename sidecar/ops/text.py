"""``/status`` as lines for a terminal: why did it move, is there one master, how is the time."""

from collections.abc import Iterator
from typing import Final

from sidecar.ops import words
from sidecar.ops.view import PeerView, StatusView, VhostView

_TRANSITIONS: Final = 5
_MARKS: Final = {words.Level.GOOD: "ok", words.Level.WARN: "NOTE", words.Level.BAD: "WARNING"}


def render(status: StatusView, now: float) -> str:
    """The whole of it."""
    lines = [f"{status['node']}: carp-sidecar {status['version']}"]
    for vhost in status["vhosts"]:
        lines += ["", *_vhost_lines(vhost, now)]
    ntp = words.ntp_verdict(status)
    lines += ["", _line("ntp", ntp.text if ntp.level is words.Level.GOOD else _said(ntp))]
    known = words.kubernetes_texts(status)
    if known:
        lines.append(_line("kubernetes", ", ".join(f"{key} {text}" for key, text in known.items())))
    return "\n".join(lines)


def summary(status: StatusView, now: float) -> Iterator[str]:
    """One line a virtual host, without anything that changes by itself."""
    ntp = status["ntp"].get("state")
    for vhost in status["vhosts"]:
        parts = [
            f"vhid {vhost['vhid']} {vhost['state']} ({vhost['reason']})",
            f"master {words.master_text(vhost)}",
            f"demotion {words.demotion_text(vhost)}",
            f"ntp {ntp}",
            *(f"ALSO MASTER {peer['source']}" for peer in words.rivals(vhost, now)),
            *(f"{one['kind']} {one['address'] or one['source']} {one['mac']}" for one in vhost["conflicts"]),
        ]
        yield "; ".join(parts)


def _vhost_lines(vhost: VhostView, now: float) -> Iterator[str]:
    held = "held" if vhost["addresses_held"] else "not held"
    seconds = words.time_in_state(vhost, now)
    since = "" if seconds is None else f" for {words.span(seconds)}, since {vhost['since']}"
    yield f"vhid {vhost['vhid']} on {vhost['interface']}: {vhost['state']}{since}"
    yield _line("one master?", _said(words.verdict(vhost, now)))
    yield _line("why", vhost["reason"])
    yield _line("addresses", f"{', '.join(vhost['addresses'])} ({held} by this node)")
    yield _line("master", words.master_text(vhost))
    yield _line("this node", f"advbase {vhost['advbase']}, advskew {vhost['advskew']}{_effective(vhost)}")
    yield _line("demotion", words.demotion_text(vhost))
    yield from _listed("peers heard", [_peer_line(peer) for peer in vhost["peers"]], "none")
    yield _line("adverts", words.counters_text(vhost))
    moves = [f"{move['at']}  {move['from']} -> {move['to']}  {move['reason']}" for move in vhost["transitions"]]
    yield from _listed("moves", moves[: -_TRANSITIONS - 1 : -1], "none yet")


def _said(sentence: words.Sentence) -> str:
    return f"{_MARKS[sentence.level]}: {sentence.text}"


def _effective(vhost: VhostView) -> str:
    effective = vhost["effective_advskew"]
    return "" if effective == vhost["advskew"] else f" (advertised as {effective})"


def _peer_line(peer: PeerView) -> str:
    demoted = f", demotion {peer['demotion']}" if peer["demotion"] else ""
    left = ", bowed out" if peer["left"] else ""
    said = f"advbase {peer['advbase']}, advskew {peer['advskew']}{demoted}{left}"
    return (
        f"{peer['source']}  {peer['speaker']}, {said}, heard {words.span(peer['last_heard_s'])} ago, key {peer['key']}"
    )


def _listed(name: str, lines: list[str], otherwise: str) -> Iterator[str]:
    first, *rest = lines or [otherwise]
    yield _line(name, first)
    for line in rest:
        yield _line("", line)


def _line(name: str, text: str) -> str:
    return f"  {name:<13}{text}"
