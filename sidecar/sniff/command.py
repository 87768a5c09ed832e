"""`carp-sidecar sniff`: from a capture or an interface to lines on standard output; remarks go to standard error.

Ctrl-C, SIGTERM, --seconds and --count end it in order: the summary (text) and exit code 0. Lines are flushed one by
one, except those about a file to something that is no terminal, which nobody waits for.
"""

import argparse
import contextlib
import os
import signal
import stat
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from io import BufferedReader
from typing import Final

from sidecar.errors import ConfigError, SidecarError
from sidecar.sniff.dissect import LINK_TYPES, dissect
from sidecar.sniff.frame import CaptureError, Frame
from sidecar.sniff.judge import Judge, Judged
from sidecar.sniff.live import Tap
from sidecar.sniff.options import Options, read_options
from sidecar.sniff.render import as_json, as_text
from sidecar.sniff.summary import Summary

_ENDING: Final = (signal.SIGINT, signal.SIGTERM)


def main(args: argparse.Namespace) -> int:
    """Exit code 0. ``ConfigError`` for arguments, other ``SidecarError`` when it cannot listen or read on.

    ``args``: interface, pcap, passphrase_file, addresses, vhid, count, seconds, json; None is not given.
    """
    options = read_options(args)
    if (options.interface is None) == (options.pcap is None):
        both = "both" if options.interface else "neither"
        rule = "give an interface to listen on or a capture to read, one of the two"
        raise ConfigError("--interface, --pcap", both, rule, "sniff --interface eth0, or sniff --pcap FILE")
    try:
        with _ended_by_signals(options.seconds):
            return _sniff(options)
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        _forget_output()
        return 0


def _sniff(options: Options) -> int:
    output = _Output(options)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            if options.interface is not None:
                _listen(options.interface, options, output)
            else:
                _read(options.pcap or "-", options, output)
    except SidecarError:
        if output.lines:
            output.end()
        raise
    output.end()
    return 0


def _listen(interface: str, options: Options, output: "_Output") -> None:
    with Tap(interface, _remark) as tap:
        _remark(f"listening on {interface}; Ctrl-C ends it")
        try:
            output.take(_judged(tap, options))
        finally:
            if lost := tap.lost():
                _remark(f"{lost} frames came faster than they could be read and are missing")


def _read(path: str, options: Options, output: "_Output") -> None:
    from sidecar.sniff.capture import read_capture  # and scapy

    name = "on standard input" if path == "-" else path
    with _opened(path) as stream:
        frames = _Intelligible(read_capture(stream, name))
        output.take(_judged(frames, options))
    if frames.strangers:
        _tell_strangers(name, frames)


class _Intelligible:
    """The frames whose link type we read; the others are counted."""

    def __init__(self, frames: Iterable[Frame]) -> None:
        self._frames = frames
        self.strangers: Counter[int] = Counter()
        self.known = 0

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._frames:
            if frame.link_type in LINK_TYPES:
                self.known += 1
                yield frame
            else:
                self.strangers[frame.link_type] += 1


def _tell_strangers(name: str, frames: _Intelligible) -> None:
    """A link type nobody here can read is an error if it is all there is, else a remark."""
    kinds = ", ".join(f"{count} of link type {kind}" for kind, count in sorted(frames.strangers.items()))
    said = f"capture {name} holds frames that are not Ethernet, Linux cooked or raw IP: {kinds}"
    if not frames.known:
        raise CaptureError(f"{said}; capture on the Ethernet interface itself")
    _remark(f"{said}; they were left out")


def _opened(path: str) -> BufferedReader:
    try:
        return open(0, "rb", closefd=False) if path == "-" else open(path, "rb")
    except OSError as error:
        raise CaptureError(f"capture {path} cannot be read: {error.strerror}") from error


def _judged(frames: Iterable[Frame], options: Options) -> Iterator[Judged]:
    judge = Judge(options.keys, options.addresses, options.vhid)
    for frame in frames:
        seen = dissect(frame.link_type, frame.data)
        if seen is not None:
            yield judge.judge(frame, seen)


class _Output:
    """Standard output: a line a record and, in text, the summary at the end."""

    def __init__(self, options: Options) -> None:
        self._count = options.count
        self._seconds = options.seconds
        self.lines = 0
        self._render = as_json if options.json else as_text
        self._summary = None if options.json else Summary(options.keys, options.addresses, options.vhid)
        self._flush = options.json or options.interface is not None or sys.stdout.isatty() or _is_pipe(options.pcap)

    def take(self, records: Iterator[Judged]) -> None:
        """Print until the records end or are enough."""
        for judged in records:
            if self._summary:
                self._summary.add(judged)
            print(self._render(judged), flush=self._flush)
            self.lines += 1
            if self.lines == self._count:
                return

    def end(self) -> None:
        """Say what it adds up to. From here on a signal ends us at once."""
        if self._seconds is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number in _ENDING:
            signal.signal(number, signal.SIG_DFL)
        if self._summary:
            print("", *self._summary.lines(), sep="\n")
        sys.stdout.flush()


def _is_pipe(path: str | None) -> bool:
    if path in {None, "-"}:
        return True
    with contextlib.suppress(OSError):
        return stat.S_ISFIFO(os.stat(str(path)).st_mode)
    return False


@contextlib.contextmanager
def _ended_by_signals(seconds: float | None) -> Iterator[None]:
    """SIGTERM and the end of ``seconds`` do what Ctrl-C does, also while a read waits."""
    numbers = _ENDING if seconds is None else (*_ENDING, signal.SIGALRM)
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    if seconds is not None:
        signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        if seconds is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _remark(text: str) -> None:
    print(f"sniff: {text}", file=sys.stderr, flush=True)


def _forget_output() -> None:
    """Whoever read us has left (`| head`); what is still buffered must not raise again at exit."""
    with open(os.devnull, "wb") as null:
        os.dup2(null.fileno(), sys.stdout.fileno())
