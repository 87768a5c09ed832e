"""Every setting once: names, type, range, unit, default, meaning. Parser, model and documentation are made of it.

``python -m sidecar.settings.docs --write`` renews docs/settings.md and the table of README.md.
"""

from dataclasses import dataclass
from typing import Final, Literal

CONFIG: Final = "config"
"""What the file is named by; no key of the file itself."""
VHOSTS: Final = "vhosts"
"""A key of the file only."""
PREFIX: Final = "CARP_"
"""Of every variable that is ours."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One row. ``default`` is the text that stands for it when nobody gives one; None: there is none."""

    key: str
    of: Literal["vhost", "run"]
    meaning: str
    kind: str
    span: str
    default: str | None = None
    shown_default: str = ""
    unit: str = ""

    @property
    def flag(self) -> str:
        """As on the command line."""
        return flag_name(self.key)

    @property
    def env(self) -> str:
        """As in the environment."""
        return env_name(self.key)

    @property
    def required(self) -> bool:
        """Whether nothing stands for it."""
        return self.default is None and not self.shown_default

    @property
    def default_text(self) -> str:
        """The default as people read it."""
        return "required" if self.required else self.shown_default or self.default or ""


def flag_name(key: str) -> str:
    """--passphrase-file of passphrase_file."""
    return "--" + key.replace("_", "-")


def env_name(key: str) -> str:
    """CARP_PASSPHRASE_FILE of passphrase_file."""
    return PREFIX + key.upper()


SETTINGS: Final = (
    Setting(
        "interface", "vhost", "carpdev: the interface that speaks CARP and carries the addresses",
        "name", "1-15 bytes, no blank, colon or slash", "", "the interface whose subnet holds the first address",
    ),
    Setting("vhid", "vhost", "virtual host id, the same on every node of this address", "integer", "1-255"),
    Setting(
        "addresses", "vhost", "virtual addresses, comma-separated, IPv4 and/or IPv6, with or without prefix",
        "list of addresses", "unicast, each once; the same set on every node",
    ),
    Setting(
        "passphrase_file", "vhost", "a passphrase a line: the first signs, every one verifies; re-read when it changes",
        "absolute path", "1-8 lines of 1-19 bytes",
    ),
    Setting(
        "advbase", "vhost", "time between advertisements; 0 makes it advskew/256 s", "integer", "0-254", "1", unit="s",
    ),
    Setting(
        "advskew", "vhost",
        "the lowest is master; `auto`: 0-47 from the node's name, distinct for names that differ in their number",
        "integer or `auto`", "0-254; 1-254 with advbase 0", "auto", unit="1/256 s",
    ),
    Setting("preempt", "vhost", "take over from a live worse master", "boolean", "true, false", "true"),
    Setting(
        "peers", "vhost", "unicast peers instead of multicast, comma-separated", "list of addresses",
        "at least one of each family of the addresses; or `multicast`", "multicast",
    ),
    Setting(
        "mac", "vhost", "`virtual` (00:00:5e:00:01:VHID) or `interface`", "word", "virtual, interface", "virtual",
    ),
    Setting(
        "replay", "vhost",
        "`strict`: only advertisements with the authenticated counter (all peers carp-sidecar); `compat`: others too",
        "word", "compat, strict", "compat",
    ),
    Setting(
        "dialect", "vhost", "`freebsd` (demotion adds to advskew) or `openbsd` (demotion byte)",
        "word", "freebsd, openbsd", "freebsd",
    ),
    Setting(
        "lease", "vhost",
        "an address that a dead or frozen daemon no longer refreshes goes; 0: never; `auto`: 3 x advbase, at least 1",
        "integer or `auto`", "0-3600, more than advbase", "auto", unit="s",
    ),
    Setting("ntp", "run", "NTP server to watch, `host[:port]`, or `off`", "host and port", "1-65535", "127.0.0.1:123"),
    Setting(
        "http", "run", "listen address of the read-only HTTP server", "address and port", "1-65535", "127.0.0.1:8112",
    ),
    Setting(
        "control", "run", "Unix control socket", "absolute path", "at most 107 bytes", "/run/carp-sidecar/control.sock",
    ),
    Setting("kubernetes", "run", "`auto` (on inside a pod), `on`, `off`", "word", "auto, on, off", "auto"),
    Setting(
        "kubernetes_nodes", "run", "label nodes too, heed cordons, clear stale labels of dead nodes",
        "boolean", "true, false", "true",
    ),
    Setting("kubernetes_events", "run", "write Events", "boolean", "true, false", "true"),
    Setting(
        "readiness", "run", "what /readyz means: `role` (holds the address) or `health` (is a healthy member)",
        "word", "role, health", "role",
    ),
    Setting("log", "run", "`text` or `json`", "word", "text, json", "text"),
    Setting("log_level", "run", "the least that is logged", "word", "debug, info, warning, error", "info"),
    Setting(
        "node", "run", "this node's name, in `status` and for advskew `auto`", "name", "1-253 characters",
        None, "the host's name",
    ),
)  # fmt: skip

VHOST_KEYS: Final = tuple(row.key for row in SETTINGS if row.of == "vhost")
RUN_KEYS: Final = tuple(row.key for row in SETTINGS if row.of == "run")
SHORT_KEYS: Final = (*VHOST_KEYS, *RUN_KEYS)
"""Every key that a flag, a variable and the top level of the file may give."""
_DEFAULTS: Final = {row.key: row.default for row in SETTINGS}


def default_of(key: str) -> str:
    """The text that stands for a key that nobody gave. ``KeyError`` when it has none."""
    default = _DEFAULTS[key]
    if default is None:
        raise KeyError(key)
    return default
