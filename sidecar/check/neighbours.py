"""Whether somebody on the segment has a virtual address already: asked as RFC 5227 and 4861 ask before they take one.

The members' master may have it: at the virtual MAC, at the MAC that believed advertisements come from or, as ucarp, at
the one that its own address is at.
"""

import socket
import time
from collections.abc import Collection, Iterator, Mapping
from ipaddress import IPv6Address
from typing import Final

from sidecar.carp.config import Address, Family
from sidecar.carp.conflicts import Says
from sidecar.check.finding import Finding, ok, problem, warning
from sidecar.net import bpf
from sidecar.net.frames import arp_probe, format_mac, neighbour_question, virtual_mac
from sidecar.net.interface import Interface
from sidecar.net.sighting import read
from sidecar.settings.values import VhostSettings

_SECONDS: Final = 1.0
_ETH_P_ALL: Final = 0x0003
_OUTGOING: Final = 4
_MOST: Final = 4096
"""Frames read in that second, at most."""


def neighbours(settings: VhostSettings, carpdev: Interface, masters: Mapping[Address, bytes]) -> Iterator[Finding]:
    """``masters``: the addresses and MACs that believed advertisements came from just now."""
    config = settings.config
    try:
        answers = _ask(carpdev, [*config.addresses, *masters])
    except OSError as error:
        fix = f"look at {carpdev.name} (ip link) and try again"
        if isinstance(error, PermissionError):
            fix = "run this check with the rights that run has"
        yield warning(f"neighbours on {carpdev.name}", f"not asked: {error.strerror}", fix)
        return
    known = {virtual_mac(config.vhid), *masters.values(), *_at(masters, answers)}
    for address in config.addresses:
        yield judge(address, answers.get(address.packed, set()), known)


def _at(addresses: Collection[Address], answers: Mapping[bytes, set[bytes]]) -> Iterator[bytes]:
    for address in addresses:
        yield from answers.get(address.packed, ())


def judge(address: Address, answered: Collection[bytes], known: Collection[bytes]) -> Finding:
    """What the answers for one address mean."""
    subject = f"address {address} on the segment"
    strangers = sorted(format_mac(mac) for mac in answered if mac not in known)
    if strangers:
        what = f"{', '.join(strangers)} has it, and is no member"
        return problem(subject, what, "find that machine (its MAC is in the switch's table) and take the address away")
    return ok(subject, "answered by a member" if answered else "nobody has it")


def _ask(carpdev: Interface, addresses: Collection[Address]) -> dict[bytes, set[bytes]]:
    """Which MACs answer for each address."""
    v4 = [one.packed for one in addresses if one.version == 4]
    v6 = [one.packed for one in addresses if one.version == 6]
    answers: dict[bytes, set[bytes]] = {}
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as asking:
        bpf.attach(asking, bpf.naming(v4, v6, carpdev.mac))
        asking.bind((carpdev.name, _ETH_P_ALL))
        for frame in _questions(carpdev, addresses):
            asking.send(frame)
        end = time.monotonic() + _SECONDS
        for _ in range(_MOST):
            asking.settimeout(max(0.001, end - time.monotonic()))
            try:
                frame, source = asking.recvfrom(256)
            except TimeoutError:
                break
            seen = read(frame, outgoing=source[2] == _OUTGOING)
            if seen is not None and not seen.outgoing and seen.says is not Says.PROBE:
                answers.setdefault(seen.address, set()).add(seen.mac)
    return answers


def _questions(carpdev: Interface, addresses: Collection[Address]) -> Iterator[bytes]:
    """One for each address; IPv6 is asked from an address of ours, without one it is not asked."""
    source = carpdev.sources(()).get(Family.V6)
    for address in addresses:
        if not isinstance(address, IPv6Address):
            yield arp_probe(carpdev.mac, address)
        elif source is not None:
            yield neighbour_question(carpdev.mac, source.packed, address)
