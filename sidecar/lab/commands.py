"""`carp-sidecar lab ...`: the command line of the laboratory."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from sidecar.errors import SidecarError
from sidecar.lab import remote, sandbox
from sidecar.lab.plan import HOWS, NODES_MAX, NODES_MIN, LabError, Plan
from sidecar.lab.services import python_environment
from sidecar.lab.state import State

N = TypeVar("N", int, float)
WATCH_SECONDS = 0.5
ELECTION_SECONDS = 20.0
USAGE = 2
INTERRUPTED = 130


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    """Add `lab` with its own sub-commands to a command line."""
    parser = subparsers.add_parser(
        "lab",
        help="a laboratory of real nodes on this machine",
        description="A laboratory of real nodes on this machine.",
        allow_abbrev=False,
    )
    add_commands(parser)
    return parser


def add_commands(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="lab_command", metavar="COMMAND", required=True)

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False)

    demo = add("demo", "build a lab, pull the plug on the master, report, tear down")
    add_plan(demo, rate=100.0)
    demo.add_argument(
        "--seconds", type=between(float, 1, 10), default=2.0, help="to watch before and after each event (1-10)"
    )
    demo.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    up = add("up", "build a lab and leave it running")
    add_plan(up, rate=10.0)
    up.add_argument("--no-wait", action="store_true", help="return before the first master is elected")
    status = add("status", "how every node stands, and whom the client hears")
    status.add_argument("--json", action="store_true", help="for programs")
    add("watch", "how every node stands, live, until Ctrl-C")
    fail = add("fail", "break a node")
    fail.add_argument("node", metavar="NODE")
    fail.add_argument("--how", choices=HOWS, default="power", help="default: power")
    add("heal", "undo what was done to a node").add_argument("node", metavar="NODE")
    run = add("exec", "run a command on a node (also on client, upstream)")
    run.add_argument("node", metavar="NODE")
    run.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    add("down", "remove the lab; also after a crash, also if there is none")


def add_plan(parser: argparse.ArgumentParser, rate: float) -> None:
    parser.add_argument(
        "--nodes", type=between(int, NODES_MIN, NODES_MAX), default=3, help="carp-sidecar nodes (default 3)"
    )
    parser.add_argument("--with", dest="with_", choices=["ucarp"], help="one more node, which runs the real ucarp")
    parser.add_argument(
        "--share", action="store_true", help="two addresses with crosswise advskews: the load is shared"
    )
    parser.add_argument("--all-ucarp", action="store_true", help=argparse.SUPPRESS)  # to try the lab itself
    parser.add_argument("--dual", action="store_true", help="an IPv6 address besides")
    parser.add_argument(
        "--rate", type=between(float, 1, 1000), default=rate, help=f"NTP queries a second (default {rate:.0f})"
    )


def between(kind: Callable[[str], N], low: N, high: N) -> Callable[[str], N]:
    """What argparse reads a number with."""

    def number(text: str) -> N:
        value = kind(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text}: must be from {low:g} to {high:g}")
        return value

    return number


def main(args: argparse.Namespace) -> int:
    """Run the chosen command; returns its exit code."""
    commands: dict[str, Callable[[argparse.Namespace, State], int]] = {
        "demo": demo,
        "up": up,
        "status": status,
        "watch": watch,
        "fail": fail,
        "heal": heal,
        "exec": execute,
        "down": down,
    }
    os.environ["PATH"] = search_path(os.environ)
    try:
        return commands[args.lab_command](args, State())
    except SidecarError as error:
        print(f"carp-sidecar lab {args.lab_command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return INTERRUPTED


def search_path(environ: Mapping[str, str]) -> str:
    """PATH with where an ordinary user's lacks the servers: /usr/sbin, and the folder `make setup` unpacks into."""
    cache = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "carp-sidecar" / "bin"
    wanted = [str(cache), *environ.get("PATH", os.defpath).split(os.pathsep), "/usr/sbin", "/sbin"]
    return os.pathsep.join(dict.fromkeys(wanted))


def plan_of(args: argparse.Namespace) -> dict[str, Any]:
    if args.with_ and args.dual:
        raise LabError("--with ucarp and --dual exclude each other: ucarp speaks IPv4 only")
    plan = {"nodes": args.nodes, "ucarp": args.with_ == "ucarp", "share": args.share, "dual": args.dual}
    return plan | {"all_ucarp": args.all_ucarp}


def demo(args: argparse.Namespace, _: State) -> int:
    plan = plan_of(args)
    if args.inside:
        from sidecar.lab.demo import demo as perform

        return perform(Plan(**plan), args.rate, args.seconds)
    flags = [f"--nodes={args.nodes}", f"--rate={args.rate}", f"--seconds={args.seconds}"]
    flags += [f"--{name.replace('_', '-')}" for name in ("share", "dual", "all_ucarp") if plan[name]]
    flags += ["--with=ucarp"] * plan["ucarp"]
    inside = [sys.executable, "-m", "sidecar.lab", "demo", "--inside", *flags]
    return sandbox.end_like(sandbox.run(inside, python_environment()))


def up(args: argparse.Namespace, state: State) -> int:
    remote.start(state, plan_of(args), args.rate)
    print(f"The lab is up; logs are in {state.logs}", flush=True)
    if args.no_wait:
        return 0
    print("Waiting for the election ...", flush=True)
    if not remote.settled(state, ELECTION_SECONDS):
        raise LabError(f"no single master after {ELECTION_SECONDS:.0f} s; `lab status` and the logs tell more")
    print("The address answers. Try: lab watch, lab fail node1, lab heal node1, lab exec node1 -- ip address, lab down")
    return 0


def status(args: argparse.Namespace, state: State) -> int:
    found: Any = remote.ask(state, {"op": "status"})
    if args.json:
        print(json.dumps(found, indent=2))
        return 0
    from sidecar.lab.view import show

    show(found)
    return 0


def watch(_: argparse.Namespace, state: State) -> int:
    from rich.live import Live

    from sidecar.lab.view import render

    def now() -> Any:
        found: Any = remote.ask(state, {"op": "status"})
        return render(found)

    try:
        with Live(now(), auto_refresh=False, screen=sys.stdout.isatty()) as live:
            while True:
                time.sleep(WATCH_SECONDS)
                live.update(now(), refresh=True)
    except KeyboardInterrupt:
        return 0


def fail(args: argparse.Namespace, state: State) -> int:
    remote.ask(state, {"op": "fail", "node": args.node, "how": args.how})
    print(f"{args.node}: {args.how} done; `lab status` shows what follows")
    return 0


def heal(args: argparse.Namespace, state: State) -> int:
    remote.ask(state, {"op": "heal", "node": args.node})
    print(f"{args.node}: healed")
    return 0


def execute(args: argparse.Namespace, state: State) -> int:
    command = args.argv[1:] if args.argv[:1] == ["--"] else args.argv
    if not command:
        print("carp-sidecar lab exec: a command is required: lab exec NODE -- COMMAND", file=sys.stderr)
        return USAGE
    remote.enter(state, args.node, command)
    return 1


def down(_: argparse.Namespace, state: State) -> int:
    print("The lab is removed." if remote.end(state) else "No lab is running.")
    return 0
