"""Which NTP server to watch, as a person writes it."""

import pytest

from sidecar.ntp.target import Target, parse_target


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("127.0.0.1:123", Target("127.0.0.1", 123)),
        ("127.0.0.1", Target("127.0.0.1", 123)),
        ("192.0.2.7:1123", Target("192.0.2.7", 1123)),
        ("ntp", Target("ntp", 123)),
        ("ntp.example.net.:65535", Target("ntp.example.net.", 65535)),
        ("time_1.example", Target("time_1.example", 123)),
        ("[::1]:124", Target("::1", 124)),
        ("[2001:db8::1]", Target("2001:db8::1", 123)),
        ("::1", Target("::1", 123)),
        ("fe80::1%eth0", Target("fe80::1%eth0", 123)),
        ("  localhost:1 ", Target("localhost", 1)),
    ],
)
def test_target_is_read_as_written(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize("text", ["off", "OFF", " off "])
def test_off_is_no_target(text: str) -> None:
    assert parse_target(text) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "neither an address nor a host name"),
        ("a b", "neither"),
        ("-x", "neither"),
        ("x-", "neither"),
        ("a..b", "neither"),
        ("ntp://host", "port '//host'"),
        ("host/24", "neither"),
        ("a" * 64, "neither"),
        (".".join(["a"] * 128), "neither"),
        ("host:", "port ''"),
        ("host:0", "port '0'"),
        ("host:65536", "port '65536'"),
        ("host:-1", "port '-1'"),
        ("host:ntp", "port 'ntp'"),
        ("[::1]:", "port ''"),
        ("[::1]124", "form"),
        ("[::1", "form"),
        ("[127.0.0.1]:123", "form"),
        ("127.1", "valid address"),
        ("127.0.0.256:123", "valid address"),
        ("1:2:3", "valid address"),
        ("0.0.0.0", "one host"),
        ("[::]:123", "one host"),
        ("224.0.1.1", "one host"),
        ("ff02::101", "one host"),
        ("255.255.255.255", "one host"),
    ],
)
def test_a_wrong_target_is_refused_with_the_text_and_what_to_write(text: str, says: str) -> None:
    with pytest.raises(ValueError, match="NTP server") as refused:
        parse_target(text)
    assert says in str(refused.value)
    assert "write host" in str(refused.value) or "127.0.0.1:123" in str(refused.value)


@pytest.mark.parametrize("text", ["127.0.0.1:123", "[::1]:124", "ntp.example:9"])
def test_target_is_written_as_it_is_read(text: str) -> None:
    assert str(parse_target(text)) == text
