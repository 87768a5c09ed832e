"""Where everything of a cluster is: names, addresses, folders, programs. Nothing here touches the machine."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from sidecar.errors import SidecarError

SWITCH_ADDRESS = "10.77.0.1"
CLIENT_ADDRESS = "10.77.0.100"
CLOCK_ADDRESS = "10.77.0.101"
API_PORT = 6443
API_SERVICE = "10.96.0.1"
BRIDGE = "br0"
NAME = re.compile(r"[a-z][a-z0-9]{0,9}")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ClusterError(SidecarError):
    """The cluster cannot be made or does not do what was asked."""


def cache() -> Path:
    """The user's cache folder: built programs, images that nodes start with."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "carp-sidecar"


def program(name: str) -> str:
    """A program that `tools/kubernetes/build` has built. Raises `ClusterError` if it has not."""
    path = cache() / "bin" / name
    if not path.exists():
        raise ClusterError(f"no {path}: run make e2e-build")
    return str(path)


@dataclass(frozen=True)
class Layout:
    """Names and places of the cluster `name`, whose files are in `folder`."""

    name: str
    folder: Path

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ClusterError(f"cluster name {self.name!r}: at most 10 small letters and digits, a letter first")

    @property
    def prefix(self) -> str:
        """What the names of all our namespaces start with, and the name of our control groups."""
        return f"carp-{self.name}"

    @property
    def switch(self) -> str:
        """The network namespace with the bridge, the API server and all that belongs to it."""
        return f"{self.prefix}-switch"

    @property
    def client(self) -> str:
        return f"{self.prefix}-client"

    @property
    def clock(self) -> str:
        return f"{self.prefix}-clock"

    def node(self, number: int) -> str:
        return f"{self.prefix}-node{number}"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def pids(self) -> Path:
        return self.folder / "pids"

    @property
    def pki(self) -> Path:
        return self.folder / "pki"

    @property
    def kubeconfig(self) -> Path:
        """For a person and for programs of this machine: by a forwarder on the loopback."""
        return self.folder / "kubeconfig"

    @property
    def inner_kubeconfig(self) -> Path:
        """For what runs in the switch's namespace."""
        return self.pki / "admin.kubeconfig"

    @property
    def records(self) -> Path:
        """Captures and the labels' timeline."""
        return self.folder / "records"


def node_address(number: int) -> str:
    return f"10.77.0.{10 + number}"


def default_folder(name: str) -> Path:
    """On the disk that holds the cache, so that nodes share the images' files by hard links."""
    return cache() / "clusters" / name
