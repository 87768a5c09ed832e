"""Runs a command under a seccomp profile as container engines read it; what the profile does not allow kills it.

Run by path, standard library only: ``python -I -S under_seccomp.py PROFILE -- COMMAND...``. An engine would refuse what
is not allowed with EPERM, which a program may survive by luck; here it is killed, so that a list that lacks something
cannot pass a test.
"""

import ctypes
import ctypes.util
import json
import os
import sys
from typing import Any

KILL_PROCESS, ERRNO, ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
COMPARE = {"SCMP_CMP_EQ": 4, "SCMP_CMP_MASKED_EQ": 7}


class Comparison(ctypes.Structure):
    """``struct scmp_arg_cmp``."""

    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


def library() -> ctypes.CDLL:
    found = ctypes.CDLL(ctypes.util.find_library("seccomp") or "libseccomp.so.2", use_errno=True)
    found.seccomp_init.restype = ctypes.c_void_p
    found.seccomp_load.argtypes = (ctypes.c_void_p,)
    found.seccomp_rule_add_array.argtypes = (
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.POINTER(Comparison),
    )
    return found


def action_of(entry: dict[str, Any]) -> int:
    return ALLOW if entry["action"] == "SCMP_ACT_ALLOW" else ERRNO | int(entry["errnoRet"])


def comparisons_of(entry: dict[str, Any]) -> list[Comparison]:
    return [
        Comparison(arg["index"], COMPARE[arg["op"]], arg["value"], arg.get("valueTwo", 0))
        for arg in entry.get("args", ())
    ]


def enter(profile: dict[str, Any]) -> None:
    """Load it for this process and all that come of it; ``OSError`` when the kernel or the library refuses."""
    seccomp = library()
    rules = seccomp.seccomp_init(ctypes.c_uint32(KILL_PROCESS))
    for entry in profile["syscalls"]:
        made = comparisons_of(entry)
        for name in entry["names"]:
            number = seccomp.seccomp_syscall_resolve_name(name.encode())
            if number < 0:  # of another architecture
                continue
            array = (Comparison * max(1, len(made)))(*made)
            code = seccomp.seccomp_rule_add_array(rules, action_of(entry), number, len(made), array)
            if code:
                raise OSError(-code, f"{name}: {os.strerror(-code)}")
    if code := seccomp.seccomp_load(rules):
        raise OSError(-code, os.strerror(-code))


def main() -> None:
    file, separator, *command = sys.argv[1:]
    assert separator == "--"
    with open(file) as text:
        profile = json.load(text)
    enter(profile)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
