"""The settings as pydantic sees them: which rule reads which key, and the rules between keys.

A rule between keys sits on the later one and sees the earlier ones that are valid, so that one look finds everything.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from sidecar.carp.config import Address, Dialect
from sidecar.settings import network, passphrases, rules
from sidecar.settings.problems import Refusal
from sidecar.settings.table import default_of
from sidecar.settings.values import Kubernetes, Log, LogLevel, MacMode, Readiness, Replay

Auto = Literal["auto"]
VirtualAddresses = Annotated[
    tuple[Annotated[Address, PlainValidator(network.virtual_address)], ...], BeforeValidator(network.items)
]
Peers = Annotated[tuple[Annotated[Address, PlainValidator(network.peer)], ...], BeforeValidator(network.peer_items)]


def _default(key: str) -> Any:
    """The default of the table, read by the key's own rule and checked against the other keys like a given one."""
    return Field(default=default_of(key), validate_default=True)


def _passphrase_file(value: object) -> Path:
    path = rules.absolute(value)
    passphrases.examine(path)
    return path


class VhostModel(BaseModel):
    """One virtual host, by the short form or as an entry of `vhosts:`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    interface: Annotated[str | None, PlainValidator(rules.interface)] = _default("interface")
    vhid: Annotated[int, PlainValidator(rules.vhid)]
    addresses: VirtualAddresses
    passphrase_file: Annotated[Path, PlainValidator(_passphrase_file)]
    advbase: Annotated[int, PlainValidator(rules.advbase)] = _default("advbase")
    advskew: Annotated[int | Auto, PlainValidator(rules.advskew)] = _default("advskew")
    preempt: Annotated[bool, PlainValidator(rules.boolean)] = _default("preempt")
    peers: Peers = _default("peers")
    mac: Annotated[MacMode, PlainValidator(rules.mac)] = _default("mac")
    replay: Annotated[Replay, PlainValidator(rules.replay)] = _default("replay")
    dialect: Annotated[Dialect, PlainValidator(rules.dialect)] = _default("dialect")
    lease: Annotated[int | Auto, PlainValidator(rules.lease)] = _default("lease")

    @field_validator("addresses", "peers", mode="after")
    @classmethod
    def _each_once(cls, given: tuple[Address, ...]) -> tuple[Address, ...]:
        for index, address in enumerate(given):
            if address in given[:index]:
                raise Refusal("the same address stands here twice", "name each address once", str(address))
        return given

    @field_validator("advskew", mode="after")
    @classmethod
    def _interval_is_not_zero(cls, advskew: int | Auto, info: ValidationInfo) -> int | Auto:
        if info.data.get("advbase") == 0 and advskew in {0, "auto"}:
            rule = "with advbase 0 the interval is advskew/256 s, so advskew must be a number from 1 to 254"
            raise Refusal(rule, "give each node an advskew of its own, or advbase 1")
        return advskew

    @field_validator("peers", mode="after")
    @classmethod
    def _peers_fit_addresses(cls, peers: tuple[Address, ...], info: ValidationInfo) -> tuple[Address, ...]:
        addresses: tuple[Address, ...] = info.data.get("addresses", ())
        if peers and addresses:
            _check_peers(peers, addresses)
        return peers

    @field_validator("lease", mode="after")
    @classmethod
    def _lease_outlives_interval(cls, lease: int | Auto, info: ValidationInfo) -> int | Auto:
        advbase = info.data.get("advbase", 0)
        if lease not in {0, "auto"} and lease <= advbase:
            rule = f"the address would expire between two advertisements (advbase {advbase} s)"
            raise Refusal(rule, f"give more than {advbase}, 0 for no lease, or auto")
        return lease


def _check_peers(peers: tuple[Address, ...], addresses: tuple[Address, ...]) -> None:
    for peer in peers:
        if peer in addresses:
            rule = "a peer is named by its own address, not by a virtual one"
            raise Refusal(rule, "give the address that its interface has", str(peer))
    ours, theirs = ({address.version for address in of} for of in (addresses, peers))
    if missing := ours - theirs:
        rule = f"there are IPv{missing.pop()} virtual addresses and no peer of that family"
        raise Refusal(rule, "name a peer of each family that the addresses have, or use multicast")
    if useless := theirs - ours:
        rule = f"there are IPv{useless.pop()} peers and no virtual address of that family"
        raise Refusal(rule, "remove the peers of that family, or add an address")


class RunModel(BaseSettings):
    """Everything that `run` is told: the short form or `vhosts:`, and what concerns the whole process."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    short: VhostModel | None = None
    vhosts: tuple[VhostModel, ...] | None = None
    ntp: Annotated[str, PlainValidator(network.ntp)] = _default("ntp")
    http: Annotated[tuple[str, int], PlainValidator(network.http)] = _default("http")
    control: Annotated[Path, PlainValidator(rules.control)] = _default("control")
    kubernetes: Annotated[Kubernetes, PlainValidator(rules.kubernetes)] = _default("kubernetes")
    kubernetes_nodes: Annotated[bool, PlainValidator(rules.boolean)] = _default("kubernetes_nodes")
    kubernetes_events: Annotated[bool, PlainValidator(rules.boolean)] = _default("kubernetes_events")
    readiness: Annotated[Readiness, PlainValidator(rules.readiness)] = _default("readiness")
    log: Annotated[Log, PlainValidator(rules.log)] = _default("log")
    log_level: Annotated[LogLevel, PlainValidator(rules.log_level)] = _default("log_level")
    node: Annotated[str, PlainValidator(rules.node)] = Field(
        default_factory=lambda: os.uname().nodename, validate_default=True
    )

    @classmethod
    def of(cls, *layers: dict[str, object]) -> Self:
        """From layers of texts, the first one over the others. ``pydantic.ValidationError`` with all that is wrong."""
        return cls(**cast("dict[str, Any]", {"layers": layers}))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Our layers only: the library's own sources would guess JSON in texts and read the environment itself."""
        del env_settings, dotenv_settings, file_secret_settings
        layers = cast("InitSettingsSource", init_settings).init_kwargs["layers"]
        return tuple(InitSettingsSource(settings_cls, init_kwargs=dict(layer)) for layer in layers)

    @property
    def all_vhosts(self) -> tuple[VhostModel, ...]:
        """The virtual hosts, whichever way they were given."""
        return (self.short,) if self.short else self.vhosts or ()
