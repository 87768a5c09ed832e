"""Reads the layers, has them judged, and names every problem by the key that people gave it by."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sidecar.carp.config import Config
from sidecar.errors import ConfigError
from sidecar.settings.advskew import auto_advskew
from sidecar.settings.layers import Layer, environment_layer, flags_layer
from sidecar.settings.origin import SHORT, Location, Origin
from sidecar.settings.passphrases import examine
from sidecar.settings.problems import ABSENT, ConfigErrors, Refusal, config_error
from sidecar.settings.table import CONFIG, PREFIX, RUN_KEYS, VHOST_KEYS, VHOSTS, env_name, flag_name
from sidecar.settings.values import Given, RunSettings, VhostSettings

if TYPE_CHECKING:
    from pydantic import ValidationError

    from sidecar.settings.model import RunModel, VhostModel

LEASE_INTERVALS: Final = 3
"""`auto`: as many advbase as the peers wait before they take over."""
REQUIRED: Final = {
    "vhid": "give the virtual host id, 1 to 255, that all nodes of this address share",
    "addresses": "give the virtual addresses, such as 192.0.2.10",
    "passphrase_file": "give the path of a file with a passphrase of at most 19 bytes",
}


def load(flags: Mapping[str, str | None], environ: Mapping[str, str]) -> RunSettings:
    """The settings of `run`: flags (by key, None when not given) over environment over file.

    Reads the configuration file and the passphrase files. ``ConfigErrors`` with everything that is wrong.
    """
    config_file, layers = _layers(flags, environ)
    origin = Origin(layers)
    problems = [problem for layer in layers for problem in layer.problems]
    problems += _both_forms(origin)
    model, invalid = _judge(origin)
    problems += invalid
    if problems or model is None:
        raise ConfigErrors(problems)
    given = Given(dict(flags), {name: value for name, value in environ.items() if name.startswith(PREFIX)})
    return _settings(model, config_file, given)


def _layers(flags: Mapping[str, str | None], environ: Mapping[str, str]) -> tuple[Path | None, list[Layer]]:
    layers = [flags_layer(flags), environment_layer(environ)]
    key, name = flag_name(CONFIG), flags.get(CONFIG)
    if name is None:
        key, name = env_name(CONFIG), environ.get(env_name(CONFIG))
    if name is None:
        return None, layers
    try:
        path, layer = _file(key, name)
    except ConfigErrors as unusable:
        return None, [*layers, Layer(lambda key: key, {}, unusable.errors, broken=True)]
    return path, [*layers, layer]


def _file(key: str, name: str) -> tuple[Path, Layer]:
    from sidecar.settings import rules
    from sidecar.settings.file import file_layer

    try:
        path = Path(rules.text(name)).absolute()
    except Refusal as refusal:
        raise ConfigErrors([config_error(key, name, refusal)]) from refusal
    return path, file_layer(path, key)


def _both_forms(origin: Origin) -> Iterator[ConfigError]:
    """Every key of the short form that stands beside `vhosts:`."""
    if origin.file is None:
        return
    rule = f"the short form cannot go together with {origin.file.spell(VHOSTS)}"
    fix = f"move it into an entry of {VHOSTS}:, or remove {VHOSTS}:"
    for layer in origin.layers:
        for key in VHOST_KEYS:
            if key in layer.values:
                yield config_error(layer.spell(key), layer.values[key], Refusal(rule, fix))


def _judge(origin: Origin) -> tuple["RunModel | None", Sequence[ConfigError]]:
    """The model, if every value is valid, and what is wrong with it or with them."""
    from pydantic import ValidationError

    from sidecar.settings.between import problems_between
    from sidecar.settings.model import RunModel

    given = [_nested(layer.values, short=origin.file is None) for layer in origin.layers]
    if origin.file is not None:
        given[-1][VHOSTS] = origin.file.vhosts
    try:
        model = RunModel.of(*given)
    except ValidationError as error:
        return None, list(_translated(error, origin))
    return model, list(problems_between(model, origin))


def _nested(values: Mapping[str, object], *, short: bool) -> dict[str, object]:
    """A layer's values as the model is nested."""
    nested: dict[str, object] = {key: values[key] for key in RUN_KEYS if key in values}
    if short:
        nested[SHORT] = {key: values[key] for key in VHOST_KEYS if key in values}
    return nested


def _translated(error: "ValidationError", origin: Origin) -> Iterator[ConfigError]:
    for detail in error.errors(include_url=False):
        location: Location = detail["loc"]
        name, value = origin.of(location)
        reason = detail.get("ctx", {}).get("error")
        if isinstance(reason, Refusal):
            given = f"{detail['input']} (the default)" if value is ABSENT else value
            yield config_error(name, given, reason)
        elif detail["type"] != "missing":
            yield config_error(name, value, Refusal(detail["msg"], "see docs/settings.md"))
        elif not origin.broken:
            yield config_error(name, ABSENT, Refusal("is required", REQUIRED[str(location[-1])]))


def _settings(model: "RunModel", config_file: Path | None, given: Given) -> RunSettings:
    files = dict.fromkeys(vhost.passphrase_file for vhost in model.all_vhosts)
    return RunSettings(
        vhosts=tuple(_vhost(vhost, model.node) for vhost in model.all_vhosts),
        node=model.node,
        ntp=model.ntp,
        http=model.http,
        control=model.control,
        kubernetes=model.kubernetes,
        kubernetes_nodes=model.kubernetes_nodes,
        kubernetes_events=model.kubernetes_events,
        readiness=model.readiness,
        log=model.log,
        log_level=model.log_level,
        config_file=config_file,
        warnings=tuple(warning for file in files for warning in _warnings(file)),
        given=given,
    )


def _warnings(file: Path) -> tuple[str, ...]:
    try:
        return examine(file).warnings
    except Refusal:
        return ()  # it changed since it was judged: whoever reads its keys will tell


def _vhost(model: "VhostModel", node: str) -> VhostSettings:
    advskew = auto_advskew(node) if model.advskew == "auto" else model.advskew
    config = Config(
        vhid=model.vhid,
        addresses=model.addresses,
        advbase=model.advbase,
        advskew=advskew,
        preempt=model.preempt,
        dialect=model.dialect,
        peers=model.peers,
    )
    lease = max(1, LEASE_INTERVALS * model.advbase) if model.lease == "auto" else model.lease
    return VhostSettings(config, model.interface, model.passphrase_file, model.mac, model.replay, lease)
