"""A peer that speaks OpenBSD's dialect to a node that does not: told, once an hour, since nobody notices otherwise.

OpenBSD says its demotion in a byte of its own, which the other dialect neither sends nor heeds: each takes the demoted
other for the better one, and both may yield for ever.
"""

import logging
import time
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final

from sidecar.carp.receive import Datagram

_log: Final = logging.getLogger("sidecar.carp")
DEMOTE: Final = 4
"""The byte of an advertisement."""
_PAUSE: Final = 3600.0


class DialectWatch:
    """Of one virtual host with the dialect of FreeBSD and ucarp. Looks at what was believed, changes nothing."""

    def __init__(self, vhid: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._vhid = vhid
        self._clock = clock
        self._told_at = -_PAUSE

    def meet(self, datagram: Datagram) -> None:
        """Somebody was believed."""
        if not datagram.payload[DEMOTE] or self._clock() - self._told_at < _PAUSE:
            return
        self._told_at = self._clock()
        text = "vhid=%d %s is demoted in OpenBSD's way, which dialect freebsd does not heed: set openbsd everywhere"
        _log.warning(text, self._vhid, ip_address(datagram.source))
