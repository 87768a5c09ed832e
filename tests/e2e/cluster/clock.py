"""The machine with the right time, on the same segment and outside of the cluster: what the NTP servers in pods follow.

Without one they serve their own free-running clocks, which the daemon rightly calls stale.
"""

import shutil

from tests.e2e.cluster.layout import CLOCK_ADDRESS, SYSTEM_PATH, ClusterError, Layout, cache
from tests.e2e.cluster.network import add_machine
from tests.e2e.cluster.shell import in_network, start

# -x: it never touches the clock of this machine. No command socket: its place may be another chronyd's.
CONFIG = "local stratum 1\nallow\nuser root\ncmdport 0\nbindcmdaddress /\npidfile {folder}/chronyd.pid\n"
CHRONYD_PATH = f"{cache() / 'bin'}:{SYSTEM_PATH}"


class Clock:
    """A chronyd of stratum 1 at `address`."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.address = CLOCK_ADDRESS

    def plug_in(self) -> None:
        add_machine(self.layout, self.layout.clock, "clock", self.address)
        folder = self.layout.folder / "clock"
        folder.mkdir()
        config = folder / "chrony.conf"
        config.write_text(CONFIG.format(folder=folder))
        start(
            [*in_network(self.layout.clock), chronyd(), "-x", "-d", "-f", str(config)],
            log=self.layout.logs / "clock.log",
            pidfile=self.layout.pids / "clock",
        )


def chronyd() -> str:
    """The chronyd that `make setup` has unpacked, or else this machine's. Raises `ClusterError` if there is none."""
    found = shutil.which("chronyd", path=CHRONYD_PATH)
    if found is None:
        raise ClusterError("no chronyd: run make setup")
    return found
