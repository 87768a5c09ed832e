"""Keeps one object's latest state in the mailbox: by a watch of that object alone, by asking now and then where a watch
is forbidden.

Each watch begins with the object as it is, so a gap, a restart of the server or a forgotten past needs no other cure
than to begin again.
"""

import logging
import time
from collections.abc import Callable
from typing import Final

from sidecar.kube.api import WATCH_LEAST, Api, Kind, Object
from sidecar.kube.errors import ForbiddenError, KubeError, UnreachableError
from sidecar.kube.mailbox import Mailbox
from sidecar.kube.pace import Backoff, between

POLL: Final = 30.0
"""Seconds between two questions where a watch is forbidden."""
_LONGEST_SILENT: Final = 15.0
"""Seconds at most between two attempts to reach a server that is away: wishes may wait longer than roles."""
_POLLS: Final = 20
"""Questions after which a watch is tried again."""
_LASTING: Final = 10.0
"""Seconds after which a watch has been one: what ends sooner, again and again, is begun ever more rarely."""
_PATIENCE: Final = 4
"""Refusals in a row after which a watch counts as forbidden: a server that has just started forbids everything."""
_GONE: Final = "DELETED"


class Watcher:
    """Runs for ever in a thread of its own. ``put`` gets each state, ``say`` a line now and then."""

    def __init__(
        self,
        api: Api,
        kind: Kind,
        put: Callable[[Object], None],
        mailbox: Mailbox,
        say: Callable[[int, str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._kind = kind
        self._put = put
        self._mailbox = mailbox
        self._say = say
        self._clock = clock
        self._polls = 0
        self._refusals = 0

    def run(self, name: str, draw: Callable[[], float], sleep: Callable[[float], None] = time.sleep) -> None:
        """Follow the object of this name."""
        backoff = Backoff(draw, _LONGEST_SILENT)
        while True:
            sleep(self._follow(name, draw, backoff))

    def _follow(self, name: str, draw: Callable[[], float], backoff: Backoff) -> float:
        """Watch it to the end, or ask once; seconds to the next time."""
        began = self._clock()
        error: KubeError = UnreachableError(f"watch {name}", "it ended at once")
        try:
            if self._polls:
                self._poll(name)
                backoff.reset()
                return POLL
            self._watch(name, draw)
        except KubeError as failed:
            error = failed
            self._mailbox.failed(str(error))
            self._refuse(error)
        if self._clock() - began < _LASTING:  # however well it began
            return backoff.failed(error)
        backoff.reset()
        return between(draw, 0.2, 1.0) + (error.retry_after or 0.0)

    def _watch(self, name: str, draw: Callable[[], float]) -> None:
        seconds = int(between(draw, WATCH_LEAST, 2 * WATCH_LEAST))
        for told, found in self._api.watch(self._kind, name, seconds):
            self._refusals = 0
            if told != _GONE:
                self._put(found)

    def _poll(self, name: str) -> None:
        self._polls -= 1
        self._put(self._api.get(self._kind, name))

    def _refuse(self, error: KubeError) -> None:
        if self._polls or not isinstance(error, ForbiddenError):
            self._refusals = 0
            return
        self._refusals += 1
        if self._refusals >= _PATIENCE:
            self._say(logging.WARNING, f"{error}; asking every {POLL:g} s instead")
            self._polls, self._refusals = _POLLS, 0
