"""A peer with the other dialect: told, once an hour, since nobody notices otherwise.

OpenBSD says its demotion in a byte of its own, which the other dialect neither sends nor heeds: each takes the demoted
other for the better one, and both may yield for ever. An OpenBSD is known by that byte, and by a counter that stays as
it is; FreeBSD, NetBSD and ucarp send another one each time. So do our own members, who are known by their mark.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Container
from ipaddress import ip_address
from typing import Final

from sidecar.carp.config import Dialect
from sidecar.carp.packet import COUNTER_AT, DIGEST_AT
from sidecar.carp.receive import Datagram

_log: Final = logging.getLogger("sidecar.carp")
DEMOTE: Final = 4
"""The byte of an advertisement."""
_ENOUGH: Final = 4
"""Different counters in a row, of however many sources: two OpenBSDs that follow each other are two."""
_PAUSE: Final = 3600.0
_DEMOTED: Final = "vhid=%d %s is demoted in OpenBSD's way, which dialect freebsd does not heed: set openbsd everywhere"
_COUNTS: Final = "vhid=%d %s is no OpenBSD and does not heed how dialect openbsd is demoted: set freebsd everywhere"


class DialectWatch:
    """Of one virtual host. Looks at what was believed, changes nothing. ``ours``: sources that are carp-sidecar."""

    def __init__(self, vhid: int, ours: Container[bytes], clock: Callable[[], float] = time.monotonic) -> None:
        self._vhid = vhid
        self._ours = ours
        self._clock = clock
        self._told_at = -_PAUSE
        self._counters: deque[bytes] = deque(maxlen=_ENOUGH)

    def meet(self, datagram: Datagram, dialect: Dialect) -> None:
        """Somebody was believed by a node with this dialect."""
        if dialect is Dialect.FREEBSD:
            if datagram.payload[DEMOTE]:
                self._tell(_DEMOTED, datagram)
        elif datagram.source not in self._ours:
            self._counters.append(datagram.payload[COUNTER_AT:DIGEST_AT])
            if len(set(self._counters)) == _ENOUGH:
                self._tell(_COUNTS, datagram)

    def _tell(self, text: str, datagram: Datagram) -> None:
        if self._clock() - self._told_at >= _PAUSE:
            self._told_at = self._clock()
            _log.warning(text, self._vhid, ip_address(datagram.source))
