"""Which NTP server to watch. Whether a text names one is judged by `sidecar.settings.network`, once.

Law: pure. It resolves nothing.
"""

from typing import Final, NamedTuple

NTP_PORT: Final = 123


class Target(NamedTuple):
    """An NTP server: an address (IPv6 without brackets) or a name, and a UDP port."""

    host: str
    port: int = NTP_PORT

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
