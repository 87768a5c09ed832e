"""What a file of passphrases may hold, and that what it holds never shows."""

import os
from pathlib import Path

import pytest

from sidecar.errors import ConfigError
from sidecar.settings.passphrases import examine, read_passphrases


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "passphrases"
    path.touch(0o600)
    return path


@pytest.mark.parametrize(
    ("content", "keys"),
    [
        (b"one", (b"one",)),
        (b"one\n", (b"one",)),
        (b"one\r\n", (b"one",)),
        (b"one\ntwo\n", (b"one", b"two")),
        (b"one\r\ntwo", (b"one", b"two")),
        (b" a b \n", (b" a b ",)),
        (b"#one\n", (b"#one",)),
        (b"1234567890123456789\n", (b"1234567890123456789",)),
        (b"\xc3\xa9\xff\n", (b"\xc3\xa9\xff",)),
        (b"\n".join(b"%d" % number for number in range(8)), tuple(b"%d" % number for number in range(8))),
    ],
)
def test_a_passphrase_is_a_line(file: Path, content: bytes, keys: tuple[bytes, ...]) -> None:
    file.write_bytes(content)
    assert read_passphrases(file) == keys


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "is empty"),
        (b"\n", "line 1 is empty"),
        (b"hunter2\n\n", "line 2 is empty"),
        (b"hunter2\n\nother\n", "line 2 is empty"),
        (b"\r\nhunter2\r\n", "line 1 is empty"),
        (b"hunter2hunter2hunter2\n", "line 1 has 21 bytes; BSD and ucarp use at most 19"),
        (b"ok\n12345678901234567890\n", "line 2 has 20 bytes; BSD and ucarp use at most 19"),
        (b"\xef\xbb\xbfhunter2\n", "line 1 starts with a byte order mark"),
        (b"hunter2\0\n", "line 1 holds a control character"),
        (b"hunter2\r", "line 1 holds a control character"),
        (b"hun\rter2\n", "line 1 holds a control character"),
        (b"hunter2\r\r\n", "line 1 holds a control character"),
        (b"hunter2\n" * 9, "holds 9 lines, more than 8"),
        (b"hunter2\n" * 600, "is longer than 4096 bytes"),
    ],
)
def test_what_other_implementations_cannot_use_is_refused(file: Path, content: bytes, rule: str) -> None:
    file.write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        read_passphrases(file, "CARP_PASSPHRASE_FILE")
    assert (refused.value.key, refused.value.value, refused.value.rule) == ("CARP_PASSPHRASE_FILE", str(file), rule)
    assert refused.value.fix
    assert "hunter" not in str(refused.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read \\(No such file"):
        read_passphrases(tmp_path / "none")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a regular file"):
        read_passphrases(tmp_path)


@pytest.mark.timeout(20)
def test_a_named_pipe_is_refused_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ConfigError, match="is not a regular file"):
        read_passphrases(pipe)


def test_a_link_to_a_file_is_read_as_kubernetes_mounts_secrets(file: Path, tmp_path: Path) -> None:
    file.write_bytes(b"one\n")
    link = tmp_path / "link"
    link.symlink_to(file)
    assert read_passphrases(link) == (b"one",)


@pytest.mark.parametrize(
    ("content", "mode", "warnings"),
    [
        (b"one\ntwo\n", 0o640, []),
        (b"one\n", 0o602, ["others than its owner may change it"]),
        (b"one\none\n", 0o600, ["line 2 repeats an earlier one"]),
        (b"one \n", 0o600, ["line 1 begins or ends with a blank, which is part of the passphrase"]),
    ],
)
def test_what_is_unwise_is_a_warning(file: Path, content: bytes, mode: int, warnings: list[str]) -> None:
    file.write_bytes(content)
    file.chmod(mode)
    assert list(examine(file).warnings) == [f"{file}: {warning}" for warning in warnings]


def test_keys_do_not_print(file: Path) -> None:
    file.write_bytes(b"hunter2\n")
    assert "hunter" not in repr(examine(file))
