"""What good settings become, whichever way they are given."""

import os
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest

from sidecar.carp.config import Config, Dialect
from sidecar.errors import ConfigError
from sidecar.settings.advskew import auto_advskew
from sidecar.settings.apart import again
from sidecar.settings.control import control_path
from sidecar.settings.load import load
from sidecar.settings.problems import ConfigErrors
from sidecar.settings.values import Kubernetes, Log, LogLevel, MacMode, Readiness, Replay, RunSettings

Write = Callable[[str], str]


@pytest.fixture
def passphrases(tmp_path: Path) -> Path:
    path = tmp_path / "passphrases"
    path.write_text("sesame\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def short(passphrases: Path) -> dict[str, str]:
    """The least that an environment must give."""
    return {"CARP_VHID": "7", "CARP_ADDRESSES": "192.0.2.10", "CARP_PASSPHRASE_FILE": str(passphrases)}


@pytest.fixture
def file(tmp_path: Path, passphrases: Path) -> Write:
    """Writes a configuration file; PASSPHRASES in it becomes the path of the passphrase file."""

    def write(text: str) -> str:
        path = tmp_path / "carp.yaml"
        path.write_text(text.replace("PASSPHRASES", str(passphrases)))
        return str(path)

    return write


def test_three_variables_are_enough(short: dict[str, str], passphrases: Path) -> None:
    settings = load({}, short)
    assert settings.vhosts[0].config == Config(
        7, (ip_address("192.0.2.10"),), advskew=auto_advskew(os.uname().nodename), preempt=True
    )
    vhost = settings.vhosts[0]
    assert (vhost.interface, vhost.passphrase_file, vhost.lease_s) == (None, passphrases, 3)
    assert (vhost.mac, vhost.replay) == (MacMode.VIRTUAL, Replay.COMPAT)


def test_the_process_has_the_defaults_of_the_contract(short: dict[str, str]) -> None:
    settings = load({}, short)
    assert (settings.ntp, settings.ntp_server) == ("127.0.0.1:123", ("127.0.0.1", 123))
    assert settings.http == ("127.0.0.1", 8112)
    assert settings.control == Path("/run/carp-sidecar/control.sock")
    assert (settings.kubernetes, settings.readiness) == (Kubernetes.AUTO, Readiness.ROLE)
    assert (settings.log, settings.log_level) == (Log.TEXT, LogLevel.INFO)
    assert (settings.node, settings.config_file) == (os.uname().nodename, None)


def test_every_key_can_be_given(short: dict[str, str]) -> None:
    everything = {
        "CARP_INTERFACE": "eth0.42",
        "CARP_ADDRESSES": "2001:db8::10/64, 192.0.2.10/24",
        "CARP_ADVBASE": "2",
        "CARP_ADVSKEW": "254",
        "CARP_PREEMPT": "no",
        "CARP_PEERS": "192.0.2.2,192.0.2.3,fe80::2",
        "CARP_MAC": "interface",
        "CARP_DIALECT": "openbsd",
        "CARP_LEASE": "5",
    }
    vhost = load({}, short | everything).vhosts[0]
    assert vhost.config == Config(
        vhid=7,
        addresses=(ip_address("2001:db8::10"), ip_address("192.0.2.10")),
        advbase=2,
        advskew=254,
        preempt=False,
        dialect=Dialect.OPENBSD,
        peers=(ip_address("192.0.2.2"), ip_address("192.0.2.3"), ip_address("fe80::2")),
    )
    assert (vhost.interface, vhost.mac, vhost.lease_s) == ("eth0.42", MacMode.INTERFACE, 5)


def test_a_flag_wins_over_the_environment_and_that_over_the_file(short: dict[str, str], file: Write) -> None:
    config = file("vhid: 1\nadvbase: 1\nadvskew: 1\nntp: 'off'\nlog: json\n")
    settings = load({"advskew": "3"}, short | {"CARP_CONFIG": config, "CARP_ADVBASE": "2", "CARP_ADVSKEW": "2"})
    vhost = settings.vhosts[0].config
    assert (vhost.vhid, vhost.advbase, vhost.advskew) == (7, 2, 3)
    assert (settings.ntp, settings.log) == ("off", Log.JSON)


def test_the_flag_names_another_file_than_the_environment(short: dict[str, str], file: Write) -> None:
    config = file("node: from-the-file\n")
    settings = load({"config": config}, short | {"CARP_CONFIG": "/nowhere"})
    assert (settings.node, settings.config_file) == ("from-the-file", Path(config))


def test_a_flag_that_was_not_given_leaves_the_environment_alone(short: dict[str, str]) -> None:
    assert load({"vhid": None}, short).vhosts[0].config.vhid == 7


def test_peers_of_the_file_can_be_taken_back_by_a_flag(short: dict[str, str], file: Write) -> None:
    config = file("peers: [192.0.2.2]\ninterface: eth0\n")
    assert len(load({"config": config}, short).vhosts[0].config.peers) == 1
    vhost = load({"config": config, "peers": "multicast", "interface": ""}, short).vhosts[0]
    assert (vhost.config.peers, vhost.interface) == ((), None)


TWO = """
vhosts:
  - &first
    vhid: 1
    interface: eth0
    addresses: [192.0.2.10, "2001:db8::10"]
    passphrase_file: PASSPHRASES
    advskew: 0
  - <<: *first
    vhid: 2
    addresses: 192.0.2.11
    advskew: auto
    lease: 0
node: node-3
"""


def test_a_file_holds_several_virtual_hosts(file: Write) -> None:
    settings = load({"config": file(TWO)}, {})
    first, second = settings.vhosts
    assert [str(one) for one in first.config.addresses] == ["192.0.2.10", "2001:db8::10"]
    assert (second.config.vhid, second.interface, second.lease_s) == (2, "eth0", 0)
    assert (first.config.advskew, second.config.advskew) == (0, auto_advskew("node-3"))


def test_the_process_may_be_told_by_environment_beside_vhosts(file: Write) -> None:
    assert load({"config": file(TWO)}, {"CARP_NTP": "off", "CARP_NODE": "b"}).node == "b"


@pytest.mark.parametrize("written", ["vhid: 8", "vhid: '8'", 'vhid: "8"'])
def test_numbers_of_the_file_need_no_quotes(short: dict[str, str], file: Write, written: str) -> None:
    del short["CARP_VHID"]
    assert load({"config": file(written)}, short).vhosts[0].config.vhid == 8


@pytest.mark.parametrize("spelled", ["off", "'off'", "OFF", "false", "no"])
def test_off_is_a_word_whatever_yaml_makes_of_it(short: dict[str, str], file: Write, spelled: str) -> None:
    settings = load({"config": file(f"ntp: {spelled}\nkubernetes: {spelled}\npreempt: {spelled}\n")}, short)
    assert (settings.ntp, settings.ntp_server, settings.kubernetes) == ("off", None, Kubernetes.OFF)
    assert settings.vhosts[0].config.preempt is False


@pytest.mark.parametrize("nothing", ["", "vhid:", "vhid: null", "vhid: ~", "# only a remark", "---"])
def test_a_key_without_value_is_not_given(short: dict[str, str], file: Write, nothing: str) -> None:
    assert load({"config": file(nothing)}, short).vhosts[0].config.vhid == 7


@pytest.mark.parametrize("text", ["true", "TRUE", "yes", "on", "1", " true "])
def test_true_has_many_names(short: dict[str, str], text: str) -> None:
    assert load({"preempt": text}, short).vhosts[0].config.preempt is True


@pytest.mark.parametrize(("advbase", "lease"), [("0", 1), ("1", 3), ("254", 762)])
def test_the_lease_is_three_advbase_and_at_least_a_second(short: dict[str, str], advbase: str, lease: int) -> None:
    assert load({"advbase": advbase, "advskew": "25"}, short).vhosts[0].lease_s == lease


@pytest.mark.parametrize(
    ("given", "server"),
    [
        ("192.0.2.1", ("192.0.2.1", 123)),
        ("192.0.2.1:1123", ("192.0.2.1", 1123)),
        ("::1", ("::1", 123)),
        ("[::1]", ("::1", 123)),
        ("[2001:db8::1]:1123", ("2001:db8::1", 1123)),
        ("ntp.example.net", ("ntp.example.net", 123)),
        ("ntp-1.example.net.:124", ("ntp-1.example.net.", 124)),
        ("localhost", ("localhost", 123)),
    ],
)
def test_the_ntp_server_has_its_port_filled_in(short: dict[str, str], given: str, server: tuple[str, int]) -> None:
    assert load({"ntp": given}, short).ntp_server == server


@pytest.mark.parametrize(
    ("given", "listen"),
    [
        ("0.0.0.0:80", ("0.0.0.0", 80)),
        ("[::]:65535", ("::", 65535)),
        ("localhost:1", ("127.0.0.1", 1)),
        ("[::1]:8112", ("::1", 8112)),
    ],
)
def test_the_http_server_listens_on_an_address(short: dict[str, str], given: str, listen: tuple[str, int]) -> None:
    assert load({"http": given}, short).http == listen


def test_the_same_settings_are_equal_and_others_are_not(short: dict[str, str]) -> None:
    assert load({}, short) == load({"vhid": "7"}, short)
    assert load({}, short) != load({"vhid": "8"}, short)


def test_settings_can_be_read_again_with_what_was_given(short: dict[str, str], file: Write) -> None:
    config = file("advskew: 10\n")
    settings = load({"config": config, "advbase": "2"}, short)
    file("advskew: 20\n")
    second = again(settings)
    assert (second.vhosts[0].config.advbase, second.vhosts[0].config.advskew) == (2, 20)
    file("advskew: 2000\n")
    with pytest.raises(ConfigError):
        again(settings)


def test_reading_again_keeps_no_foreign_variable(short: dict[str, str]) -> None:
    assert "HOME" not in load({}, short | {"HOME": "/x"}).given.environ


def test_what_is_unwise_about_a_passphrase_file_is_told(short: dict[str, str], passphrases: Path) -> None:
    assert load({}, short).warnings == ()
    before = load({}, short)
    passphrases.chmod(0o620)
    assert load({}, short) == before, "a warning asks for nothing"
    assert load({}, short).warnings == (f"{passphrases}: others than its owner may change it",)


def test_nothing_prints_a_passphrase(short: dict[str, str]) -> None:
    assert "sesame" not in repr(load({}, short))


class TestControlPath:
    """The clients find the socket that `run` was told of."""

    def test_a_flag_wins(self) -> None:
        assert control_path("x.sock", {"CARP_CONTROL": "/y.sock"}) == Path("x.sock")

    def test_then_the_environment(self, file: Write) -> None:
        environ = {"CARP_CONTROL": "/y.sock", "CARP_CONFIG": file("control: /z.sock")}
        assert control_path(None, environ) == Path("/y.sock")

    def test_then_the_file(self, file: Write) -> None:
        assert control_path(None, {"CARP_CONFIG": file("control: /z.sock")}) == Path("/z.sock")

    def test_then_the_default(self) -> None:
        assert control_path(None, {}) == Path("/run/carp-sidecar/control.sock")

    @pytest.mark.parametrize("text", ["control: relative", "control: [", "nonsense"])
    def test_a_file_that_became_invalid_does_not_stop_a_client(self, file: Write, text: str) -> None:
        assert control_path(None, {"CARP_CONFIG": file(text)}) == Path("/run/carp-sidecar/control.sock")

    def test_a_variable_that_cannot_be_used_does(self) -> None:
        with pytest.raises(ConfigErrors, match="CARP_CONTROL=x: must be an absolute path"):
            control_path(None, {"CARP_CONTROL": "x"})


def test_run_settings_cannot_change(short: dict[str, str]) -> None:
    settings: RunSettings = load({}, short)
    with pytest.raises(AttributeError):
        settings.node = "other"  # type: ignore[misc]
