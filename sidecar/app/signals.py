"""Signals wait until somebody listens, then are calls on the loop. None is lost, and none ends a half-made start."""

import asyncio
import signal
from collections.abc import Callable, Mapping
from typing import Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)


def hold_signals() -> None:
    """Let them wait until somebody listens: the default would end a half-made start, and a SIGHUP even a master.

    Before the first thread, which would take them otherwise. What waits is not lost, also for a container's process 1.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)


def listen_to_signals(handlers: Mapping[int, Callable[[], None]]) -> None:
    """Have the running loop call these, also for what came before."""
    for number, handler in handlers.items():
        asyncio.get_running_loop().add_signal_handler(number, handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, handlers)
