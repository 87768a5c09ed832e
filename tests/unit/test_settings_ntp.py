"""Which NTP server to watch, as a person writes it: the one judge of that is `sidecar.settings.network.ntp`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.ntp.target import Target
from sidecar.settings.network import ntp
from sidecar.settings.problems import Refusal


@pytest.mark.parametrize(
    ("written", "server"),
    [
        ("127.0.0.1:123", "127.0.0.1:123"),
        ("127.0.0.1", "127.0.0.1:123"),
        ("ntp", "ntp:123"),
        ("ntp.example.net.:65535", "ntp.example.net.:65535"),
        ("time_1.example", "time_1.example:123"),
        ("[::1]:124", "[::1]:124"),
        ("[2001:db8::1]", "[2001:db8::1]:123"),
        ("::1", "[::1]:123"),
        ("fe80::1%eth0", "[fe80::1%eth0]:123"),
        ("  localhost:1 ", "localhost:1"),
        ("off", "off"),
        (" OFF ", "off"),
    ],
)
def test_a_server_is_read_as_written_and_has_a_port(written: str, server: str) -> None:
    assert ntp(written) == server


@pytest.mark.parametrize(
    ("written", "rule"),
    [
        *[(name, "host[:port]") for name in ("a b", "-x", "x-", "a..b", "host/24", "a" * 64)],
        *[(name, "host[:port]") for name in (".".join(["a"] * 128), "127.1", "127.0.0.256:123", "1:2:3")],
        *[(f"host:{port}", "port must be 1 to 65535") for port in ("", "0", "65536", "-1", "ntp", "012", "٣")],
        ("", "is empty"),
        ("ntp://host", "port must be 1 to 65535"),
        ("[::1]:", "port must be 1 to 65535"),
        ("[::1]124", "bracket"),
        ("[::1", "bracket"),
        ("[127.0.0.1]:123", "brackets are for IPv6"),
        *[(name, "one server") for name in ("0.0.0.0", "[::]:123", "224.0.1.1", "ff02::101", "255.255.255.255")],
    ],
)
def test_what_names_no_server_is_refused_with_what_to_write(written: str, rule: str) -> None:
    with pytest.raises(Refusal) as refused:
        ntp(written)
    assert rule in refused.value.rule
    assert refused.value.fix


@pytest.mark.parametrize("server", [Target("127.0.0.1"), Target("::1", 124), Target("ntp.example", 9)])
def test_a_target_is_written_as_it_is_read(server: Target) -> None:
    assert ntp(str(server)) == str(server)


@given(st.text(max_size=60))
def test_any_text_is_a_server_that_reads_back_or_a_refusal(text: str) -> None:
    try:
        server = ntp(text)
    except Refusal as refusal:
        assert refusal.rule and refusal.fix  # noqa: PT017, PT018 - most texts do not raise
    else:
        assert ntp(server) == server


@given(st.ip_addresses(), st.integers(1, 65535))
def test_any_address_of_one_host_reads_back(address: object, port: int) -> None:
    target = Target(str(address), port)
    try:
        assert ntp(str(target)) == str(target)
    except Refusal as refusal:
        assert "no address that one server answers on" in refusal.rule  # noqa: PT017 - unspecified, multicast
