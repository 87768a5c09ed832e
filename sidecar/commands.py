"""What can be typed, and what it calls. Each command imports what it needs when it runs.

So `run` never carries what only others use.
"""

import argparse
import gc
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Never

from sidecar import __version__
from sidecar.settings.ahead import Judge
from sidecar.settings.table import CONFIG, SETTINGS, Setting, env_name, flag_name

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

PROGRAM: Final = "carp-sidecar"
MAX_RESIGN: Final = 86_400
"""Seconds that `resign --for` may ask for: a day."""
DEFAULT_RESIGN: Final = 30.0


def _run(args: argparse.Namespace) -> int:
    from sidecar.settings import apart

    apart.ask(args.judge, _flags(args), os.environ)
    gc.disable()  # what is imported stays: there is nothing to collect, and looking for it takes a tenth of the time
    from sidecar.app.main import run  # meanwhile

    gc.enable()
    return run(apart.outcome(args.judge))


def _flags(args: argparse.Namespace) -> dict[str, str | None]:
    return {key: getattr(args, key) for key in (*(row.key for row in SETTINGS), CONFIG)}


def _check(args: argparse.Namespace) -> int:
    from sidecar.check import command
    from sidecar.settings.load import load

    return command.main(load(_flags(args), os.environ), args.seconds)


def _status(args: argparse.Namespace) -> int:
    _find_control(args)
    from sidecar.ops import commands

    return commands.status(args)


def _resign(args: argparse.Namespace) -> int:
    _find_control(args)
    from sidecar.ops import commands

    return commands.resign(args)


def _maintenance(args: argparse.Namespace) -> int:
    _find_control(args)
    from sidecar.ops import commands

    return commands.maintenance(args)


def _find_control(args: argparse.Namespace) -> None:
    from sidecar.settings.control import control_path

    args.control = control_path(args.control, os.environ)


def _sniff(args: argparse.Namespace) -> int:
    from sidecar.sniff import command

    return command.main(args)


def _lab(args: argparse.Namespace) -> int:
    from sidecar.lab import commands

    return commands.main(args)


COMMANDS: Final = {
    "run": _run,
    "status": _status,
    "resign": _resign,
    "maintenance": _maintenance,
    "check": _check,
    "sniff": _sniff,
    "lab": _lab,
}


class _Refuse(argparse.Action):
    """A secret on the command line, where every user of the host can read it: refused, and not repeated."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> Never:
        parser.error("a passphrase is never given on the command line, where ps shows it: use --passphrase-file")


def parse(arguments: Sequence[str], judge: Judge | None) -> argparse.Namespace:
    """What was typed, as ``COMMANDS`` take it. ``SystemExit`` as argparse has it. ``judge``: who judges for `run`."""
    parser = _parser(arguments)
    args, unknown = parser.parse_known_args(arguments, argparse.Namespace(judge=judge))
    if unknown:
        help_ = f"{PROGRAM} {args.command} --help"
        parser.error(f"unrecognized arguments: {' '.join(unknown)} ({help_} lists what there is)")
    return args


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description="One address for NTP that never goes away.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_run(commands)
    _add_status(commands)
    _add_resign(commands)
    _add_maintenance(commands)
    _add_check(commands)
    _add_sniff(commands)
    _add_lab(commands, needed="lab" in arguments[:1])
    return parser


def _add_run(commands: "Subparsers") -> None:
    run = commands.add_parser(
        "run",
        help="the daemon",
        description="The daemon. Each setting by flag, environment or file, in that precedence.",
        allow_abbrev=False,
    )
    _add_settings(run)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(flag_name(CONFIG), metavar="FILE", help=f"YAML file with settings ({env_name(CONFIG)})")
    vhost = parser.add_argument_group("the virtual host (several: vhosts: in the file)")
    process = parser.add_argument_group("the process")
    for row in SETTINGS:
        _add_setting(vhost if row.of == "vhost" else process, row)
    parser.add_argument("--passphrase", "--password", "--pass", action=_Refuse, help=argparse.SUPPRESS)


def _add_check(commands: "Subparsers") -> None:
    check = commands.add_parser(
        "check",
        help="preflight: what would go wrong with run on this host",
        description="The settings of run, looked at on this host: one line a finding, and what to do about it. Changes "
        "nothing. Exit code 0 ok, 1 problems, 78 invalid settings.",
        allow_abbrev=False,
    )
    listening = "how long to listen to the segment, 0 not at all (default: long enough to hear a master twice)"
    check.add_argument("--seconds", type=_seconds, metavar="S", help=listening)
    _add_settings(check)


def _add_setting(group: argparse._ArgumentGroup, row: Setting) -> None:
    unit = f" [{row.unit}]" if row.unit else ""
    default = "required" if row.required else f"default: {row.default_text}"
    text = f"{row.meaning}{unit} ({row.env}; {default})"
    optional: dict[str, Any] = {"nargs": "?", "const": "true"} if row.kind == "boolean" else {}
    group.add_argument(row.flag, metavar=_metavar(row), help=text.replace("%", "%%"), **optional)


def _metavar(row: Setting) -> str:
    if row.kind == "word":
        return row.span.replace(", ", "|")
    return {"absolute path": "PATH", "integer": "N", "integer or `auto`": "N", "boolean": "BOOL"}.get(
        row.kind, row.kind.split()[0].upper()
    )


def _add_client(commands: "Subparsers", name: str, text: str) -> argparse.ArgumentParser:
    """A command that talks to the running daemon."""
    parser = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False)
    control = "control socket of the daemon (default: what run was told by environment or file)"
    parser.add_argument("--control", metavar="PATH", help=control)
    return parser


def _add_status(commands: "Subparsers") -> None:
    status = _add_client(commands, "status", "this node's state, peers, demotion, NTP health, last transitions")
    status.add_argument("--json", action="store_true", help="the whole status as JSON")
    status.add_argument("--watch", action="store_true", help="again and again, until interrupted")


def _add_resign(commands: "Subparsers") -> None:
    resign = _add_client(commands, "resign", "hand over now, without losing a request")
    resign.add_argument(
        "--for",
        dest="seconds",
        type=_seconds,
        default=DEFAULT_RESIGN,
        metavar="SECONDS",
        help="how long to stay backup, then take part again (default: %(default)g)",
    )


def _add_maintenance(commands: "Subparsers") -> None:
    maintenance = _add_client(commands, "maintenance", "demote this node until told otherwise")
    maintenance.add_argument("mode", choices=("on", "off"))


def _add_sniff(commands: "Subparsers") -> None:
    text = "decode and verify what is on the wire or in a capture"
    sniff = commands.add_parser("sniff", help=text, description=f"{text.capitalize()}.", allow_abbrev=False)
    source = sniff.add_mutually_exclusive_group(required=True)
    source.add_argument("--interface", metavar="NAME", help="listen on an interface (CAP_NET_RAW)")
    source.add_argument("--pcap", metavar="FILE", help="read a pcap or pcapng capture; - is standard input")
    sniff.add_argument("--passphrase-file", metavar="FILE", help="a passphrase a line, each is tried")
    sniff.add_argument("--addresses", metavar="LIST", help="virtual addresses, comma-separated")
    sniff.add_argument("--vhid", metavar="1-255", help="the virtual host to judge by; the others are badvhid")
    sniff.add_argument("--count", metavar="N", help="stop after N frames of CARP or VRRP")
    sniff.add_argument("--seconds", metavar="S", help="stop after S seconds")
    sniff.add_argument("--json", action="store_true", help="one JSON object a line")
    sniff.add_argument("--passphrase", "--password", "--pass", action=_Refuse, help=argparse.SUPPRESS)


def _add_lab(commands: "Subparsers", *, needed: bool) -> None:
    """The laboratory brings its own commands; for everybody else its name and what it is are enough."""
    if not needed:
        commands.add_parser("lab", help="a laboratory of real nodes on this machine")
        return
    from sidecar.lab.commands import add_parser

    add_parser(commands)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MAX_RESIGN:  # also false for nan
        raise argparse.ArgumentTypeError(f"{text}: must be a number of seconds from 0 to {MAX_RESIGN}")
    return seconds
