"""The settings, judged in a process of their own: when it ends, the libraries that judge are gone with it.

In the daemon they would stay, 11 MiB and 0.15 s for what is asked once. So one process judges while the other imports
what it will run. What comes back are plain values; secrets are not among them.
"""

import contextlib
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from typing import Final

from sidecar.errors import ConfigError, ExhaustedError, SidecarError
from sidecar.settings.layers import PREFIX
from sidecar.settings.problems import ConfigErrors
from sidecar.settings.values import RunSettings

_COMMAND: Final = (sys.executable, "-P", "-m", "sidecar.settings")
_QUICK: Final = {"PYDANTIC_DISABLE_PLUGINS": "__all__"}
"""It would look for plugins through everything that is installed."""


class Judging:
    """Begins at once; ``outcome`` waits for it."""

    def __init__(self, flags: Mapping[str, str | None], environ: Mapping[str, str]) -> None:
        given = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
        self._question = json.dumps([dict(flags), given]).encode()
        try:
            self._process = subprocess.Popen(
                _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **_QUICK}, process_group=0
            )  # a group of its own: what is typed to end the daemon is not for it
        except (OSError, MemoryError) as error:
            raise ExhaustedError(f"no process to read the settings: {error}") from error
        self._ask()

    def _ask(self) -> None:
        """Now, so that it need not wait for ``outcome``; who ended early has no ear, and its exit code tells."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError), self._process.stdin as question:
            question.write(self._question)

    def outcome(self) -> RunSettings:
        """The settings. ``ConfigErrors`` with everything that is wrong."""
        assert self._process.stdout is not None
        with self._process, self._process.stdout as answer:
            told = answer.read()
        if self._process.returncode or not told:
            raise SidecarError(f"the settings were not read: the process for it ended with {self._process.returncode}")
        found = pickle.loads(told)  # noqa: S301 - by our own process, over a pipe that only it has
        if isinstance(found, RunSettings):
            return found
        raise ConfigErrors([ConfigError(*one) for one in found])


def again(settings: RunSettings) -> RunSettings:
    """The same flags and environment, with the files as they are now. ``ConfigErrors`` when they became invalid."""
    return Judging(settings.given.flags, settings.given.environ).outcome()
