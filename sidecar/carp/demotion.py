"""Why this node would rather not serve: a sum of named causes. A cause has one amount; setting it again replaces it.

The sum goes on the wire as the dialect says (``Config.effective_advskew``, ``Config.demote_byte``).
"""

from typing import Final

from sidecar.carp.constants import FULL_DEMOTION

SEND_ERRORS: Final = "senderr"
ADDRESSES: Final = "addresses"
_HYSTERESIS: Final = 3
"""Failures in a row that demote, and successes in a row that forgive (OpenBSD, FreeBSD: carp_send_ad)."""


class DemotionLedger:
    """The causes that count now, each with an amount of 1 or more."""

    def __init__(self) -> None:
        self._amounts: dict[str, int] = {}
        self.total = 0

    @property
    def causes(self) -> dict[str, int]:
        """A copy: cause to amount."""
        return dict(self._amounts)

    def set(self, cause: str, amount: int) -> int:
        """Give a cause its amount (0 clears it); returns how much the total rose, negative when it fell."""
        before = self.total
        if amount > 0:
            self._amounts[cause] = amount
        else:
            self._amounts.pop(cause, None)
        self.total = sum(self._amounts.values())
        return self.total - before


class SendErrors:
    """Three failed sends in a row demote; three good ones in a row forgive."""

    def __init__(self) -> None:
        self._failures = 0
        self._successes = 0
        self.demotion = 0

    def failed(self) -> None:
        """Note a failure; ``demotion`` tells what it amounts to."""
        self._successes = 0
        self._failures += 1
        if self._failures >= _HYSTERESIS:
            self.demotion = FULL_DEMOTION

    def succeeded(self) -> bool:
        """Note a success; True when it is the one that forgives."""
        self._failures = 0
        if not self.demotion:
            return False
        self._successes += 1
        if self._successes < _HYSTERESIS:
            return False
        self.demotion = self._successes = 0
        return True
