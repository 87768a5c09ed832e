"""What people and other parts hear of an election: one line a transition, one a demotion, and nothing per packet."""

import logging
from collections.abc import Callable
from typing import Final

from sidecar.carp.effects import DemotionChanged, State, StateChanged

_log: Final = logging.getLogger("sidecar.carp")


class ElectionObserver:
    """Logs for one virtual host and tells ``on_move`` and ``on_state``, ``on_demotion`` and ``on_stopped``.

    Cannot change anything.
    """

    def __init__(self, vhid: int, on_drop: Callable[[int, str, bytes], None]) -> None:
        self._vhid = vhid
        self._on_drop = on_drop
        self.on_move: Callable[[State], None] = lambda _state: None
        self.on_state: Callable[[State], None] = lambda _state: None
        self.on_demotion: Callable[[DemotionChanged], None] = lambda _change: None
        self.on_stopped: Callable[[], None] = lambda: None

    def state_changed(self, change: StateChanged) -> None:
        """One INFO line with old, new and why."""
        why = f"{change.reason} ({change.detail})" if change.detail else change.reason
        _log.info("vhid=%d %s -> %s: %s", self._vhid, change.old, change.new, why)
        self.on_move(change.new)
        self.on_state(change.new)

    def demotion_changed(self, change: DemotionChanged) -> None:
        """One INFO line with old, new and the cause."""
        _log.info("vhid=%d demotion %d -> %d (%s)", self._vhid, change.old, change.new, change.cause)
        self.on_demotion(change)

    def dropped(self, reason: str, source: bytes) -> None:
        """Counted already; whether it is worth a line is decided elsewhere."""
        self._on_drop(self._vhid, reason, source)

    def stopped(self) -> None:
        """The election has ended."""
        self.on_stopped()
