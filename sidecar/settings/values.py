"""What `run` is told, as values that cannot change. Whatever stands here has been found valid."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from sidecar.carp.config import Config


class MacMode(StrEnum):
    """Which MAC address the virtual addresses answer with."""

    VIRTUAL = "virtual"
    """00:00:5e:00:01:VHID, on a macvlan of our own."""
    INTERFACE = "interface"
    """The one that carpdev has."""


class Replay(StrEnum):
    """Whose advertisements count."""

    COMPAT = "compat"
    """Those of every CARP implementation."""
    STRICT = "strict"
    """Those with the authenticated counter: all peers are carp-sidecar."""


class Kubernetes(StrEnum):
    """Whether to tell Kubernetes who the master is."""

    AUTO = "auto"
    """On inside a pod."""
    ON = "on"
    OFF = "off"


class Readiness(StrEnum):
    """What /readyz means."""

    ROLE = "role"
    """Ready is who holds the address, once settled."""
    HEALTH = "health"
    """Ready is every healthy member."""


class Log(StrEnum):
    """The shape of a log line."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """The least that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class VhostSettings:
    """One virtual host and how this host serves it."""

    config: Config
    interface: str | None
    """carpdev; None: the interface whose subnet holds the first address."""
    passphrase_file: Path
    mac: MacMode
    replay: Replay
    lease_s: int
    """Seconds after which the kernel drops an address that nobody refreshes; 0: never."""


@dataclass(frozen=True, slots=True)
class Given:
    """What the settings were made from: flags by key, and the CARP_* part of the environment."""

    flags: Mapping[str, str | None]
    environ: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Everything `run` is told. Two of them are equal when they ask for the same."""

    vhosts: tuple[VhostSettings, ...]
    node: str
    ntp: str
    """``host:port`` (``[host]:port`` for IPv6), or ``off``."""
    http: tuple[str, int]
    """Address without brackets, port."""
    control: Path
    kubernetes: Kubernetes
    kubernetes_nodes: bool
    kubernetes_events: bool
    readiness: Readiness
    log: Log
    log_level: LogLevel
    config_file: Path | None
    warnings: tuple[str, ...] = field(default=(), compare=False)
    """What works and yet deserves a line in the log."""
    given: Given = field(default=Given({}, {}), compare=False, repr=False)

    @property
    def ntp_server(self) -> tuple[str, int] | None:
        """The NTP server to watch as host (without brackets) and port, or None."""
        if self.ntp == "off":
            return None
        host, _, port = self.ntp.rpartition(":")
        return host.strip("[]"), int(port)
