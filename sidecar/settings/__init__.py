"""From flags, environment and file to what `run` needs, or to every reason why not.

Nothing outside this package reads the environment. Importing it is cheap; the validation library comes with `load`.
"""

from sidecar.settings.advskew import auto_advskew
from sidecar.settings.apart import again
from sidecar.settings.control import control_path
from sidecar.settings.load import load
from sidecar.settings.passphrases import read_passphrases
from sidecar.settings.problems import ConfigErrors
from sidecar.settings.values import Kubernetes, Log, LogLevel, MacMode, Readiness, Replay, RunSettings, VhostSettings

__all__ = [
    "ConfigErrors",
    "Kubernetes",
    "Log",
    "LogLevel",
    "MacMode",
    "Readiness",
    "Replay",
    "RunSettings",
    "VhostSettings",
    "again",
    "auto_advskew",
    "control_path",
    "load",
    "read_passphrases",
]
