"""``status --watch``: the status once a second until q or ctrl-C, or a line a change where there is no terminal.

A daemon that stops answering is told and waited for: it may be restarting, which is what one watches.
"""

import json
import re
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.text import Text

from sidecar.errors import ControlError
from sidecar.ops import text
from sidecar.ops.view import StatusView, iso

Ask = Callable[[], StatusView]
_STYLES: Final = (
    (re.compile(r"\bMASTER\b"), "bold green"),
    (re.compile(r"\bBACKUP\b"), "bold blue"),
    (re.compile(r"\bINIT\b"), "bold magenta"),
    (re.compile(r"\bWARNING: .*"), "bold red"),
    (re.compile(r"\bNOTE: .*"), "yellow"),
    (re.compile(r"\bok: .*"), "green"),
    (re.compile(r"^  [a-z?][a-z ?]{0,11}(?=  )", re.MULTILINE), "dim"),
)


def console() -> Console:
    """Standard output, no markup, nothing highlighted but what we colour."""
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True)


def coloured(plain: str) -> Text:
    """The text with what matters in colour."""
    shown = Text(plain)
    for pattern, style in _STYLES:
        shown.highlight_regex(pattern, style)
    return shown


def watch(ask: Ask, *, as_json: bool = False, interval: float = 1.0) -> None:
    """Show it again and again. Raises ControlError when the daemon does not answer the first time."""
    view = ask()
    with suppress(KeyboardInterrupt):
        if as_json:
            _objects(ask, view, interval)
        elif sys.stdout.isatty():
            _live(ask, view, interval)
        else:
            _lines(ask, view, interval)


def _live(ask: Ask, view: StatusView, interval: float) -> None:
    with _keys() as pressed, Live(_frame(view), console=console(), auto_refresh=False) as live:
        while pressed(interval) not in {"q", "Q", "\x03"}:
            try:
                view = ask()
                live.update(_frame(view), refresh=True)
            except ControlError as error:
                live.update(_frame(view, lost=str(error)), refresh=True)


def _frame(view: StatusView, lost: str = "") -> Text:
    """What stands at the end is cut off first where the terminal is low."""
    now = time.time()
    frame = Text(f"{iso(now)}, q ends\n", "dim")
    if lost:
        frame.append(f"WARNING: {lost}; what stands below is old\n", "bold red")
    shown = coloured(text.render(view, now))
    if lost:
        shown.stylize("dim")
    return frame.append("\n").append_text(shown)


@contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """A function that waits so long for a key; without a terminal to type at, it only waits."""
    if not sys.stdin.isatty():
        yield _pause
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield _key
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _pause(seconds: float) -> str:
    time.sleep(seconds)
    return ""


def _key(seconds: float) -> str:
    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    return sys.stdin.read(1) if ready else ""


def _lines(ask: Ask, view: StatusView, interval: float) -> None:
    """Only what changed, so that a file of it can be read."""
    before: list[str] = []
    now = list(text.summary(view, time.time()))
    while True:
        for line in now:
            if line not in before:
                print(f"{iso(time.time())} {line}", flush=True)
        _pause_while_read(interval)
        before, now = now, _summary(ask)


def _pause_while_read(seconds: float) -> None:
    """BrokenPipeError as soon as nobody reads any more: what changes rarely is written rarely, and would never tell."""
    output = select.poll()
    output.register(sys.stdout, 0)
    if output.poll(seconds * 1000):
        raise BrokenPipeError


def _summary(ask: Ask) -> list[str]:
    try:
        return list(text.summary(ask(), time.time()))
    except ControlError as error:
        return [str(error)]


def _objects(ask: Ask, view: StatusView, interval: float) -> None:
    """One object a line; none while the daemon does not answer."""
    print(json.dumps(view), flush=True)
    while True:
        _pause_while_read(interval)
        with suppress(ControlError):
            print(json.dumps(ask()), flush=True)
