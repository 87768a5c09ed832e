"""Keep the log of every container there ever was: kubelet removes a deleted pod's. Standard library only, run by path.

keeplogs.py FOLDER INTO: a second name in INTO (a hard link) for each log of the nodes in FOLDER, once it is there.
"""

import contextlib
import os
import sys
import time
from pathlib import Path

POLL_SECONDS = 0.25


def keep(log: Path, into: Path) -> None:
    """Link a log like node1/log/pods/NAMESPACE_POD_UID/CONTAINER/0.log as INTO/node1/POD/CONTAINER-0.log."""
    node, pod, container = log.parts[-6], log.parts[-3].split("_")[1], log.parts[-2]
    with contextlib.suppress(OSError):
        folder = into / node / pod
        folder.mkdir(parents=True, exist_ok=True)
        os.link(log, folder / f"{container}-{log.name}")


def main() -> None:
    folder, into = map(Path, sys.argv[1:3])
    seen: set[int] = set()
    while True:
        for log in folder.glob("node*/log/pods/*/*/*.log"):
            with contextlib.suppress(FileNotFoundError):
                inode = log.stat().st_ino
                if inode not in seen:
                    seen.add(inode)
                    keep(log, into)
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    main()
