"""The interface with the virtual MAC: always up, without an address while backup, and then without a voice.

``addrgenmode none`` gives it no link-local address; a tc program drops IPv6 frames without a source address, which is
all that the kernel would still send by itself (measured: two MLD reports after each address came or went, and one at
the start where IPv6 forwards). One stray frame teaches the switch the wrong port.
"""

import contextlib
import re
import secrets
import socket
from collections.abc import Iterable
from struct import pack
from typing import Any, Final

from sidecar.errors import HostError
from sidecar.net import bpf, sysctls
from sidecar.net.frames import format_mac, virtual_mac
from sidecar.net.interface import Interface, link_named
from sidecar.net.kernel import Kernel
from sidecar.net.pyroute import IPRoute, NetlinkError
from sidecar.net.rtnl import NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, Rtnl, attribute, message, nested, u32

_RTM_DELLINK, _RTM_NEWQDISC, _RTM_NEWTFILTER = 17, 36, 44
_IFLA_GROUP: Final = 27
_TC_H_CLSACT, _CLSACT_EGRESS = 0xFFFFFFF1, 0xFFFFFFF3
_CLSACT_HANDLE: Final = 0xFFFF0000
_TCA_KIND, _TCA_OPTIONS = 1, 2
_TCA_BPF_OPS_LEN, _TCA_BPF_OPS, _TCA_BPF_FLAGS = 4, 5, 8
_TCA_BPF_FLAG_ACT_DIRECT: Final = 1
_ETH_P_ALL_NETWORK_ORDER: Final = 0x0300
_PRIORITY: Final = 1
_BEFORE: Final = "carp-sidecar; before: "
_WORD: Final = re.compile(r"(\w+)=(\d+)")


def name_for(vhid: int, carpdev_index: int) -> str:
    """The name of the interface: by vhid and carpdev, because a vhid is unique on one segment only."""
    return f"carp{vhid}-{carpdev_index}"


def create(kernel: Kernel, carpdev: Interface, vhid: int) -> int:
    """Make it and bring it up, silent from its first moment; its index. ``HostError`` when the host refuses."""
    ipr, rtnl, name = kernel.ipr, kernel.rtnl, name_for(vhid, carpdev.index)
    kernel.link_made()
    try:
        ipr.link(
            "add",
            ifname=name,
            kind="macvlan",
            link=carpdev.index,
            macvlan_mode=_mode(ipr, carpdev),
            address=format_mac(virtual_mac(vhid)),
        )
        (index,) = ipr.link_lookup(ifname=name)
        sysctls.generate_no_address(rtnl, index, name)
        _silence(rtnl, index, name)
        sysctls.write(rtnl, index, name, sysctls.SILENT)
        ipr.link("set", index=index, state="up")
    except NetlinkError as error:
        raise HostError(f"virtual-MAC interface {name} on {carpdev.name}: {error.args[-1]}") from error
    return int(index)


def _mode(ipr: IPRoute, carpdev: Interface) -> str:
    """Beside a carpdev that is a macvlan itself, ``vepa``: a bridge's siblings never hear what comes from its MAC.

    What a peer sends has that MAC, too, and the kernel would take it for ours, passed on to them already.
    """
    link = link_named(ipr, carpdev.name)
    kind = link and link.get_nested("IFLA_LINKINFO", "IFLA_INFO_KIND")
    return "vepa" if kind == "macvlan" else "bridge"


def _silence(rtnl: Rtnl, index: int, name: str) -> None:
    """Attach the tc program: a clsact qdisc and a direct-action classic BPF filter on its egress side."""
    flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL
    qdisc = _tcmsg(index, _CLSACT_HANDLE, _TC_H_CLSACT, 0) + attribute(_TCA_KIND, b"clsact\0")
    rtnl.check(message(_RTM_NEWQDISC, flags, qdisc), f"silence of {name} (qdisc clsact, kernel option NET_SCH_INGRESS)")
    program = bpf.drop_unspecified_source()
    options = nested(
        _TCA_OPTIONS,
        attribute(_TCA_BPF_OPS_LEN, pack("=H", len(program))),
        attribute(_TCA_BPF_OPS, bpf.encode(program)),
        u32(_TCA_BPF_FLAGS, _TCA_BPF_FLAG_ACT_DIRECT),
    )
    info = _PRIORITY << 16 | _ETH_P_ALL_NETWORK_ORDER
    rule = _tcmsg(index, 0, _CLSACT_EGRESS, info) + attribute(_TCA_KIND, b"bpf\0") + options
    rtnl.check(message(_RTM_NEWTFILTER, flags, rule), f"silence of {name} (filter bpf, kernel option NET_CLS_BPF)")


def _tcmsg(index: int, handle: int, parent: int, info: int) -> bytes:
    return pack("=BxxxiIII", socket.AF_UNSPEC, index, handle, parent, info)


def remove(kernel: Kernel, places: Iterable[tuple[int, int]]) -> None:
    """Take away the virtual-MAC interfaces of these carpdevs' indices and vhids, as far as they are there.

    Their routes go with them. ``HostError`` when the host refuses.
    """
    links = [link["index"] for place in places for link in _virtual_links(kernel.ipr, *place)]
    if links:
        group = _unused_group(kernel)
        for index in links:
            body = pack("=BxHiII", socket.AF_UNSPEC, 0, index, 0, 0) + u32(_IFLA_GROUP, group)
            kernel.rtnl.check(message(sysctls.RTM_SETLINK, NLM_F_ACK, body), "virtual-MAC interfaces into one group")
        whole_group = pack("=BxHiII", socket.AF_UNSPEC, 0, 0, 0, 0) + u32(_IFLA_GROUP, group)
        kernel.rtnl.check(message(_RTM_DELLINK, NLM_F_ACK, whole_group), "cannot remove virtual-MAC interfaces")
        kernel.links_removed()


def _unused_group(kernel: Kernel) -> int:
    """A number for a link group that no interface has.

    What is deleted as a group costs the kernel one wait (for its readers, some 20 ms and more), and not one for each.
    """
    used = {0, *(link.get_attr("IFLA_GROUP") for link in kernel.links())}
    group = 0
    while group in used:
        group = secrets.randbelow(1 << 31)
    return group


def note_before(ipr: IPRoute, index: int, settings: sysctls.Settings) -> None:
    """Write on it what its carpdev was before, for whoever is the last there: another daemon, or one after us."""
    words = " ".join(f"{key}={value}" for key, value in sorted(settings.items()))
    with contextlib.suppress(NetlinkError):  # the keepsake has it, too
        ipr.link("set", index=index, ifalias=f"{_BEFORE}{words}")


def noted_before(kernel: Kernel, carpdev_index: int) -> dict[str, int] | None:
    """What a carpdev was before the first virtual-MAC interface, as those that are there have it; None without any."""
    for link in _ours_on(kernel, carpdev_index):
        noted = _WORD.findall(str(link.get_attr("IFLA_IFALIAS") or "").partition(_BEFORE)[2])
        settings = {key: int(value) for key, value in noted if key in sysctls.ONE_ANSWER}
        if settings.keys() == sysctls.ONE_ANSWER.keys():
            return settings
    return None


def _virtual_links(ipr: IPRoute, carpdev_index: int, vhid: int) -> list[Any]:
    """Ours by name, kind and MAC: another program's interface with one of them is not ours to touch.

    Not by parent: on a carpdev that is a macvlan itself the kernel makes the new one its sibling.
    """
    mac, name = format_mac(virtual_mac(vhid)), name_for(vhid, carpdev_index)
    link = link_named(ipr, name)
    ours = (
        link is not None
        and link.get_attr("IFLA_ADDRESS") == mac
        and link.get_nested("IFLA_LINKINFO", "IFLA_INFO_KIND") == "macvlan"
    )
    return [link] if ours else []


def any_on(kernel: Kernel, carpdev_index: int) -> bool:
    """Whether a virtual-MAC interface of any vhid is left on a carpdev."""
    return bool(_ours_on(kernel, carpdev_index))


def _ours_on(kernel: Kernel, carpdev_index: int) -> list[Any]:
    names = {name_for(vhid, carpdev_index) for vhid in range(1, 256)}
    return [
        link
        for link in kernel.links()
        if link.get_attr("IFLA_IFNAME") in names and str(link.get_attr("IFLA_ADDRESS")).startswith("00:00:5e:00:01:")
    ]
