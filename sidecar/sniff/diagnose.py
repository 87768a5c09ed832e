"""Why a digest does not verify: mostly two nodes list different addresses. Pure.

Tries what people get wrong: some of the addresses only, none at all, an empty passphrase. What a peer has and we have
not cannot be found out, for the digest does not say it.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Final

from sidecar.carp.auth import Authenticator, Key
from sidecar.carp.config import Address
from sidecar.carp.packet import Advertisement

_MAX_ADDRESSES: Final = 8
"""2^8 selections, 2 us each and key: more would keep a person waiting."""
_EMPTY: Final = Key(b"", 0)


def why_not(said: Advertisement, keys: Sequence[Key], addresses: Sequence[Address]) -> str:
    """One clause of plain words."""
    for chosen in _selections(tuple(dict.fromkeys(addresses))):
        number = Authenticator(said.vhid, chosen, [*keys, _EMPTY], sign_link_local=True).verify(
            said.counter, said.digest
        )
        if number is not None:
            passphrase = f"passphrase {number} is right" if number else "it uses an empty passphrase"
            return f"{passphrase}, its addresses are {' '.join(map(str, chosen)) or 'none'}"
    return "another passphrase, or an address that is not among those given"


def _selections(addresses: tuple[Address, ...]) -> Iterator[tuple[Address, ...]]:
    if len(addresses) > _MAX_ADDRESSES:
        return
    for size in range(len(addresses), -1, -1):
        yield from combinations(addresses, size)
