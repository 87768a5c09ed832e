"""Which NTP server to watch, as a person writes it: `host`, `host:port`, `[IPv6]:port` or `off`.

Law: pure. It judges the form of a name and resolves nothing.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

NTP_PORT: Final = 123
_RULE: Final = "write host, host:port, [IPv6 address]:port, or off"
_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_PORT: Final = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class Target:
    """An NTP server: an address or a name, and a UDP port."""

    host: str
    port: int = NTP_PORT

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_target(text: str) -> Target | None:
    """The server that the setting names; None for `off`. Raises ValueError with a sentence that says what to write."""
    text = text.strip()
    if text.lower() == "off":
        return None
    host, port = _split(text)
    if not _PORT.fullmatch(port) or not 1 <= int(port) <= 65535:
        raise ValueError(f"port {port!r} of NTP server {text!r} is not a number from 1 to 65535; {_RULE}")
    _check_host(host, text)
    return Target(host, int(port))


def _split(text: str) -> tuple[str, str]:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")) or ":" not in host:
            raise ValueError(f"NTP server {text!r} does not have the form [IPv6 address]:port; {_RULE}")
        return host, rest[1:] if rest else str(NTP_PORT)
    if text.count(":") > 1:  # a bare IPv6 address: its last group is no port
        return text, str(NTP_PORT)
    host, colon, port = text.partition(":")
    return host, port if colon else str(NTP_PORT)


def _check_host(host: str, text: str) -> None:
    if _looks_like_an_address(host):
        _check_address(host, text)
    elif len(host) > 253 or not all(map(_LABEL.fullmatch, host.removesuffix(".").split("."))):
        raise ValueError(f"NTP server {text!r} is neither an address nor a host name; {_RULE}")


def _looks_like_an_address(host: str) -> bool:
    """No host name has a colon or ends in a number: '127.1' would be read in the ways of inet_aton."""
    return ":" in host or host.rpartition(".")[2].isdigit()


def _check_address(host: str, text: str) -> None:
    address: IPv4Address | IPv6Address
    try:
        address = ip_address(host)
    except ValueError as error:
        raise ValueError(f"NTP server {text!r} is not a valid address ({error}); {_RULE}") from error
    if address.is_multicast or address.is_unspecified or address == IPv4Address("255.255.255.255"):
        raise ValueError(
            f"NTP server {text!r} is no address of one host; name the server itself, such as 127.0.0.1:123"
        )
