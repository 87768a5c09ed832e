"""Configurations that cannot be used, on a real node: exit 78, a sentence that helps, and the kernel untouched."""

import re
from dataclasses import dataclass, field

import pytest

from tests.netns.group import KEYS, V4, Group, Member
from tests.netns.test_restore import host
from tests.unit.test_settings_wrong import SHORT, WRONG, Wrong

FILE = "/run/wrong.yaml"
TOLD = re.compile(r"carp-sidecar: (?P<key>[^=]+)=(?P<value>.*?): (?P<rule>.+); (?P<fix>.+)")
HERE = {"CARP_VHID": "10", "CARP_ADDRESSES": V4, "CARP_PASSPHRASE_FILE": KEYS, "CARP_KUBERNETES": "off"}


@dataclass(frozen=True)
class Local:
    """What only this host can find wrong: the beginning of the message, and a part of its fix."""

    start: str
    fix: str
    env: dict[str, str] = field(default_factory=dict)


LOCAL = [
    Local(
        "interface=(unset): no interface holds the subnet of 192.0.2.10",
        "CARP_INTERFACE",
        {"CARP_ADDRESSES": "192.0.2.10"},
    ),
    Local(
        "interface=(unset): no interface holds the subnet of 2001:db8::1",
        "CARP_INTERFACE",
        {"CARP_ADDRESSES": "2001:db8::1"},
    ),
    Local("interface=(unset): dummy1, eth0 each hold the subnet of 10.77.0.100", "CARP_INTERFACE"),
    Local("addresses=10.77.0.1: ", "", {"CARP_ADDRESSES": f"{V4},10.77.0.1"}),
    Local("CARP_PASSPHRASE_FILE=/run/empty: is empty", "write a passphrase", {"CARP_PASSPHRASE_FILE": "/run/empty"}),
    Local("CARP_PASSPHRASE_FILE=/run/long: line 1 has 20 bytes", "at most 19", {"CARP_PASSPHRASE_FILE": "/run/long"}),
    Local("CARP_PASSPHRASE_FILE=/run: is not a regular file", "give a file", {"CARP_PASSPHRASE_FILE": "/run"}),
    Local("interface=lo: is no Ethernet", "Ethernet segment", {"CARP_INTERFACE": "lo"}),
    Local("interface=lo: is no Ethernet", "Ethernet segment", {"CARP_INTERFACE": "lo", "CARP_MAC": "interface"}),
    Local("kubernetes=on", "", {"CARP_KUBERNETES": "on"}),
]


def refused(member: Member, flags: dict[str, str], environ: dict[str, str]) -> list[str]:
    """Run it; the lines of its complaint. Whatever was wrong, it ends at once, with 78 and without a traceback."""
    arguments = [part for key, value in flags.items() for part in (f"--{key.replace('_', '-')}", value)]
    done = member.command("run", *arguments, **environ)
    assert done.returncode == 78, (environ, done.stdout, done.stderr)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if " INFO " not in line]  # an ordinary user has no real time
    assert lines
    assert all(TOLD.fullmatch(line) for line in lines), done.stderr
    return lines


def filled(text: str) -> str:
    return text.replace("@FILE", FILE).replace("@KEYS", KEYS)


def check(member: Member, wrong: Wrong) -> None:
    environ = (SHORT if wrong.short else {}) | wrong.env
    if wrong.file is not None:
        member.node.write(FILE, filled(wrong.file))
        environ = environ | {"CARP_CONFIG": FILE}
    lines = refused(member, wrong.flags, {key: filled(value) for key, value in environ.items()})
    start = f"carp-sidecar: {filled(wrong.key)}={filled(wrong.value)}: "
    about = [line for line in lines if line.startswith(start)]
    assert any(filled(wrong.rule) in line and filled(wrong.fix) in line for line in about), lines


@pytest.mark.parametrize("part", range(4))
def test_a_wrong_configuration_ends_with_78_and_leaves_the_host_as_it_was(group: Group, part: int) -> None:
    rows = WRONG[part::8]
    assert len(rows) > 10
    member = group.add()
    before = host(member)
    for wrong in rows:
        check(member, wrong)
    assert host(member) == before
    assert not member.node.path("/run/carp-sidecar").exists()


@pytest.mark.parametrize("local", LOCAL, ids=lambda local: local.start)
def test_what_only_the_host_can_find_wrong_is_told_as_well(group: Group, local: Local) -> None:
    member = group.add()
    member.node.write("/run/empty", "", 0o600)
    member.node.write("/run/long", "twenty bytes, no less\n"[:20] + "\n", 0o600)
    if "dummy1" in local.start:
        member.node.ip("link add dummy1 type bridge")
        member.node.run(["sysctl", "-qw", "net.ipv6.conf.dummy1.disable_ipv6=1"], check=True)  # nothing tentative
        member.node.ip("link set dummy1 up", "addr add 10.77.0.77/24 dev dummy1")
    before = host(member)
    lines = refused(member, {}, HERE | local.env)
    assert any(line.startswith(f"carp-sidecar: {local.start}") and local.fix in line for line in lines), lines
    assert host(member) == before
