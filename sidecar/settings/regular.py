"""Reads a small regular file whole, or says why not: no pipe to hang on, no device, nothing endless."""

import os
import stat
from pathlib import Path
from typing import NamedTuple

from sidecar.settings.problems import Refusal


class Found(NamedTuple):
    """A file as it was read. ``given``: on a read-only mount, so that its mode is whoever's who made the mount."""

    content: bytes
    mode: int
    given: bool


def read_regular(path: Path, limit: int, fix: str) -> Found:
    """The file, of at most ``limit`` bytes. ``Refusal`` with ``fix`` when it is anything else."""
    try:
        # Without O_NONBLOCK the opening of a named pipe would wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                raise Refusal("is not a regular file", fix)
            given = bool(os.fstatvfs(descriptor).f_flag & os.ST_RDONLY)
            with open(descriptor, "rb", closefd=False) as file:
                content = file.read(limit + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Refusal(f"cannot be read ({error.strerror})", fix) from error
    if len(content) > limit:
        raise Refusal(f"is longer than {limit} bytes", fix)
    return Found(content, mode, given)
