"""What is shipped beside the program: the unit and the profile agree with it and with each other."""

import configparser
import json
import shutil
import subprocess
from pathlib import Path

from sidecar.app.privileges import NEEDED, NET_ADMIN, NET_RAW

UNIT = Path("packaging/systemd/carp-sidecar.service")
PROFILE = Path("packaging/seccomp/carp-sidecar.json")
FAMILIES = {1: "AF_UNIX", 2: "AF_INET", 10: "AF_INET6", 16: "AF_NETLINK", 17: "AF_PACKET"}
EXPOSURE = 25
"""Tenths, as `systemd-analyze security` counts: what the host's network and two capabilities cost, and no more."""


def service() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read(UNIT)
    return parser["Service"]


def test_the_unit_gives_what_the_daemon_keeps_and_what_it_asks_for_once() -> None:
    assert {NET_ADMIN, NET_RAW} == NEEDED
    once = {"CAP_SYS_NICE", "CAP_IPC_LOCK"}
    for given in ("AmbientCapabilities", "CapabilityBoundingSet"):
        assert set(service()[given].split()) == {"CAP_NET_ADMIN", "CAP_NET_RAW"} | once
    assert service()["NoNewPrivileges"] == "yes"


def test_unit_and_profile_allow_the_same_address_families() -> None:
    sockets = [entry for entry in json.loads(PROFILE.read_text())["syscalls"] if entry["names"] == ["socket"]]
    families = {FAMILIES[arg["value"]] for entry in sockets for arg in entry["args"]}
    assert families == set(service()["RestrictAddressFamilies"].split()) == set(FAMILIES.values())


def test_systemd_finds_the_unit_well_protected_where_there_is_a_systemd_to_ask() -> None:
    if shutil.which("systemd-analyze") is None:
        return  # what it would say is in docs/decisions/0011
    command = ["systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE}", "--no-pager", str(UNIT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout.splitlines()[-1:]
