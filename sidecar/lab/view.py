"""How a lab's state looks to a person: one table of nodes, one line about the client. Pure."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

Status = Mapping[str, Any]
COLUMNS = {"node": 5, "machine": 7, "role": 6, "advskew": 7, "demoted": 7, "NTP": 5, "address": 11}  # least widths
READABLE = 120
"""Columns where there is no terminal: what is kept in a file or sent on is not cut off."""
COLOURS = {"MASTER": "bold green", "BACKUP": "cyan", "INIT": "yellow"}


def show(status: Status) -> None:
    """The picture on standard output."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else READABLE
    Console(width=width).print(render(status))


def render(status: Status) -> Group:
    """The whole picture of `lab status` and `lab watch`."""
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, collapse_padding=True)
    for column, least in COLUMNS.items():
        table.add_column(column, overflow="fold", min_width=least)
    for node in status["nodes"]:
        table.add_row(*row(node, status["client"]["heard"]))
    return Group(table, client_line(status["client"]), *warnings(status))


def row(node: Status, heard: Mapping[str, str | None]) -> list[Text]:
    vhosts = (node.get("daemon") or {}).get("vhosts", [])
    ntp = (node.get("daemon") or {}).get("ntp") or {}
    return [
        Text(node["name"]),
        machine(node),
        roles(node, vhosts),
        lines(advskew(vhost) for vhost in vhosts) if vhosts else lines(str(skew) for skew in node["advskews"]),
        lines(demotion(vhost) for vhost in vhosts),
        Text(str(ntp.get("state", "")), style="" if ntp.get("state") == "ok" else "yellow"),
        addresses(node, heard),
    ]


def addresses(node: Status, heard: Mapping[str, str | None]) -> Text:
    """What this node's kernel owns, and what the client hears from it."""
    text = Text()
    for address, by in heard.items():
        owns, hears = address in node["owns"], by == node["name"]
        if owns or hears:
            words = ["owned"] * owns + ["heard" if hears else "silent"]
            style = "bold green" if owns and hears else "bold red"
            text.append(("\n" if text else "") + f"{address} {', '.join(words)}", style)
    return text


def lines(parts: Any) -> Text:
    return Text("\n".join(parts))


def machine(node: Status) -> Text:
    """What is wrong with the machine itself, in words."""
    if not node["power"]:
        return Text("no power", style="bold red")
    troubles = [] if node["link"] else ["cable out"]
    troubles += ["frozen"] if node["frozen"] else []
    troubles += [f"{'NTP server' if program == 'chrony' else 'CARP daemon'} ended" for program in node["ended"]]
    return Text(", ".join(troubles), style="bold red") if troubles else Text("well")


def roles(node: Status, vhosts: Sequence[Status]) -> Text:
    if node["ucarp"]:
        return Text("" if "carp" in node["ended"] or not node["power"] else "(ucarp)")
    text = Text()
    for vhost in vhosts:
        label = f"{vhost['state']} (vhid {vhost['vhid']})" if len(vhosts) > 1 else str(vhost["state"])
        text.append(("\n" if text else "") + label, style=COLOURS.get(vhost["state"], ""))
    return text


def advskew(vhost: Status) -> str:
    plain, effective = vhost["advskew"], vhost["effective_advskew"]
    return str(plain) if plain == effective else f"{plain} -> {effective}"


def demotion(vhost: Status) -> str:
    causes = ", ".join(f"{cause} {value}" for cause, value in vhost["demotion"]["causes"].items() if value)
    return f"{vhost['demotion']['total']}{f' ({causes})' if causes else ''}"


def client_line(client: Status) -> Text:
    return Text(
        f"client: {client['sent']} NTP queries, {client['answered']} answered, {client['unanswered']} unanswered, "
        f"{client['late']} late, {client['duplicates']} answered twice"
    )


def warnings(status: Status) -> list[Text]:
    """What a person should notice at once: an address with no owner, or with two."""
    found = []
    for address, owners in status["owners"].items():
        if len(owners) != 1:
            found.append(Text(f"{address} is owned by {' and '.join(owners) or 'nobody'}", style="bold red"))
    return found
