"""The settings, judged in a process of their own: when it ends, the libraries that judge are gone with it.

In the daemon they would stay, 11 MiB and 0.15 s for what is asked once. So one process judges while the other imports
what it will run. What comes back are plain values; secrets are not among them.
"""

import json
import pickle
from collections.abc import Mapping

from sidecar.errors import ConfigError, SidecarError
from sidecar.settings.ahead import Judge
from sidecar.settings.problems import ConfigErrors
from sidecar.settings.table import PREFIX
from sidecar.settings.values import RunSettings


def ask(judge: Judge, flags: Mapping[str, str | None], environ: Mapping[str, str]) -> None:
    """Have these judged: flags (by key, None when not given) over environment over file."""
    given = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
    judge.ask(json.dumps([dict(flags), given]).encode())


def outcome(judge: Judge) -> RunSettings:
    """The settings that were asked about. ``ConfigErrors`` with everything that is wrong."""
    told, code = judge.answer()
    if code or not told:
        raise SidecarError(f"the settings were not read: the process for it ended with {code}")
    found = pickle.loads(told)  # noqa: S301 - by our own process, over a pipe that only it has
    if isinstance(found, RunSettings):
        return found
    raise ConfigErrors([ConfigError(*one) for one in found])


def again(settings: RunSettings) -> RunSettings:
    """The same flags and environment, with the files as they are now. ``ConfigErrors`` when they became invalid."""
    judge = Judge()
    ask(judge, settings.given.flags, settings.given.environ)
    return outcome(judge)
