"""The command line: what was typed becomes one call, and what came of it an exit code and at most a few lines.

Exit codes: 0 ok, 1 failure, 2 usage, 78 invalid configuration, 130 interrupted. The settings of `run` are judged from
the first instruction on: this imports nothing that could wait until then.
"""

import os
import sys

from sidecar.errors import ConfigError, SidecarError
from sidecar.settings.ahead import Judge

FAILURE = 1
INVALID = 78
"""EX_CONFIG of sysexits.h."""
INTERRUPTED = 130


def main(argv: list[str] | None = None) -> int:
    """Run one command; the exit code."""
    try:
        code = _outcome(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has seen enough; the interpreter must not complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    return code


def _outcome(arguments: list[str]) -> int:
    judge = None
    try:
        if arguments[:1] == ["run"]:
            judge = Judge()
        from sidecar.commands import COMMANDS, parse  # meanwhile

        args = parse(arguments, judge)
        return COMMANDS[args.command](args)
    except SystemExit as stop:  # argparse, after --help, --version or wrong usage
        return stop.code if isinstance(stop.code, int) else FAILURE
    except ConfigError as error:
        return _fail(error, INVALID)
    except SidecarError as error:
        return _fail(error, FAILURE)
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        if judge is not None:
            judge.close()


def _fail(error: SidecarError, code: int) -> int:
    for line in str(error).splitlines():
        print(f"carp-sidecar: {line}", file=sys.stderr)
    return code
