"""Wrong settings: each is told by key as given, value, rule and fix, and ends `run` with 78."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sidecar.errors import ConfigError
from sidecar.settings.load import load
from sidecar.settings.problems import ConfigErrors

SHORT = {"CARP_VHID": "7", "CARP_ADDRESSES": "192.0.2.10", "CARP_PASSPHRASE_FILE": "@KEYS"}
FIRST = "vhosts:\n  - {vhid: 1, interface: eth0, addresses: [192.0.2.10], passphrase_file: @KEYS}\n"


@dataclass(frozen=True)
class Wrong:
    """What is given and what is told. @FILE and @KEYS stand for the paths of this test's files."""

    key: str
    value: str
    rule: str
    fix: str
    env: dict[str, str] = field(default_factory=dict)
    flags: dict[str, str] = field(default_factory=dict)
    file: str | None = None
    short: bool = True

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


def env(key: str, value: str, rule: str, fix: str, told: str | None = None) -> Wrong:
    """A variable that spoils an environment that was good; ``told``: what the message shows of it."""
    return Wrong(key, value if told is None else told, rule, fix, env={key: value})


def flag(name: str, value: str, rule: str, fix: str) -> Wrong:
    return Wrong(name, value, rule, fix, flags={name.removeprefix("--").replace("-", "_"): value})


def file(key: str, value: str, rule: str, fix: str, text: str, *, short: bool = True) -> Wrong:
    return Wrong(key, value, rule, fix, file=text, short=short)


def vhosts(key: str, value: str, rule: str, fix: str, text: str) -> Wrong:
    return file(key, value, rule, fix, text, short=False)


VHID = "whole number from 1 to 255"
SAME = "all nodes of this address share"
UNICAST = "address that one host can have"
WRONG = [
    env("CARP_VHID", "0", VHID, SAME),
    env("CARP_VHID", "256", VHID, SAME),
    env("CARP_VHID", "-1", VHID, SAME),
    env("CARP_VHID", "1.0", VHID, SAME),
    env("CARP_VHID", "0x10", VHID, SAME),
    env("CARP_VHID", "007", VHID, SAME),
    env("CARP_VHID", "1_0", VHID, SAME),
    env("CARP_VHID", "\u0663", VHID, SAME),
    env("CARP_VHID", "", "is empty", "give a value, or leave the key out"),
    env("CARP_VHID", "1\n2", "control character", "remove it", "1\\n2"),
    flag("--vhid", "seven", VHID, SAME),
    Wrong("CARP_VHID", "(not given)", "is required", "1 to 255", short=False),
    Wrong("CARP_ADDRESSES", "(not given)", "is required", "192.0.2.10", short=False),
    Wrong("CARP_PASSPHRASE_FILE", "(not given)", "is required", "at most 19 bytes", short=False),
    env("CARP_ADDRESSES", "192.0.2", "not an IPv4 or IPv6", "write it like"),
    env("CARP_ADDRESSES", "192.0.2.10,192.0.2.300", "not an IPv4 or IPv6", "write it like", "192.0.2.300"),
    env("CARP_ADDRESSES", "vip.example.net", "not an IPv4 or IPv6", "write it like"),
    env("CARP_ADDRESSES", "192.0.2.10,", "item of the list is empty", "superfluous comma", ""),
    env("CARP_ADDRESSES", "192.0.2.10,192.0\x7f2", "control character", "remove it", "192.0.2.10,192.0\\x7f2"),
    env("CARP_ADDRESSES", "192.0.2.10,192.0.2.10/24", "twice", "once", "192.0.2.10"),
    env("CARP_ADDRESSES", "2001:db8::1,2001:db8:0::1", "twice", "once", "2001:db8::1"),
    env("CARP_ADDRESSES", "0.0.0.0", "unspecified", UNICAST),
    env("CARP_ADDRESSES", "::", "unspecified", UNICAST),
    env("CARP_ADDRESSES", "224.0.0.18", "multicast", UNICAST),
    env("CARP_ADDRESSES", "ff02::12", "multicast", UNICAST),
    env("CARP_ADDRESSES", "127.0.0.1", "loopback", UNICAST),
    env("CARP_ADDRESSES", "::1", "loopback", UNICAST),
    env("CARP_ADDRESSES", "255.255.255.255", "broadcast", UNICAST),
    env("CARP_ADDRESSES", "192.0.2.0/24", "address of the network 192.0.2.0/24", UNICAST),
    env("CARP_ADDRESSES", "192.0.2.255/24", "broadcast address of 192.0.2.0/24", UNICAST),
    env("CARP_ADDRESSES", "192.0.2.10/33", "0 to 32", "like /24"),
    env("CARP_ADDRESSES", "2001:db8::1/129", "0 to 128", "like /24"),
    env("CARP_ADDRESSES", "192.0.2.10/255.255.255.0", "0 to 32", "like /24"),
    env("CARP_ADDRESSES", "fe80::1%eth0", "carries a zone", "without %"),
    env("CARP_ADDRESSES", "::ffff:192.0.2.10", "IPv4-mapped", "write 192.0.2.10"),
    env("CARP_PASSPHRASE_FILE", "/nowhere/key", "cannot be read", "give a file"),
    env("CARP_PASSPHRASE_FILE", "hunter2", "absolute path", "may be the passphrase itself", "***"),
    env("CARP_PASSPHRASE_FILE", "/dev/null", "is not a regular file", "give a file"),
    env("CARP_PASSPHRASE", "hunter2", "is not a setting", "did you mean CARP_PASSPHRASE_FILE?", "***"),
    env("CARP_ADVBASE", "255", "from 0 to 254", "1 is usual"),
    env("CARP_ADVBASE", "0.5", "from 0 to 254", "advskew/256 s"),
    env("CARP_ADVSKEW", "255", "from 0 to 254, or auto", "smaller number"),
    env("CARP_ADVSKEW", "low", "from 0 to 254, or auto", "smaller number"),
    Wrong("CARP_ADVSKEW", "0", "with advbase 0", "of its own", env={"CARP_ADVBASE": "0", "CARP_ADVSKEW": "0"}),
    Wrong("CARP_ADVSKEW", "auto", "with advbase 0", "of its own", env={"CARP_ADVBASE": "0", "CARP_ADVSKEW": "auto"}),
    Wrong("CARP_ADVSKEW", "auto (the default)", "with advbase 0", "of its own", env={"CARP_ADVBASE": "0"}),
    env("CARP_PREEMPT", "maybe", "true or false", "write true or false"),
    env("CARP_PREEMPT", "2", "true or false", "write true or false"),
    env("CARP_PEERS", "192.0.2.10", "not by a virtual one", "its interface has"),
    env("CARP_PEERS", "192.0.2.2/24", "no prefix", "write 192.0.2.2"),
    env("CARP_PEERS", "224.0.0.18", "multicast", UNICAST),
    env("CARP_PEERS", "192.0.2.2,127.0.0.1", "loopback", UNICAST, "127.0.0.1"),
    env("CARP_PEERS", "192.0.2.2,192.0.2.2", "twice", "once", "192.0.2.2"),
    env("CARP_PEERS", "2001:db8::2", "IPv4 virtual addresses and no peer of that family", "or use multicast"),
    env("CARP_PEERS", "192.0.2.2,2001:db8::2", "IPv6 peers and no virtual address", "remove the peers"),
    env("CARP_MAC", "00:00:5e:00:01:07", "one of: virtual, interface", "choose one"),
    env("CARP_REPLAY", "loose", "one of: compat, strict", "choose one"),
    env("CARP_DIALECT", "netbsd", "one of: freebsd, openbsd", "choose one"),
    env("CARP_LEASE", "3601", "from 0 to 3600, or auto", "three times advbase"),
    env("CARP_LEASE", "1", "expire between two advertisements", "more than 1"),
    env("CARP_INTERFACE", "enp0s31f6.sixteen", "15 bytes", "ip -brief link"),
    env("CARP_INTERFACE", "eth0/1", "no interface name", "ip -brief link"),
    env("CARP_INTERFACE", "..", "no interface name", "ip -brief link"),
    env("CARP_NTP", "127.0.0.1:0", "port must be 1 to 65535", "host:port"),
    env("CARP_NTP", "127.0.0.1:ntp", "port must be 1 to 65535", "host:port"),
    env("CARP_NTP", "[::1:123", "bracket", "[::1]:123"),
    env("CARP_NTP", "10.0.0.256", "host[:port]", "or off"),
    env("CARP_NTP", "on", "host[:port]", "or off"),
    env("CARP_NTP", "0.0.0.0", "no address that one server answers on", "or off"),
    env("CARP_NTP", "192.0.2.10", "is a virtual address", "this node's own server"),
    env("CARP_HTTP", "8112", "an address and a port", "127.0.0.1:8112"),
    env("CARP_HTTP", ":8112", "an address and a port", "every address of the host"),
    env("CARP_HTTP", "::1:8112", "an address and a port", "[::1]:8112"),
    env("CARP_HTTP", "127.0.0.1:65536", "port must be 1 to 65535", "host:port"),
    env("CARP_HTTP", "example.net:80", "IPv4 address or an IPv6 address in brackets", "127.0.0.1:8112"),
    env("CARP_HTTP", "192.0.2.10:8112", "is a virtual address", "address of this node"),
    env("CARP_CONTROL", "carp.sock", "absolute path", "from / on"),
    env("CARP_CONTROL", "/run/carp/", "names a folder", "name of the socket"),
    env("CARP_CONTROL", f"/{'s' * 107}", "longer than the 107 bytes", "shorter folder", f"/{'s' * 107}"),
    env("CARP_KUBERNETES", "maybe", "one of: auto, on, off", "choose one"),
    env("CARP_READINESS", "ready", "one of: role, health", "choose one"),
    env("CARP_LOG", "xml", "one of: text, json", "choose one"),
    env("CARP_LOG_LEVEL", "loud", "one of: debug, info, warning, error", "choose one"),
    env("CARP_NODE", "node 1", "a host's name", "use the host's"),
    env("CARP_VHIDD", "7", "is not a setting", "did you mean CARP_VHID?"),
    env("CARP_adv_base", "7", "is not a setting", "did you mean CARP_ADVBASE?"),
    env("CARP_HTTP_PORT", "8112", "is not a setting", "did you mean CARP_HTTP?"),
    env("CARP_VHOSTS", "[]", "is not a setting", "into the file of CARP_CONFIG"),
    env("CARP_WHATEVER", "1", "is not a setting", "use one of: interface, vhid"),
    env("CARP_CONFIG", "/nowhere/carp.yaml", "cannot be read", "YAML file"),
    env("CARP_CONFIG", "", "is empty", "leave the key out"),
    env("CARP_CONFIG", "/dev/zero", "is not a regular file", "YAML file"),
    Wrong("--config", "/nowhere/carp.yaml", "cannot be read", "YAML file", flags={"config": "/nowhere/carp.yaml"}),
    file("CARP_CONFIG", "@FILE", "line 1, column 12", "correct the file", "a: [hunter2"),
    file("CARP_CONFIG", "@FILE", "line 1, column 4", "correct the file", "a: *hunter2"),
    file("CARP_CONFIG", "@FILE", "line 2, column 1: the same key stands here twice", "correct", "log: a\nlog: b"),
    file("CARP_CONFIG", "@FILE", "line 1, column 6", "correct the file", "log: !!python/object:os.system {}"),
    file("CARP_CONFIG", "@FILE", "must hold keys and values", "correct the file", "- vhid: 1"),
    file("CARP_CONFIG", "@FILE", "a character that YAML does not allow", "correct the file", "log: \0"),
    file("CARP_CONFIG", "@FILE", "nested too deeply", "correct the file", "[" * 5000),
    file("@FILE: log", "a", "one of: text, json", "choose one", "log: a"),
    file("@FILE: lgo", "text", "is not a setting", "did you mean @FILE: log?", "lgo: text"),
    file("@FILE: config", "a", "is not a setting", "use one of", "config: a"),
    file("@FILE: password", "***", "is not a setting", "did you mean @FILE: passphrase_file?", "password: hunter2"),
    file("@FILE: advskew", "010", "from 0 to 254, or auto", "smaller number", "advskew: 010"),
    file("@FILE: http", "(a list)", "single value", "one text", "http: [127.0.0.1, 8112]"),
    file("@FILE: ntp", "(a mapping)", "single value", "one text", "ntp: {host: a}"),
    file("@FILE: peers[1]", "x", "not an IPv4 or IPv6", "write it like", "peers: [192.0.2.2, x]"),
    file("@FILE: peers[0]", "(a list)", "single value", "one text", "peers: &a [*a]"),
    vhosts("@FILE: CARP_NTP", "x", "is not a setting", "mean @FILE: ntp?", f"{FIRST}CARP_NTP: x"),
    vhosts("@FILE: log-level", "x", "is not a setting", "mean @FILE: log_level?", f"{FIRST}log-level: x"),
    file("CARP_VHID", "7", "cannot go together with @FILE: vhosts", "entry of vhosts:", FIRST),
    vhosts("@FILE: advskew", "1", "cannot go together with @FILE: vhosts", "entry of vhosts:", f"{FIRST}advskew: 1"),
    vhosts("@FILE: vhosts", "(a mapping)", "must be a list", "- vhid: 1", "vhosts: {vhid: 1}"),
    vhosts("@FILE: vhosts", "(a list)", "is a list without a virtual host", "- vhid: 1", "vhosts: []"),
    vhosts("@FILE: vhosts[1]", "7", "must be keys and values", "- vhid: 1", f"{FIRST}  - 7"),
    vhosts("@FILE: vhosts[0].vhdi", "1", "is not a setting", "mean @FILE: vhosts[0].vhid?", "vhosts: [{vhdi: 1}]"),
    vhosts("@FILE: vhosts[0].ntp", "x", "is not a setting", "move it out of vhosts:", "vhosts: [{ntp: x}]"),
    vhosts("@FILE: vhosts[0].npt", "x", "is not a setting", "use one of: interface", "vhosts: [{npt: x}]"),
    vhosts("@FILE: vhosts[0].vhid", "(not given)", "is required", "1 to 255", "vhosts: [{ntp: x}]"),
    vhosts("@FILE: vhosts[1].vhid", "300", VHID, SAME, f"{FIRST}  - vhid: 300"),
    vhosts("@FILE: vhosts[1].addresses[0]", "x", "not an IPv4", "write it like", f"{FIRST}  - addresses: [x]"),
    vhosts(
        "@FILE: vhosts[1].vhid", "1", "vhosts[0] has this vhid already", "another vhid, or a daemon of its own",
        f"{FIRST}  - {{vhid: 1, addresses: 192.0.2.11, passphrase_file: @KEYS}}",
    ),
    vhosts(
        "@FILE: vhosts[1].addresses", "192.0.2.10", "vhosts[0] has this address already", "to one entry",
        f"{FIRST}  - {{vhid: 2, addresses: 192.0.2.10/24, passphrase_file: @KEYS}}",
    ),
    vhosts(
        "@FILE: vhosts[1].peers", "192.0.2.10", "is a virtual address of vhosts[0]", "peer's interface has",
        f"{FIRST}  - {{vhid: 2, addresses: 192.0.2.11, peers: 192.0.2.10, passphrase_file: @KEYS}}",
    ),
]  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A wrong configuration with the paths of this test in it."""

    wrong: Wrong
    flags: dict[str, str]
    environ: dict[str, str]
    paths: tuple[Path, Path]

    def filled(self, text: str) -> str:
        """The text with the paths that its placeholders stand for."""
        return text.replace("@FILE", str(self.paths[0])).replace("@KEYS", str(self.paths[1]))


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    wrong: Wrong = request.param
    config, passphrases = tmp_path / "carp.yaml", tmp_path / "passphrases"
    passphrases.write_text("sesame\n")
    passphrases.chmod(0o600)
    environ = (SHORT if wrong.short else {}) | wrong.env
    if wrong.file is not None:
        config.write_text(wrong.file.replace("@KEYS", str(passphrases)))
        environ["CARP_CONFIG"] = str(config)
    environ = {key: value.replace("@KEYS", str(passphrases)) for key, value in environ.items()}
    return Case(wrong, wrong.flags, environ, (config, passphrases))


def told(case: Case) -> ConfigError:
    """The error about the key in question; there may be others that follow from it."""
    with pytest.raises(ConfigErrors) as refused:
        load(case.flags, case.environ)
    key = case.filled(case.wrong.key)
    about = [error for error in refused.value.errors if error.key == key]
    assert about, f"nothing about {key} in: {refused.value}"
    return about[0]


@pytest.mark.parametrize("case", WRONG, ids=str, indirect=True)
def test_it_is_told_by_key_value_rule_and_fix(case: Case) -> None:
    error = told(case)
    assert error.value == case.filled(case.wrong.value)
    assert case.filled(case.wrong.rule) in error.rule
    assert case.filled(case.wrong.fix) in error.fix


@pytest.mark.parametrize("case", WRONG, ids=str, indirect=True)
def test_each_problem_is_one_line_without_the_secret(case: Case) -> None:
    with pytest.raises(ConfigErrors) as refused:
        load(case.flags, case.environ)
    assert len(str(refused.value).splitlines()) == len(refused.value.errors)
    assert "hunter2" not in str(refused.value)
    assert "sesame" not in str(refused.value)


def sidecar_run(case: Case) -> "subprocess.CompletedProcess[str]":
    foreign = {key: value for key, value in os.environ.items() if not key.startswith("CARP_")}
    flags = [part for key, value in case.flags.items() for part in (f"--{key.replace('_', '-')}", value)]
    command = [sys.executable, "-m", "sidecar", "run", *flags]
    environ = foreign | case.environ
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("case", WRONG[3::9], ids=str, indirect=True)
def test_run_ends_with_78_and_says_why(case: Case) -> None:
    done = sidecar_run(case)
    lines = done.stderr.splitlines()
    assert done.returncode == 78
    assert done.stdout == ""
    assert lines
    assert all(line.startswith("carp-sidecar: ") for line in lines)
    start = case.filled(f"carp-sidecar: {case.wrong.key}={case.wrong.value}: ")
    assert any(line.startswith(start) and case.filled(case.wrong.fix) in line for line in lines)
    assert "Traceback" not in done.stderr


def test_there_are_enough_of_them() -> None:
    assert len(WRONG) >= 100


EVERYTHING = {
    "CARP_VHID": "300",
    "CARP_ADDRESSES": "x,192.0.2.1,y",
    "CARP_PASSPHRASE_FILE": "/nowhere",
    "CARP_ADVBASE": "0",
    "CARP_PEERS": "z",
    "CARP_NTP": ":",
    "CARP_NTPP": "x",
    "CARP_CONFIG": "/nowhere",
}


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(ConfigErrors) as refused:
        load({"log": "xml", "mac": "x"}, EVERYTHING)
    keys = [error.key for error in refused.value.errors]
    addresses = ["CARP_ADDRESSES"] * 2
    others = ["CARP_VHID", "CARP_PASSPHRASE_FILE", "--advskew", "CARP_PEERS", "CARP_NTP", "CARP_NTPP", "CARP_CONFIG"]
    assert sorted(keys) == sorted([*addresses, *others, "--log", "--mac"])


def test_a_file_that_cannot_be_read_does_not_make_its_keys_missing() -> None:
    with pytest.raises(ConfigErrors) as refused:
        load({}, {"CARP_CONFIG": "/nowhere/carp.yaml"})
    assert [error.key for error in refused.value.errors] == ["CARP_CONFIG"]


def test_the_errors_read_as_the_first_of_them() -> None:
    with pytest.raises(ConfigError) as refused:
        load({}, {})
    assert (refused.value.key, refused.value.rule) == ("CARP_VHID", "is required")


def test_a_missing_key_goes_by_the_way_that_others_were_given() -> None:
    with pytest.raises(ConfigError, match="--vhid=\\(not given\\)"):
        load({"interface": "eth0"}, {})


def test_an_unknown_flag_is_told_too() -> None:
    with pytest.raises(ConfigError, match="--vhdi=1: is not a setting; did you mean --vhid\\?"):
        load({"vhdi": "1"}, {})
