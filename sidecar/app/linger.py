"""Letting go a moment later, where the address has no MAC of its own: neighbours learn of the successor, not at once.

What a neighbour sent before it heard the announcement still comes to this node's MAC, and is answered. The moment is
shorter than the successor's first repeated announcement: whoever asked meanwhile, and was told by both, is put right.
"""

import asyncio
import logging
from typing import Final

from sidecar.carp.config import Address
from sidecar.net.announcer import REPEATS
from sidecar.runtime.ports import Addresses

_log: Final = logging.getLogger(__name__)
LINGER: Final = 0.8 * REPEATS[0]
"""Seconds; a round trip to the farthest neighbour for which nothing is lost."""


class Lingering:
    """A keeper whose ``release`` comes true after ``LINGER`` seconds; to hold again undoes it."""

    def __init__(self, keeper: Addresses) -> None:
        self._keeper = keeper
        self._letting_go: asyncio.TimerHandle | None = None

    @property
    def held(self) -> tuple[Address, ...]:
        """What is owned now, be it for the last milliseconds."""
        return self._keeper.held

    def hold(self, addresses: tuple[Address, ...]) -> str | None:
        """Own them; the reason when the kernel refused."""
        self._stay()
        return self._keeper.hold(addresses)

    def renew(self) -> str | None:
        """Keep them for another lease; the reason when the kernel refused."""
        return self._keeper.renew()

    def release(self) -> str | None:
        """Own none soon. What the kernel says then is logged."""
        self._stay()
        if not self._keeper.held:
            return self._keeper.release()
        self._letting_go = asyncio.get_running_loop().call_later(LINGER, self._let_go)
        return None

    def _stay(self) -> None:
        if self._letting_go is not None:
            self._letting_go.cancel()
            self._letting_go = None

    def _let_go(self) -> None:
        self._letting_go = None
        detail = self._keeper.release()
        if detail is not None:
            _log.error("the kernel does not let go of the addresses: %s", detail)
