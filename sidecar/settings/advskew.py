"""The advskew of a node that was not given one: stable, small, and different from its neighbours' where it can be."""

import hashlib
import re
from ipaddress import AddressValueError, IPv4Address
from typing import Final

AUTO_ADVSKEWS: Final = 48
"""`auto` chooses from 0-47: below 80, the least demotion, so that a healthy node is always the better one."""
_TRAILING_NUMBER: Final = re.compile(r"[0-9]{1,18}\Z")


def auto_advskew(node: str) -> int:
    """0-47 for a node's name: a hash of the name without its number, plus the number.

    Names that differ only in their number, up to 48 in a row, never collide. Only the first label of a domain name
    counts. Other names collide by chance, 1 in 48; equal nodes still settle by the protocol's rule for equals.
    """
    name = _host_label(node.strip().lower())
    number = _TRAILING_NUMBER.search(name)
    stem = name[: number.start()] if number else name
    digest = hashlib.sha256(stem.encode("utf-8", "surrogatepass")).digest()
    return (int.from_bytes(digest[:8], "big") + int(number.group() if number else 0)) % AUTO_ADVSKEWS


def _host_label(name: str) -> str:
    """The first label, except of a node that is named by its IPv4 address."""
    try:
        return str(IPv4Address(name))
    except AddressValueError:
        return name.partition(".")[0] or name
