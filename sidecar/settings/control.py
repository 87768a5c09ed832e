"""Where the running daemon listens, for the commands that talk to it: found as `run` finds it, without its cost."""

from collections.abc import Mapping
from pathlib import Path

from sidecar.settings import rules
from sidecar.settings.problems import ConfigErrors, Refusal, config_error
from sidecar.settings.table import CONFIG, default_of, env_name


def control_path(flag: str | None, environ: Mapping[str, str]) -> Path:
    """The control socket: flag, else ``CARP_CONTROL``, else the file of ``CARP_CONFIG``, else the default.

    ``ConfigErrors`` for an empty flag or a variable that cannot be used. A file that cannot be used means the default:
    the daemon goes on when its file becomes invalid, and whoever looks after it must reach it then.
    """
    if flag:
        return Path(flag)
    if flag is not None:
        raise ConfigErrors([config_error("--control", flag, Refusal("is empty", "give the path of the socket"))])
    key = env_name("control")
    if (given := environ.get(key)) is not None:
        try:
            return rules.control(given)
        except Refusal as refusal:
            raise ConfigErrors([config_error(key, given, refusal)]) from refusal
    return _of_file(environ.get(env_name(CONFIG))) or Path(default_of("control"))


def _of_file(config: str | None) -> Path | None:
    if not config:
        return None
    from sidecar.settings.file import file_layer

    try:
        value = file_layer(Path(config), env_name(CONFIG)).values.get("control")
        return None if value is None else rules.control(value)
    except (ConfigErrors, Refusal):
        return None
