"""The first inputs of every corpus, made of golden data: `python -m tests.fuzz.seeds` writes them where they lack."""

import struct
from pathlib import Path

from tests.fuzz.inputs import COOKIE, PART, SECRET
from tests.fuzz.million import KINDS, golden, sources_of
from tests.fuzz.node import settled, unmarked
from tests.fuzz.receive import NEXT
from tests.fuzz.targets import TARGETS
from tests.golden.recorded import DATA
from tests.unit.ntp_reply import reply_bytes


def receive() -> list[bytes]:
    """Both ends' own words, other implementations', and a newcomer that speaks without a marker."""
    inputs = []
    for number, kind in enumerate((KINDS[0], KINDS[2], KINDS[1], KINDS[3])):
        node = settled(**kind._asdict())
        inputs.append(bytes([number]) + NEXT.join(sources_of(node, kind)[:6]))
        inputs.append(bytes([number]) + NEXT.join([*unmarked(2), *node.peer.say(1, 0), *node.peer.say(255, 255)]))
    return inputs + [bytes([number % 4]) + frame for number, frame in enumerate(golden()[::12])]


def ntp() -> list[bytes]:
    """Good, unsynchronised, kisses, an era's end, a reference time ahead, short and long."""
    replies = [
        reply_bytes(COOKIE), reply_bytes(COOKIE, leap=3, stratum=0, refid=b"INIT"),
        reply_bytes(COOKIE, stratum=0, refid=b"RATE"), reply_bytes(COOKIE, stratum=0, refid=b"DENY"),
        reply_bytes(COOKIE, stratum=1, refid=b"GPS\0"), reply_bytes(COOKIE, age_s=-90.0), reply_bytes(bytes(8)),
        reply_bytes(COOKIE, refid=bytes((127, 127, 1, 0))), reply_bytes(COOKIE, transmit=5), reply_bytes(COOKIE)[:47],
        reply_bytes(COOKIE, dispersion_s=3.0), reply_bytes(COOKIE, stratum=9), reply_bytes(COOKIE, reference=0),
    ]  # fmt: skip
    return [*(bytes([47]) + reply for reply in replies), bytes([47]) + b"".join(replies[:4]), bytes([67]) + bytes(68)]


def settings() -> list[bytes]:
    """The short form, a file with several virtual hosts, wrong ones."""
    short = "CARP_VHID=10\nCARP_ADDRESSES=10.77.0.100,fd77::100/64\nCARP_PASSPHRASE_FILE=$KEYS\n"
    full = short + "CARP_ADVBASE=0\nCARP_ADVSKEW=5\nCARP_PEERS=10.77.0.12,fe80::12\nCARP_MAC=interface\nCARP_LEASE=0\n"
    more = "CARP_NTP=off\nCARP_HTTP=[::1]:8112\nCARP_CONTROL=/run/a.sock\nCARP_READINESS=health\nCARP_LOG=json\n"
    hosts = "vhosts:\n  - {vhid: 1, addresses: 192.0.2.1, passphrase_file: $KEYS, dialect: openbsd}\n"
    hosts += "  - vhid: 2\n    addresses: [192.0.2.2, '2001:db8::2']\n    passphrase_file: /nowhere\nnode: a-1\n"
    texts = [
        (short, "", SECRET), (full, "", f"{SECRET}\nother\n"), (short + more, "", SECRET), ("", "", ""),
        ("CARP_CONFIG=$CONFIG\n", hosts, SECRET), (short + "CARP_CONFIG=$CONFIG\n", "&a [*a]", SECRET * 2),
        ("CARP_VIHD=3\nCARP_SERVICE_HOST=10.0.0.1\nCARP_ADVBASE=0\nCARP_ADVSKEW=auto\n", "", "\ufeffa\n\n"),
    ]  # fmt: skip
    return [PART.join(part.encode() for part in one) for one in texts]


def control() -> list[bytes]:
    """Every command, right and wrong."""
    lines = [
        b'{"v": 1, "do": "status"}', b'{"v": 1, "do": "resign", "seconds": 5}', b'{"v": 1, "do": "resign"}',
        b'{"v": 1, "do": "maintenance", "on": true}', b'{"v": 2, "do": "status"}', b'{"v": 1, "do": "fly"}', b"[1]",
        b'{"v": 1, "do": "maintenance", "on": 1, "more": {}}', b'{"v": 1, "do": "resign", "seconds": 1e999}', b"{",
    ]  # fmt: skip
    return [*(line + b"\n" for line in lines), b"\n".join(lines) + b"\n", b"[" * 5000, b"{" * 4000 + b"\n"]


def http() -> list[bytes]:
    """Every page, as browsers, probes and nuisances ask for it."""
    pages = [b"/", b"/livez", b"/readyz", b"/role", b"/status", b"/metrics", b"/none?a=1", b"http://a/role"]
    asked = [b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % page for page in pages]
    odd = [b"HEAD /role HTTP/1.0\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", b"GET  HTTP/1.1\r\n\r\n"]
    odd += [
        b"GET / HTTP/1.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\n x:\r\n\r\n",
    ]
    return [*asked, *odd, asked[3] * 3 + odd[0], b"GET /" + b"a" * 8300, b"\x16\x03\x01\x02\0\x01\0\x01"]


def capture() -> list[bytes]:
    """The first frames of a recording, as pcap and as pcapng."""
    plain = (DATA / "pcaps" / "ucarp-v4-basic.pcap").read_bytes()[: 24 + 2 * (16 + 70)]
    frame = golden()[0]
    section = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
    interface = struct.pack("<IIHHII", 1, 20, 1, 0, 0, 20)
    padded = frame + bytes(-len(frame) % 4)
    size = 32 + len(padded)
    packet = struct.pack("<IIIIIII", 6, size, 0, 0, 7, len(frame), len(frame)) + padded + struct.pack("<I", size)
    return [plain, section + interface + packet, section + interface, plain[:24], b""]


def main() -> None:
    for make in (receive, ntp, settings, control, http, capture):
        folder: Path = TARGETS[make.__name__].corpus
        folder.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(make()):
            (folder / f"seed-{number:02}").write_bytes(data)


if __name__ == "__main__":
    main()
