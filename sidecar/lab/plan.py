"""What a lab consists of: who is on the segment, which addresses they share, who should be master. Pure data."""

from dataclasses import dataclass, field

from sidecar.errors import SidecarError

CLIENT, CLIENT_NUMBER = "client", 200
UPSTREAM, UPSTREAM_NUMBER = "upstream", 250
UPSTREAM_PREFIX = "10.77.1."  # one address of the upstream per node, so that a reply's reference names the node
SKEW_STEP = 20
ADVBASE = 1
NODES_MIN, NODES_MAX = 2, 8
VHID = 10
HOWS = ("power", "link", "freeze", "kill", "ntp", "reboot")  # the ways to break a node


class LabError(SidecarError):
    """Something in the lab did not happen as it should; the message says what to look at."""


@dataclass(frozen=True)
class VirtualHost:
    """One CARP group: its vhid and the addresses it keeps answering."""

    vhid: int
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Member:
    """A node of the lab; `advskews` in the order of the plan's virtual hosts it takes part in."""

    name: str
    number: int
    advskews: tuple[int, ...]
    ucarp: bool = False

    @property
    def reference(self) -> str:
        """The upstream address that only this node follows: the reference id of its NTP replies."""
        return f"{UPSTREAM_PREFIX}{self.number}"


@dataclass(frozen=True)
class Plan:
    """The choices of `lab up` and `lab demo`. `all_ucarp` lets the lab itself be tried without carp-sidecar."""

    nodes: int = 3
    ucarp: bool = False
    share: bool = False
    dual: bool = False
    all_ucarp: bool = False
    vhosts: tuple[VirtualHost, ...] = field(init=False)
    members: tuple[Member, ...] = field(init=False)

    def __post_init__(self) -> None:
        count = 2 if self.share else 1
        object.__setattr__(self, "vhosts", tuple(self._vhost(index) for index in range(count)))
        members = [self._member(index) for index in range(self.nodes)]
        if self.ucarp:
            members.append(Member("ucarp", self.nodes + 1, (SKEW_STEP * self.nodes,), ucarp=True))
        object.__setattr__(self, "members", tuple(members))

    def _vhost(self, index: int) -> VirtualHost:
        last = 100 + index
        addresses = (f"10.77.0.{last}", f"fd77::{last}") if self.dual else (f"10.77.0.{last}",)
        return VirtualHost(VHID + index, addresses)

    def _member(self, index: int) -> Member:
        skew, crosswise = SKEW_STEP * index, SKEW_STEP * (self.nodes - 1 - index)
        skews = (skew, crosswise) if self.share else (skew,)
        return Member(f"node{index + 1}", index + 1, skews, ucarp=self.all_ucarp)

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(address for vhost in self.vhosts for address in vhost.addresses)

    def best(self, vhid: int, without: str = "") -> Member:
        """Who should be master of a virtual host when everybody (except `without`) is well."""
        index = next(index for index, vhost in enumerate(self.vhosts) if vhost.vhid == vhid)
        able = [member for member in self.members if member.name != without and len(member.advskews) > index]
        return min(able, key=lambda member: member.advskews[index])

    def dead_time(self, advskew: int) -> float:
        """Seconds of silence after which a backup with this advskew takes over (3*advbase + advskew/256)."""
        return 3 * ADVBASE + advskew / 256
