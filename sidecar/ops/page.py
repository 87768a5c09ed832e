"""The live page: one HTML document made of ``/status``, without any outside resource. Every value is escaped.

The node renders it, so it is whole without a script. The script fetches the next rendering each second, puts it in
place of the last, and says so when the node no longer answers.
"""

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from html import escape
from typing import Final

from sidecar.ops import words
from sidecar.ops.page_style import SCRIPT, STYLE
from sidecar.ops.view import PeerView, StatusView, TransitionView, VhostView

_TRANSITIONS: Final = 12


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


POLICY: Final = (
    f"default-src 'none'; style-src {_hash(STYLE)}; script-src {_hash(SCRIPT)}; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy: our own style and script by their hashes, and nothing else."""


def render(status: StatusView, now: float) -> bytes:
    """The whole document, as of ``now`` (Unix seconds on this node)."""
    title = " ".join(f"{vhost['state']} {vhost['vhid']}" for vhost in status["vhosts"])
    main = "".join([*(_vhost(vhost, now) for vhost in status["vhosts"]), _services(status)])
    return (
        "<!doctype html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        '<link rel="icon" href="data:,"><noscript><meta http-equiv="refresh" content="2"></noscript>'
        f"<title>{escape(title)} - {escape(status['node'])}</title><style>{STYLE}</style></head>"
        f"<body><header><h1>{escape(status['node'])}</h1>"
        f'<p>carp-sidecar {escape(status["version"])}</p><p id="live" role="status"></p></header>'
        f"<main>{main}</main><script>{SCRIPT}</script></body></html>\n"
    ).encode()


def _vhost(vhost: VhostView, now: float) -> str:
    parts = (_head(vhost, now), _facts(vhost), _peers(vhost), _transitions(vhost["transitions"]))
    return f'<section class="{_class_of(vhost)}">{"".join(parts)}</section>'


def _class_of(vhost: VhostView) -> str:
    return {"MASTER": "master", "BACKUP": "backup"}.get(vhost["state"], "init")


def _head(vhost: VhostView, now: float) -> str:
    seconds = words.time_in_state(vhost, now)
    since = (
        "" if seconds is None else f"<b>{words.span(seconds)}</b> <small>since {escape(str(vhost['since']))}</small>"
    )
    said = words.verdict(vhost, now)
    return (
        f'<div class="head"><span class="state">{escape(vhost["state"])}</span>'
        f"<div><h2>vhid {vhost['vhid']} on {escape(vhost['interface'])}</h2><p>{since}</p></div></div>"
        f'<p class="verdict {said.level}">{escape(said.text)}</p>'
    )


def _facts(vhost: VhostView) -> str:
    held = "held here" if vhost["addresses_held"] else "not held here"
    addresses = "".join(f"<code>{escape(address)}</code> " for address in vhost["addresses"])
    advskew = f"{vhost['advskew']}"
    if vhost["effective_advskew"] != vhost["advskew"]:
        advskew += f", advertised as {vhost['effective_advskew']}"
    rows = {
        "why": escape(vhost["reason"]),
        "addresses": f"{addresses}<small>{held}</small>",
        "master": escape(words.master_text(vhost)),
        "advertises": f"advbase {vhost['advbase']}, advskew {advskew}",
        "demotion": _demotion(vhost),
        "adverts": escape(words.counters_text(vhost)),
    }
    return _list(rows)


def _list(rows: dict[str, str]) -> str:
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in rows.items()) + "</dl>"


def _demotion(vhost: VhostView) -> str:
    causes = sorted(vhost["demotion"]["causes"].items(), key=lambda item: -item[1])
    chips = "".join(f' <span class="chip">{escape(cause)} {amount}</span>' for cause, amount in causes)
    return f"<b>{vhost['demotion']['total']}</b>{chips}"


def _peers(vhost: VhostView) -> str:
    head = ("peer", "heard", "advbase", "advskew", "demotion", "speaker", "key")
    return _table("Peers heard", head, (_peer(peer) for peer in vhost["peers"]), "Nobody was heard yet.")


def _peer(peer: PeerView) -> Iterable[str]:
    left = " (bowed out)" if peer["left"] else ""
    yield peer["source"]
    yield f"{words.span(peer['last_heard_s'])} ago{left}"
    yield from (str(peer["advbase"]), str(peer["advskew"]), str(peer["demotion"]), peer["speaker"], peer["key"])


def _transitions(transitions: list[TransitionView]) -> str:
    latest = transitions[: -_TRANSITIONS - 1 : -1]
    rows = ((move["at"], f"{move['from']} \N{RIGHTWARDS ARROW} {move['to']}", move["reason"]) for move in latest)
    return _table("Last transitions", ("at", "change", "why"), rows, "None yet.")


def _table(title: str, head: tuple[str, ...], rows: Iterable[Iterable[str]], otherwise: str) -> str:
    """A table that turns into labelled lines where the screen is narrow."""
    body = "".join(f"<tr>{_cells(head, row)}</tr>" for row in rows)
    if not body:
        return f"<h3>{title}</h3><p><small>{otherwise}</small></p>"
    heads = "".join(f"<th>{name}</th>" for name in head)
    return f"<h3>{title}</h3><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def _cells(head: tuple[str, ...], row: Iterable[str]) -> str:
    return "".join(f'<td data-name="{name}">{escape(text)}</td>' for name, text in zip(head, row, strict=True))


def _services(status: StatusView) -> str:
    said = words.ntp_verdict(status)
    ntp = f'<h2>NTP server</h2><p class="verdict {said.level}">{escape(said.text)}</p>'
    known = {escape(key): escape(text) for key, text in words.kubernetes_texts(status).items()}
    kubernetes = f"<section><h2>Kubernetes</h2>{_list(known)}</section>" if known else ""
    return f"<section>{ntp}</section>{kubernetes}"
