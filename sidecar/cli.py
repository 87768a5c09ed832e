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
    _fill_what_is_closed()
    try:
        code = _outcome(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output has seen enough
        code = FAILURE
    except OSError as error:
        if not _is_of_output(error):
            raise
        code = _fail(SidecarError(f"the output cannot be written: {error.strerror}"), FAILURE)
    _settle()
    return code


def _is_of_output(error: OSError) -> bool:
    """Whether it says what a full disk or a terminal that is gone says; anything else would be a fault of ours."""
    import errno

    return error.filename is None and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF}


def _settle() -> None:
    """What is left in a buffer and has nowhere to go: the interpreter would complain of it at its end, by code 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _fill_what_is_closed() -> None:
    """A descriptor of the standard three that is closed would be given to a socket, and to whoever prints."""
    for name, descriptor, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        if getattr(sys, name) is None:
            if (null := os.open(os.devnull, os.O_RDWR)) != descriptor:
                os.dup2(null, descriptor)
                os.close(null)
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - for good


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
    try:
        for line in str(error).splitlines():
            print(f"carp-sidecar: {line}", file=sys.stderr)
    except OSError:
        return code  # there is nowhere to say it
    return code
