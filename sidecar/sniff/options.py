"""What `sniff` was told, from text to values; what cannot be used is refused with its rule and its fix.

Looser than `run` on purpose: what others may use on the wire (no passphrase, the same address twice) can be looked at.
"""

import argparse
import math
from dataclasses import dataclass, field
from ipaddress import ip_interface
from pathlib import Path
from typing import Final

from sidecar.carp.auth import Key
from sidecar.carp.config import Address
from sidecar.carp.constants import KEY_LENGTH
from sidecar.errors import ConfigError

_MAX_PASSPHRASES_FILE: Final = 4096
_ALL_VHIDS: Final = range(1, 256)


@dataclass(frozen=True, slots=True)
class Options:
    """Either ``interface`` or ``pcap`` (``-``: standard input); the rest narrows down or verifies."""

    interface: str | None
    pcap: str | None
    keys: tuple[Key, ...] = field(repr=False)
    addresses: tuple[Address, ...]
    vhid: int | None
    count: int | None
    seconds: float | None
    json: bool


def read_options(args: argparse.Namespace) -> Options:
    """``ConfigError`` for the first that cannot be used."""
    for key in ("interface", "pcap", "passphrase_file"):
        if getattr(args, key) == "":
            flag = f"--{key.replace('_', '-')}"
            raise ConfigError(flag, "''", "is empty", "give a name, or leave it out")
    passphrases = args.passphrase_file
    return Options(
        interface=None if args.interface is None else str(args.interface),
        pcap=None if args.pcap is None else str(args.pcap),
        keys=() if passphrases is None else read_keys(Path(passphrases)),
        addresses=() if args.addresses is None else read_addresses(str(args.addresses)),
        vhid=None if args.vhid is None else _vhid(args.vhid),
        count=None if args.count is None else _count(args.count),
        seconds=None if args.seconds is None else _seconds(args.seconds),
        json=bool(args.json),
    )


def read_addresses(given: str) -> tuple[Address, ...]:
    """Comma-separated virtual addresses, with or without prefix."""
    return tuple(_address(one.strip()) for one in given.split(","))


def _address(given: str) -> Address:
    fix = "write the virtual addresses with commas between them, like 192.0.2.10,2001:db8::10"
    try:
        address = ip_interface(given).ip
    except ValueError as error:
        rule = "is no IPv4 or IPv6 address" if given else "one of the addresses is empty"
        raise ConfigError("--addresses", given or "''", rule, fix) from error
    if address.is_unspecified or address.is_multicast or address.is_loopback:
        raise ConfigError("--addresses", given, "cannot be a virtual address (unspecified, multicast, loopback)", fix)
    return address


def read_keys(path: Path) -> tuple[Key, ...]:
    """A passphrase a line, at most 19 bytes; here, unlike for `run`, it may be empty. Their text is never shown."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_PASSPHRASES_FILE + 1)
    except OSError as error:
        rule = f"cannot be read ({error.strerror})"
        raise ConfigError("--passphrase-file", path, rule, "give a file that this user may read") from error
    if len(content) > _MAX_PASSPHRASES_FILE:
        rule = f"is longer than {_MAX_PASSPHRASES_FILE} bytes"
        raise ConfigError("--passphrase-file", path, rule, "give a file with a passphrase a line, nothing else")
    lines = content.removesuffix(b"\n").split(b"\n")
    return tuple(_key(path, number, line.removesuffix(b"\r")) for number, line in enumerate(lines, start=1))


def _key(path: Path, number: int, passphrase: bytes) -> Key:
    if len(passphrase) > KEY_LENGTH:
        rule = f"line {number} has {len(passphrase)} bytes; BSD and ucarp use at most {KEY_LENGTH}"
        raise ConfigError("--passphrase-file", path, rule, f"BSD cuts it: write its first {KEY_LENGTH} bytes only")
    return Key(passphrase, number)


def _vhid(given: object) -> int:
    fix = "give the number of the virtual host, or leave it out to look at all"
    number = _whole("--vhid", given, "must be a whole number from 1 to 255", fix)
    if number not in _ALL_VHIDS:
        raise ConfigError("--vhid", given, "must be a whole number from 1 to 255", fix)
    return number


def _count(given: object) -> int:
    rule, fix = "must be a whole number of frames, 1 or more", "leave it out to read to the end"
    number = _whole("--count", given, rule, fix)
    if number < 1:
        raise ConfigError("--count", given, rule, fix)
    return number


def _whole(key: str, given: object, rule: str, fix: str) -> int:
    try:
        return int(str(given))
    except ValueError as error:
        raise ConfigError(key, given, rule, fix) from error


def _seconds(given: object) -> float:
    rule, fix = "must be a number of seconds greater than 0", "leave it out to go on until Ctrl-C or the end"
    try:
        seconds = float(str(given))
    except ValueError as error:
        raise ConfigError("--seconds", given, rule, fix) from error
    if not math.isfinite(seconds) or seconds <= 0:
        raise ConfigError("--seconds", given, rule, fix)
    return seconds
