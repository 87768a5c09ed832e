"""`carp-sidecar maintenance on` holds until told otherwise, so also over a restart: a file beside the control socket.

Where that folder is lost (a reboot, a new pod) so is the wish. A disk that refuses costs the memory, not the wish.
"""

import os
from pathlib import Path


class Standing:
    """Whether the control socket wished maintenance and has not taken it back. Blocks as a disk does."""

    def __init__(self, control: Path) -> None:
        self._path = control.with_name(f"{control.name}.maintenance")

    def wanted(self) -> bool:
        """Of an earlier run of the daemon with this socket. False where nobody may look."""
        return os.path.exists(self._path)

    def keep(self, *, wanted: bool) -> None:
        """Remember, or forget. Raises OSError."""
        if wanted:
            os.close(os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        else:
            self._path.unlink(missing_ok=True)
