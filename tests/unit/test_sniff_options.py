"""Arguments that cannot be used are refused with key, value, rule and fix; the text of a passphrase never shows."""

import argparse
from pathlib import Path

import pytest

from sidecar.carp.auth import Key
from sidecar.errors import ConfigError
from sidecar.sniff.command import main
from sidecar.sniff.options import read_addresses, read_keys, read_options


def arguments(**given: object) -> argparse.Namespace:
    names = ("interface", "pcap", "passphrase_file", "addresses", "vhid", "count", "seconds")
    return argparse.Namespace(**{**dict.fromkeys(names), "json": False, **given})


@pytest.mark.parametrize(
    ("content", "secrets"),
    [
        (b"secret\n", [b"secret"]),
        (b"secret", [b"secret"]),
        (b"new\nold\n", [b"new", b"old"]),
        (b"new\r\nold\r\n", [b"new", b"old"]),
        (b"", [b""]),
        (b"\n", [b""]),
        (b"secret\n\n", [b"secret", b""]),
        (b" blank \n", [b" blank "]),
        (b"p\xc3\xa4sswort\n", [b"p\xc3\xa4sswort"]),
        (b"abcdefghijklmnopqrs\n", [b"abcdefghijklmnopqrs"]),
    ],
)
def test_a_passphrase_a_line_and_it_may_be_empty(tmp_path: Path, content: bytes, secrets: list[bytes]) -> None:
    file = tmp_path / "passphrases"
    file.write_bytes(content)
    keys = read_keys(file)
    assert list(keys) == [Key(secret) for secret in secrets]
    assert [key.number for key in keys] == list(range(1, len(secrets) + 1))


def test_twenty_bytes_are_one_too_many_and_the_message_says_what_bsd_does(tmp_path: Path) -> None:
    file = tmp_path / "passphrases"
    file.write_bytes(b"short\nabcdefghijklmnopqrst\n")
    with pytest.raises(ConfigError, match=r"line 2 has 20 bytes; BSD and ucarp use at most 19.*its first 19") as caught:
        read_keys(file)
    assert "abcdef" not in str(caught.value)


def test_a_passphrase_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--passphrase-file=.*cannot be read \(No such file"):
        read_keys(tmp_path / "missing")
    with pytest.raises(ConfigError, match=r"cannot be read \(Is a directory"):
        read_keys(tmp_path)
    (tmp_path / "long").write_bytes(b"x\n" * 4096)
    with pytest.raises(ConfigError, match="longer than 4096 bytes"):
        read_keys(tmp_path / "long")


def test_addresses_with_and_without_prefix_and_twice() -> None:
    given = read_addresses("10.9.0.100/24, fd99::1,10.9.0.100")
    assert [str(address) for address in given] == ["10.9.0.100", "fd99::1", "10.9.0.100"]


@pytest.mark.parametrize("given", ["10.9.0", "", "10.9.0.1,,10.9.0.2", "eth0", "224.0.0.18", "::", "127.0.0.1", "::1"])
def test_what_can_be_no_virtual_address(given: str) -> None:
    with pytest.raises(ConfigError, match="--addresses="):
        read_addresses(given)


@pytest.mark.parametrize(
    ("key", "given"),
    [
        ("vhid", "0"),
        ("vhid", 256),
        ("vhid", "one"),
        ("count", 0),
        ("count", "many"),
        ("seconds", "0"),
        ("seconds", "-1"),
        ("seconds", "nan"),
        ("seconds", "inf"),
        ("seconds", "soon"),
    ],
)
def test_numbers_out_of_range(key: str, given: object) -> None:
    with pytest.raises(ConfigError, match=f"--{key}={given}: must be"):
        read_options(arguments(pcap="a.pcap", **{key: given}))


def test_numbers_as_text_or_as_numbers() -> None:
    for values in ({"vhid": "7", "count": "3", "seconds": "1.5"}, {"vhid": 7, "count": 3, "seconds": 1.5}):
        options = read_options(arguments(pcap=Path("a.pcap"), **values))
        assert (options.vhid, options.count, options.seconds, options.pcap) == (7, 3, 1.5, "a.pcap")


@pytest.mark.parametrize("given", [{}, {"interface": "eth0", "pcap": "a.pcap"}])
def test_one_source_and_only_one(given: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="one of the two"):
        main(arguments(**given))


def test_an_interface_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(
        ConfigError, match=r"--interface=eth99: there is no such interface here; name one of them: .*lo"
    ):
        main(arguments(interface="eth99"))


@pytest.mark.parametrize("key", ["interface", "pcap", "passphrase_file"])
def test_an_empty_name_is_told_as_that_and_nothing_is_read(key: str) -> None:
    with pytest.raises(ConfigError, match=f"^--{key.replace('_', '-')}='': is empty"):
        read_options(arguments(**{key: ""}))


def test_keys_do_not_print(tmp_path: Path) -> None:
    file = tmp_path / "passphrases"
    file.write_bytes(b"verysecret\n")
    assert "verysecret" not in repr(read_options(arguments(pcap="a.pcap", passphrase_file=file)))
