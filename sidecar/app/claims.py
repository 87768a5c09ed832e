"""Waits, before anything is changed, until no other daemon of this host serves one of our virtual hosts.

Signals are held back at this time (``daemon.hold_signals``); the wait is where they are looked for.
"""

import logging
import signal
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from sidecar.net.claim import Claim

_log: Final = logging.getLogger(__name__)
_RETRY: Final = 0.2
_PATIENCE: Final = 4.0
"""Seconds: the lease at advbase 1, and some; a longer one is not waited for."""
_ENDS: Final = (signal.SIGTERM, signal.SIGINT)


class Claims:
    """To all virtual hosts of this daemon."""

    def __init__(self, places: Iterable[tuple[str, int]]) -> None:
        """``places``: carpdev and vhid of each. In one order everywhere: two daemons never wait for each other."""
        self._claims: Sequence[Claim] = [Claim(carpdev, vhid) for carpdev, vhid in sorted(places)]

    def take(self) -> bool:
        """Wait for as long as it takes; False when told to end meanwhile."""
        return all(_taken(claim) for claim in self._claims)

    def release(self) -> None:
        """Everything is put back: let whoever waits begin."""
        for claim in self._claims:
            claim.release()


def outlasted(lease: Callable[[], int]) -> bool:
    """Let what an earlier run left answer to the end of its lease; False when told to end meanwhile.

    It was killed, and its successor takes over when that lease ends: to clear it now would be seconds of silence, and
    to begin now would gain nothing, since who begins listens for as long.
    """
    for number in range(round(_PATIENCE / _RETRY)):
        if lease() == 0:
            break
        if number == 0:
            _log.info("addresses of an earlier run answer until their lease ends; beginning then")
        if signal.sigtimedwait(_ENDS, _RETRY) is not None:
            return False
    return True


def _taken(claim: Claim) -> bool:
    said = False
    while (holder := claim.take()) is not None:
        if not said:
            _log.warning("%s: %s of this host serves it; waiting until that is gone", claim.where, holder)
            said = True
        if signal.sigtimedwait(_ENDS, _RETRY) is not None:
            return False
    return True
