"""Reads a small regular file whole, or says why not: no pipe to hang on, no device, nothing endless."""

import os
import stat
from pathlib import Path

from sidecar.settings.problems import Refusal


def read_regular(path: Path, limit: int, fix: str) -> tuple[bytes, int]:
    """Content (at most ``limit`` bytes) and mode. ``Refusal`` with ``fix`` when it is anything else."""
    try:
        # Without O_NONBLOCK the opening of a named pipe would wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                raise Refusal("is not a regular file", fix)
            with open(descriptor, "rb", closefd=False) as file:
                content = file.read(limit + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Refusal(f"cannot be read ({error.strerror})", fix) from error
    if len(content) > limit:
        raise Refusal(f"is longer than {limit} bytes", fix)
    return content, mode
