"""What the carpdev's settings were before us, kept in a small file beside the control socket until they are back.

A start after ``kill -9`` finds the originals there and not in the kernel, where it would read its own. The file names
the boot and the interface's index: settings of an earlier boot or of a re-created interface are nobody's any more.
A disk that is full or read-only costs the file, not the address: the originals stand on the virtual-MAC interface, too.
"""

import contextlib
import json
import logging
import os
from pathlib import Path
from typing import Final

_log: Final = logging.getLogger(__name__)
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_VERSION: Final = 1


class Keepsake:
    """Original settings by interface name; every change is on disk before it is made, where there is a disk to have."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._boot = _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""
        self._interfaces: dict[str, tuple[int, dict[str, int]]] = {}
        self.read()

    def read(self) -> None:
        """See what is kept now: an earlier daemon may have changed it since."""
        self._interfaces = self._load()

    def _load(self) -> dict[str, tuple[int, dict[str, int]]]:
        """A file that is missing, of another boot, or not ours counts as empty: it only ever makes us restore less."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            content = json.loads(self._path.read_text())
            if content["version"] == _VERSION and content["boot"] == self._boot:
                entries = content["interfaces"].items()
                return {
                    name: (int(one["index"]), {k: int(v) for k, v in one["settings"].items()}) for name, one in entries
                }
        return {}

    def original(self, name: str, index: int) -> dict[str, int] | None:
        """What was noted of this very interface, if anything."""
        noted = self._interfaces.get(name)
        return dict(noted[1]) if noted is not None and noted[0] == index else None

    def note(self, name: str, index: int, settings: dict[str, int]) -> None:
        """Remember the originals before they are changed."""
        self._interfaces[name] = (index, dict(settings))
        self._save()

    def forget(self, name: str) -> None:
        """They are back."""
        self._interfaces.pop(name, None)
        self._save()

    def _save(self) -> None:
        try:
            if not self._interfaces:
                self._path.unlink(missing_ok=True)
                return
            self._path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            entries = {
                name: {"index": index, "settings": settings} for name, (index, settings) in self._interfaces.items()
            }
            temporary = self._path.with_name(self._path.name + ".new")
            temporary.write_text(json.dumps({"version": _VERSION, "boot": self._boot, "interfaces": entries}))
            os.replace(temporary, self._path)
        except OSError as error:
            _log.warning("cannot keep %s: %s", self._path, error.strerror)
