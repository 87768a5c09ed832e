"""The kernel's ownership of the addresses: held on a lease, renewed by advertisements that left, repaired when others
interfere.

Messages are encoded once; holding, releasing and renewing is one ``send``. A master that cannot speak cannot hold: the
lease runs out in the kernel, and what it took away is not put back before the next advertisement has left.
"""

import errno
import math
import os
import socket
from collections.abc import Callable, Sequence
from typing import Final

from sidecar.carp.config import Address
from sidecar.net.interface import IFA_F_NOPREFIXROUTE
from sidecar.net.pyroute import ifaddrmsg
from sidecar.net.rtnl import NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, Rtnl, message

RTM_NEWADDR: Final = 20
RTM_DELADDR: Final = 21
FOREVER: Final = 0xFFFFFFFF
_IFA_F_NODAD: Final = 0x02
_GONE: Final = frozenset({errno.EADDRNOTAVAIL, errno.ENODEV})
_FRESH: Final = 0.75
"""Of a lease that is left."""
_REPAIRS: Final = 5
_REPAIR_WINDOW: Final = 10.0


def _encoded(index: int, address: Address, lifetime: int | None) -> bytes:
    """An ifaddrmsg for a host address; with a lifetime in seconds when it is to be added."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    body = ifaddrmsg()
    body["family"], body["prefixlen"], body["index"] = family, address.max_prefixlen, index
    text = str(address).partition("%")[0]
    attrs: list[tuple[str, object]] = [("IFA_LOCAL", text), ("IFA_ADDRESS", text)]
    if lifetime is not None:
        attrs.append(("IFA_FLAGS", _IFA_F_NODAD | IFA_F_NOPREFIXROUTE))
        attrs.append(("IFA_CACHEINFO", {"ifa_preferred": lifetime, "ifa_valid": lifetime, "cstamp": 0, "tstamp": 0}))
    body["attrs"] = attrs
    body.encode()
    return bytes(body.data[16:])


class AddressKeeper:
    """Owns a set of addresses on one interface, or none of them.

    ``lease``: whole seconds that the kernel keeps them after the last renewal, 0 for as long as the process likes.
    ``on_repair`` is told when addresses were put back, ``on_loss`` when that is not possible, ``on_intrusion`` when one
    that somebody else had put here was taken away.
    """

    def __init__(self, rtnl: Rtnl, clock: Callable[[], float], lease: int) -> None:
        self._rtnl = rtnl
        self._clock = clock
        self._lease = lease
        self._index = 0
        self._placed: tuple[Address, ...] = ()
        self._wanted: tuple[Address, ...] = ()
        self._leased_until = 0.0
        self._add = self._remove = self._routes = b""
        self._repairs: list[float] = []
        self.on_repair: Callable[[], None] = lambda: None
        self.on_loss: Callable[[str], None] = lambda _detail: None
        self.on_intrusion: Callable[[Address], None] = lambda _address: None

    @property
    def held(self) -> tuple[Address, ...]:
        """The addresses that are owned now."""
        return self._wanted if self._clock() < self._leased_until else ()

    @property
    def wanted(self) -> bool:
        """Whether they are to be owned, be it that a lease ran out."""
        return bool(self._wanted)

    def place(self, index: int, addresses: Sequence[Address], routes: Sequence[bytes] = ()) -> None:
        """Get ready to hold these on the interface of this index: everything is encoded here.

        ``routes``: requests that go out behind the addresses; a route that is refused does not cost the addresses.
        What is held now and is not among them, or is on another interface, is let go at once.
        """
        stale = [one for one in self._wanted if index != self._index or one not in addresses]
        if stale:
            self._rtnl.request(b"".join(self._removal(one) for one in stale))
        self._index, self._placed = index, tuple(addresses)
        self.lend(self._lease)
        self._remove = b"".join(self._removal(one) for one in addresses)
        self._routes = b"".join(routes)
        if self.held:
            self._rtnl.request(self._routes)

    def _removal(self, address: Address) -> bytes:
        return message(RTM_DELADDR, NLM_F_ACK, _encoded(self._index, address, None))

    def lend(self, lease: int) -> None:
        """Another lease from the next renewal on, in whole seconds; 0 for none.

        Asked without acknowledgement: the kernel answers refusals anyway, and a renewal costs half as much.
        """
        self._lease = lease
        flags = NLM_F_CREATE | NLM_F_REPLACE
        encoded = (_encoded(self._index, one, lease or FOREVER) for one in self._placed)
        self._add = b"".join(message(RTM_NEWADDR, flags, one) for one in encoded)

    def hold(self, addresses: tuple[Address, ...]) -> str | None:
        """Own the addresses that were placed; the reason when the kernel refused, and then none is owned."""
        self._wanted = addresses
        return self._acquire()

    def _acquire(self) -> str | None:
        """Addresses and then routes: an interface without addresses keeps no IPv4 route."""
        detail = self._refresh()
        if detail is None and self._routes:
            self._rtnl.request(self._routes)
        return detail

    def renew(self) -> str | None:
        """Keep them for another lease; puts back what went missing. The reason when the kernel refused.

        A lease that is less than a quarter over is left alone: at 20 ms it would cost as much as the advertisement.
        """
        now = self._clock()
        if not self._wanted or (self._lease and now < self._leased_until - self._lease * _FRESH):
            return None
        lapsed = now >= self._leased_until
        detail = self._acquire() if lapsed else self._refresh()
        if lapsed and detail is None:
            self.on_repair()
        return detail

    def release(self) -> str | None:
        """Own none of them; the reason when the kernel would not let go."""
        self._wanted = ()
        self._leased_until = 0.0
        failures = [code for code in self._rtnl.request(self._remove) if code and code not in _GONE]
        return os.strerror(failures[0]) if failures else None

    def _refresh(self) -> str | None:
        now = self._clock()
        failures = [code for code in self._rtnl.request(self._add) if code]
        if failures:
            self.release()
            return os.strerror(failures[0])
        self._leased_until = now + self._lease if self._lease else math.inf
        return None

    def address_added(self, index: int, address: bytes) -> None:
        """The kernel said that an address is there: nobody elected this node to have it, so it goes."""
        if self._wanted or index != self._index:
            return
        for one in self._placed:
            if one.packed == address and self._rtnl.request(self._removal(one)) == [0]:
                self.on_intrusion(one)

    def address_removed(self, index: int, address: bytes) -> None:
        """The kernel said that an address is gone: put it back, unless we let go of it or its lease ran out."""
        ours = index == self._index and any(address == wanted.packed for wanted in self._wanted)
        now = self._clock()
        if not ours or now >= self._leased_until:
            return
        self._repairs = [at for at in self._repairs if now - at < _REPAIR_WINDOW]
        self._repairs.append(now)
        if len(self._repairs) > _REPAIRS:
            self.on_loss(f"removed by others {len(self._repairs)} times in {_REPAIR_WINDOW:.0f} s")
            return
        detail = self._acquire()
        if detail is None:
            self.on_repair()
        else:
            self.on_loss(detail)
