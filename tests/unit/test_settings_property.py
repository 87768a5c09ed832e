"""Whatever is typed, exported or written gives settings or errors that say what is wrong; nothing else, ever."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from sidecar.settings.load import load
from sidecar.settings.problems import ConfigErrors
from sidecar.settings.table import CONFIG, SETTINGS, SHORT_KEYS, VHOST_KEYS, env_name
from sidecar.settings.values import RunSettings

NEARLY = [
    *("0", "1", "7", "254", "255", "-1", "1e3", "auto", "on", "off", "", " ", "null", "~", "multicast", "strict"),
    *(
        "192.0.2.10",
        "192.0.2.10/24",
        "192.0.2.10,192.0.2.11",
        ",",
        "/",
        "::1",
        "2001:db8::1/64",
        "fe80::1%a",
        "[::1]:1",
    ),
    *("a:1", ":", "[", "]:1", "[]", "[:1", "/run/x", "/dev/null", "/", "\0", "\ud800", "é", "1\n", "²", "%", "eth0"),
]
ANYTHING = st.one_of(st.sampled_from(NEARLY), st.text(max_size=40), st.characters(exclude_categories=()))
SOME = st.dictionaries(st.sampled_from([*SHORT_KEYS, CONFIG]), ANYTHING, max_size=8)
ODD_NAMES = st.from_regex(r"CARP_[A-Za-z0-9_]{0,20}", fullmatch=True)
VALUES = st.recursive(
    st.none() | ANYTHING | st.integers() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*VHOST_KEYS, "x"]), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("settings")
    (folder / "passphrases").write_text("sesame\n")
    (folder / "passphrases").chmod(0o600)
    return folder


def check_errors(refused: ConfigErrors) -> None:
    lines = str(refused).splitlines()
    assert len(lines) == len(refused.errors) > 0
    assert all(line.isprintable() for line in lines)
    assert all(error.rule and error.fix for error in refused.errors)
    assert "sesame" not in str(refused)


def judged(flags: Mapping[str, str | None], environ: Mapping[str, str]) -> RunSettings | None:
    """The settings, or None when errors say what is wrong with them, a printable line each."""
    try:
        settings = load(flags, environ)
    except ConfigErrors as refused:
        check_errors(refused)
        return None
    assert all(1 <= vhost.config.vhid <= 255 and vhost.config.addresses for vhost in settings.vhosts)
    assert all(vhost.config.advbase or vhost.config.advskew for vhost in settings.vhosts)
    return settings


def good(folder: Path) -> dict[str, str]:
    return {"CARP_VHID": "1", "CARP_ADDRESSES": "192.0.2.1", "CARP_PASSPHRASE_FILE": str(folder / "passphrases")}


@pytest.mark.parametrize("key", SHORT_KEYS)
@limits(max_examples=25)
@given(value=ANYTHING)
def test_any_text_in_one_setting(folder: Path, key: str, value: str) -> None:
    judged({}, good(folder) | {env_name(key): value})
    judged({key: value}, good(folder))


@given(flags=SOME, environ=SOME, odd=st.dictionaries(ODD_NAMES, ANYTHING, max_size=3))
def test_any_texts_in_many_settings(
    folder: Path, flags: dict[str, str], environ: dict[str, str], odd: dict[str, str]
) -> None:
    judged(flags, good(folder) | {env_name(key): value for key, value in environ.items()} | odd)


@given(content=st.binary(max_size=200) | ANYTHING.map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(content=b"? [a]\n: b")
@example(content=b"? {a: b}\n: c")
@example(content=b"!!timestamp x: !!bool y")
@example(content=b"log: !!int text")
@example(content=b"<<: 7")
@example(content=b"<<: [{log: text}, *a]")
@example(content=b"=: 1")
@example(content=b"'': 1")
@example(content=b"null: 1")
@example(content=b"%YAML 9.9\n---\nlog: text")
@example(content=b"log: text\n---\nlog: json")
def test_any_bytes_in_the_file(folder: Path, content: bytes) -> None:
    config = folder / "bytes.yaml"
    config.write_bytes(content)
    judged({CONFIG: str(config)}, good(folder))
    judged({CONFIG: str(config)}, {})


@given(
    top=st.dictionaries(st.sampled_from([*SHORT_KEYS, "vhosts"]), VALUES, max_size=6),
    entries=st.lists(st.dictionaries(st.sampled_from(VHOST_KEYS), VALUES, max_size=6), max_size=3),
)
def test_any_structure_in_the_file(folder: Path, top: dict[str, object], entries: list[dict[str, object]]) -> None:
    config = folder / "structure.yaml"
    config.write_text(yaml.safe_dump(top | {"vhosts": entries}), "utf-8", "surrogatepass")
    judged({CONFIG: str(config)}, {})
    config.write_text(yaml.safe_dump(top), "utf-8", "surrogatepass")
    judged({CONFIG: str(config)}, good(folder))


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.timeout(20)
def test_references_that_multiply_do_not_grow(folder: Path) -> None:
    config = folder / "bomb.yaml"
    config.write_text(BOMB + "peers: *i\naddresses: *i\nvhosts: *i\n")
    assert judged({CONFIG: str(config)}, {}) is None


def test_the_defaults_are_good(folder: Path) -> None:
    given_as_texts = {row.env: row.default for row in SETTINGS if row.default}
    settings = judged({}, good(folder) | given_as_texts)
    assert settings is not None
    assert settings == judged({}, good(folder))
