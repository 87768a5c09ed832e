"""``status``, ``resign`` and ``maintenance``: ask the daemon by its control socket, say what it said.

Exit code 0, or 1 with one line on standard error when the daemon does not answer or refuses.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any, Final, cast

from sidecar.errors import ControlError
from sidecar.ops import text, words
from sidecar.ops.client import call
from sidecar.ops.view import StatusView

_RESIGN_SECONDS: Final = 20.0
"""How long to wait for a hand-over, which takes a second at most."""
NOBODY: Final = "nobody took over"
"""How the election's reason ends when a hand-over timed out."""


def _reported(command: Callable[[argparse.Namespace], None]) -> Callable[[argparse.Namespace], int]:
    def run(args: argparse.Namespace) -> int:
        try:
            command(args)
        except ControlError as error:
            print(f"carp-sidecar: {error}", file=sys.stderr)
            return 1
        return 0

    return run


def ask_status(control: str) -> StatusView:
    """``/status`` by the control socket."""
    return cast("StatusView", call(control, "status"))


@_reported
def status(args: argparse.Namespace) -> None:
    """``args``: ``control`` (path), ``json`` and ``watch`` (booleans)."""
    if args.watch:
        from sidecar.ops.watch import watch

        watch(lambda: ask_status(args.control), as_json=args.json)
        return
    view = ask_status(args.control)
    if args.json:
        print(json.dumps(view, indent=2))
    elif sys.stdout.isatty():
        from sidecar.ops.watch import coloured, console

        console().print(coloured(text.render(view, time.time())))
    else:
        print(text.render(view, time.time()))


@_reported
def resign(args: argparse.Namespace) -> None:
    """``args``: ``control`` (path) and ``seconds``."""
    done = call(args.control, "resign", timeout=_RESIGN_SECONDS, seconds=args.seconds)
    for outcome in done["vhosts"]:
        print(_outcome(outcome, done["after_s"]))
    if not done["vhosts"]:
        print("this node was not master, nothing to hand over")
    print(f"it takes no part for {args.seconds:g} s")


def _outcome(outcome: dict[str, Any], seconds: float) -> str:
    if outcome["state"] == "MASTER":
        return f"vhid {outcome['vhid']}: still master after {words.span(seconds)}: {outcome['reason']}"
    if not outcome["successor"] or NOBODY in outcome["reason"]:
        return f"vhid {outcome['vhid']}: nobody took over within {words.span(seconds)}; the addresses are released"
    return f"vhid {outcome['vhid']}: {outcome['successor']} took over after {words.span(seconds)}"


@_reported
def maintenance(args: argparse.Namespace) -> None:
    """``args``: ``control`` (path) and ``mode`` (``on`` or ``off``)."""
    done = call(args.control, "maintenance", on=args.mode == "on")
    if args.mode == "on":
        print("maintenance on: this node is demoted by 240 and gives its addresses to any other that takes them")
    elif done["maintenance"]:
        places = " and ".join(done["wished_by"])
        print(f"maintenance stays on: the annotation carp-sidecar.io/maintenance of the {places} asks for it")
    else:
        print("maintenance off: this node takes part as before")
