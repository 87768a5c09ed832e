"""What may change while it runs: keys when their file changes, the rest on SIGHUP. A bad candidate changes nothing.

A candidate is read aside, since a disk may never answer, and judged whole before any of it is taken. What cannot
change without a new election elsewhere (vhid, carpdev, MAC, how many virtual hosts) or without new sockets (http,
control, ...) is refused with what to do instead.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from sidecar.app.vhost import VirtualHost
from sidecar.carp.auth import Key
from sidecar.carp.config import Config
from sidecar.errors import ConfigError, SidecarError
from sidecar.runtime.aside import Aside
from sidecar.runtime.patrol import Patrol
from sidecar.settings.apart import again
from sidecar.settings.passphrases import read_passphrases
from sidecar.settings.values import RunSettings, VhostSettings

_log: Final = logging.getLogger(__name__)
_POLL: Final = 4.0
"""Seconds between looks at the passphrase files: a change is noticed within 5 s."""


def keys_of(settings: VhostSettings) -> tuple[Key, ...]:
    """The keys of a virtual host, numbered from 1 in the order of its file. ``ConfigError`` when it is unusable."""
    secrets = read_passphrases(settings.passphrase_file)
    return tuple(Key(secret, number) for number, secret in enumerate(secrets, 1))


@dataclass(frozen=True, slots=True)
class _Seen:
    """Enough of a file to tell that it was changed or, as Kubernetes does, that a link leads to another one."""

    inode: int
    modified: int
    changed: int
    """Also when only its owner or mode is another, so that it can be read now."""
    size: int


def _seen(path: Path) -> _Seen | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return _Seen(found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Settings and, beside each virtual host, its keys."""

    settings: RunSettings
    keys: list[tuple[Key, ...]]

    @classmethod
    def of(cls, settings: RunSettings) -> "_Candidate":
        return cls(settings, [keys_of(vhost) for vhost in settings.vhosts])


class Reloader:
    """Keeps keys and settings of running virtual hosts. ``failed`` says whether the last candidate was refused."""

    def __init__(self, settings: RunSettings, vhosts: Sequence[VirtualHost]) -> None:
        self.settings = settings
        self.failed = False
        self._vhosts = tuple(vhosts)
        self._files: list[_Seen | None] = []  # not looked at yet: they may have changed while the daemon started
        self._found: list[_Seen | None] = []
        self._again = False
        self._told = ""
        self._aside = Aside("read files")
        self._turn = asyncio.Lock()

    def _look(self) -> list[_Seen | None]:
        return [_seen(vhost.passphrase_file) for vhost in self.settings.vhosts]

    async def watch(self) -> None:
        """Follow the passphrase files for as long as it runs."""
        news = asyncio.Event()
        patrol = asyncio.create_task(Patrol("look at passphrase files", self._has_news, news.set, _POLL).run())
        try:
            while True:
                await news.wait()
                news.clear()
                await self._follow_files()
        finally:
            patrol.cancel()

    def _has_news(self) -> bool:
        """On the patrol's thread, for which a disk may hang."""
        self._found = self._look()
        return self._again or self._found != self._files

    async def _follow_files(self) -> None:
        """What could not be taken is tried at every look, since what hindered it may pass; it is told once."""
        files = self._found
        if self._again or files != self._files:
            self._again = not await self._guarded(lambda: _Candidate.of(self.settings), quiet=not self._files)
            self._files = files

    async def reload(self) -> bool:
        """Read everything again (SIGHUP); whether it was taken."""
        self._told = ""
        files: list[_Seen | None] = []

        def read() -> _Candidate:
            files.extend(self._look())
            return _Candidate.of(again(self.settings))

        taken = await self._guarded(read)
        if taken:
            self._files = files
        return taken

    async def _guarded(self, read: Callable[[], _Candidate], *, quiet: bool = False) -> bool:
        """Whether it was taken. ``quiet``: that nothing changed is no news."""
        async with self._turn:
            try:
                changes = self._take(await self._aside(read))
            except (SidecarError, MemoryError) as error:
                self._refuse(str(error) or "out of memory")
                return False
        if changes or not quiet:
            self.failed, self._told = False, ""
        for change in changes or ([] if quiet else ["nothing changed"]):
            _log.info("reloaded: %s", change)
        return True

    def _refuse(self, why: str) -> None:
        self.failed = True
        if why != self._told:
            for line in why.splitlines():
                _log.error("not reloaded, everything stays as it was: %s", line)
        self._told = why

    def _take(self, read: _Candidate) -> list[str]:
        """All or nothing: every reason to refuse comes before the first change."""
        candidate, keys = read.settings, read.keys
        refuse_fixed(self.settings, candidate)
        changes = []
        for number, vhost in enumerate(self._vhosts):
            changes += self._apply(vhost, candidate.vhosts[number], keys[number], number)
        if candidate.log_level is not self.settings.log_level:
            logging.getLogger().setLevel(candidate.log_level.upper())
            changes.append(f"log_level {candidate.log_level}")
        self.settings = candidate
        return changes

    def _apply(self, vhost: VirtualHost, settings: VhostSettings, keys: tuple[Key, ...], number: int) -> list[str]:
        changes = []
        if keys != vhost.keys:
            vhost.believe(keys)
            changes.append(f"vhid {vhost.config.vhid}: {len(keys)} key{'s' * (len(keys) > 1)}")
        if settings.config != vhost.config or settings.lease_s != self.settings.vhosts[number].lease_s:
            what = _differences(vhost.config, settings.config) or [f"lease {settings.lease_s}"]
            vhost.reconfigure(settings.config, settings.lease_s)
            changes.append(f"vhid {vhost.config.vhid}: {', '.join(what)}")
        return changes


def _differences(old: Config, new: Config) -> list[str]:
    """What is another value now."""
    names = (field.name for field in fields(Config))
    return [f"{name} {_shown(getattr(new, name))}" for name in names if getattr(old, name) != getattr(new, name)]


def refuse_fixed(running: RunSettings, candidate: RunSettings) -> None:
    """``ConfigError`` when the candidate differs in what needs a restart."""
    if [one.config.vhid for one in candidate.vhosts] != [one.config.vhid for one in running.vhosts]:
        vhids = ",".join(str(one.config.vhid) for one in candidate.vhosts)
        raise ConfigError("vhid", vhids, "which virtual hosts there are cannot change while running", _RESTART)
    for old, new in zip(running.vhosts, candidate.vhosts, strict=True):
        _refuse_difference(old, new, ("interface", "mac", "replay"), f"of vhid {new.config.vhid} ")
        _refuse_another_way(old.config, new.config)
    kubernetes = ("kubernetes", "kubernetes_nodes", "kubernetes_events")
    _refuse_difference(running, candidate, ("node", "ntp", "http", "control", *kubernetes, "readiness", "log"))


def _refuse_another_way(old: Config, new: Config) -> None:
    """Families and groups are joined when the carpdev is opened."""
    if new.families != old.families:
        rule = f"the families of vhid {new.vhid} cannot change while running"
        raise ConfigError("addresses", _shown(new.addresses), rule, _RESTART)
    if bool(new.peers) != bool(old.peers):
        rule = f"multicast or unicast of vhid {new.vhid} cannot change while running"
        raise ConfigError("peers", _shown(new.peers) or "multicast", rule, _RESTART)


_RESTART: Final = "restart the daemon to change it"


def _refuse_difference(old: object, new: object, names: Sequence[str], whose: str = "") -> None:
    for name in names:
        value = getattr(new, name)
        if value != getattr(old, name):
            shown = ":".join(map(str, value)) if name == "http" else _shown(value)
            raise ConfigError(name, shown, f"{whose}cannot change while running", _RESTART)


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
