"""The rules between valid virtual hosts, and between them and the rest of the process."""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING

from sidecar.carp.config import Address
from sidecar.errors import ConfigError
from sidecar.settings.origin import Location, Origin
from sidecar.settings.problems import Refusal, config_error
from sidecar.settings.table import VHOSTS, default_of

if TYPE_CHECKING:
    from sidecar.settings.model import RunModel


def problems_between(model: "RunModel", origin: Origin) -> Iterator[ConfigError]:
    """What is wrong though each part is right."""
    for location, refusal in (*_same_vhid(model), *_same_address(model), *_own_service(model)):
        name, value = origin.of(location)
        yield config_error(name, value, refusal)


def _same_vhid(model: "RunModel") -> Iterator[tuple[Location, Refusal]]:
    """A daemon's virtual hosts are told apart by vhid: in metrics, labels, events and file names."""
    vhosts = model.all_vhosts
    for index, vhost in enumerate(vhosts):
        for earlier, other in enumerate(vhosts[:index]):
            if vhost.vhid == other.vhid:
                rule = f"{VHOSTS}[{earlier}] has this vhid already"
                fix = "give it another vhid, or a daemon of its own with its own control socket and HTTP port"
                yield (VHOSTS, index, "vhid"), Refusal(rule, fix)


def _same_address(model: "RunModel") -> Iterator[tuple[Location, Refusal]]:
    """An address belongs to one virtual host, and is nobody's peer."""
    owners: dict[Address, int] = {}
    for index, vhost in enumerate(model.all_vhosts):
        for address in vhost.addresses:
            if address in owners:
                rule = f"{VHOSTS}[{owners[address]}] has this address already"
                yield (VHOSTS, index, "addresses"), Refusal(rule, "give each address to one entry", str(address))
            owners.setdefault(address, index)
    for index, vhost in enumerate(model.all_vhosts):
        for peer in vhost.peers:
            if owners.get(peer, index) != index:
                rule = f"is a virtual address of {VHOSTS}[{owners[peer]}]"
                fix = "give the address that the peer's interface has"
                yield (VHOSTS, index, "peers"), Refusal(rule, fix, str(peer))


def _own_service(model: "RunModel") -> Iterator[tuple[Location, Refusal]]:
    """What this node serves and watches must not move away with a virtual address."""
    moving = {address for vhost in model.all_vhosts for address in vhost.addresses}
    ntp_host = model.ntp.rpartition(":")[0].strip("[]")
    if _is_one(ntp_host, moving):
        rule = "is a virtual address, where whoever is master answers"
        yield ("ntp",), Refusal(rule, f"name this node's own server, such as {default_of('ntp')}")
    if _is_one(model.http[0], moving):
        rule = "is a virtual address, which this node has only while it is master"
        yield ("http",), Refusal(rule, f"listen on an address of this node, such as {default_of('http')}")


def _is_one(host: str, addresses: set[Address]) -> bool:
    try:
        return ip_address(host) in addresses
    except ValueError:
        return False
