"""What is read and judged: replies of an NTP server, a configuration, a capture. A bad one gets a typed error.

Configuration: environment, configuration file and passphrases, a line of ``%%`` between them.
"""

import io
import os
from contextlib import suppress
from pathlib import Path

from sidecar.errors import ConfigError
from sidecar.ntp.packet import COOKIE_LENGTH, Refusal, Reply, check
from sidecar.ntp.verdict import HealthLedger
from sidecar.settings import between, file, model, rules
from sidecar.settings.load import load
from sidecar.settings.passphrases import read_passphrases
from sidecar.sniff.capture import read_capture
from sidecar.sniff.dissect import dissect
from sidecar.sniff.frame import CaptureError
from sidecar.sniff.judge import Judge
from sidecar.sniff.render import as_json, as_text
from sidecar.sniff.summary import Summary
from tests.fuzz.node import ADDRESSES, VHID

COOKIE = bytes(range(1, 1 + COOKIE_LENGTH))
SECRET = "fuzz and tell none"
PART = b"\n%%\n"
_ORIGIN = 24
LATE = (between, file, model, rules)
"""What `load` would import by itself: here already, so that it is watched for coverage."""
_CONFIG, _KEYS = (Path(f"/proc/self/fd/{os.memfd_create(name)}") for name in ("config", "passphrases"))
"""Regular files that leave nothing behind, however the process ends."""


def ntp(data: bytes) -> None:
    """Datagrams after a byte that says how long each is; none counts that does not repeat our cookie."""
    size = 1 + data[0] if data else 1
    ledger = HealthLedger()
    for number, at in enumerate(range(1, len(data), size)):
        datagram = data[at : at + size]
        outcome = check(datagram, COOKIE)
        if datagram[_ORIGIN : _ORIGIN + COOKIE_LENGTH] != COOKIE:
            assert isinstance(outcome, Refusal), "a reply to somebody else's question"
            assert not outcome.kiss, "silenced by a stranger"
        if isinstance(outcome, Reply):
            assert (outcome.kiss or "").isascii()
            assert outcome.refid_text.isprintable()
            assert 0 <= outcome.root_distance_s < 1 << 17
            assert abs(outcome.reference_age_s or 0.0) <= 1 << 31
        ledger.feed(outcome, 1.25 * number)
        assert ledger.demotion in {0, 80, 160, 240}
        assert ledger.reason.isprintable()


def settings(data: bytes) -> None:
    """``ConfigError`` or settings that load again as they are; never a passphrase in what is said."""
    environ, config, keys = [*data.split(PART, 2), b"", b""][:3]
    _CONFIG.write_bytes(config)
    _KEYS.write_bytes(keys)
    _KEYS.chmod(0o600)
    with suppress(ConfigError):
        assert 1 <= len(read_passphrases(_KEYS)) <= 8
    lines = environ.decode("utf-8", "surrogateescape").replace("$CONFIG", str(_CONFIG)).replace("$KEYS", str(_KEYS))
    given = dict(line.split("=", 1) for line in lines.split("\n") if "=" in line)
    try:
        loaded = load({}, given)
    except ConfigError as error:
        hidden = SECRET.encode() not in environ + config  # as a value of a setting it may well be told
        _is_said_well(error, SECRET if hidden else "\0")
        return
    assert load(loaded.given.flags, loaded.given.environ) == loaded
    vhids = [vhost.config.vhid for vhost in loaded.vhosts]
    assert len(set(vhids)) == len(vhids)
    assert all(0 < vhid < 256 for vhid in vhids)


def _is_said_well(error: ConfigError, secret: str) -> None:
    """A line a problem, each with a rule and a fix, without the secret."""
    for one in getattr(error, "errors", (error,)):
        assert one.key
        assert one.rule
        assert one.fix
        assert str(one).isprintable()
        assert secret not in str(one)


def capture(data: bytes) -> None:
    """A capture file, to the last line of `sniff`."""
    judge, summary = Judge([], ADDRESSES, VHID), Summary([], ADDRESSES, VHID)
    with suppress(CaptureError):
        for frame in read_capture(io.BufferedReader(io.BytesIO(data)), "fuzz.pcap"):
            seen = dissect(frame.link_type, frame.data)
            if seen is not None:
                judged = judge.judge(frame, seen)
                summary.add(judged)
                assert "\n" not in as_json(judged)
                assert as_text(judged)
    assert list(summary.lines())
