"""Touch another network namespace from here: a socket of ours in it, `ip` commands in it.

A socket stays in the namespace it was made in, so a thread steps in, makes it and is gone; no other thread notices.
"""

import ctypes
import os
import socket
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from sidecar.lab.space import SpaceError

CLONE_NEWNET = 0x40000000


def socket_in(pid: int, family: int, kind: int, protocol: int = 0) -> socket.socket:
    """A socket in the network namespace of process `pid`. Raises `OSError`."""

    def step_in_and_open() -> socket.socket:
        namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.setns(namespace, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"setns to process {pid}: {os.strerror(ctypes.get_errno())}")
            return socket.socket(family, kind, protocol)
        finally:
            os.close(namespace)

    with ThreadPoolExecutor(1) as stepping:
        return stepping.submit(step_in_and_open).result()


def run_in(pid: int, argv: Sequence[str], stdin: str = "") -> str:
    """Run a command of this machine in the network namespace of `pid` only; its output. Raises `SpaceError`."""
    done = subprocess.run(
        ["nsenter", f"--net=/proc/{pid}/ns/net", *argv], input=stdin, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SpaceError(f"{' '.join(argv)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def ip_batch(pid: int, *lines: str) -> None:
    """Run `ip` commands (without the word ip) in the network namespace of `pid`, all of them or an error."""
    run_in(pid, ["ip", "-batch", "-"], "\n".join(lines) + "\n")
