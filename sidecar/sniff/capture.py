"""Capture files, frame by frame: pcap and pcapng, either byte order, plain or gzip, from a file or a pipe.

Own code, because a damaged capture must be told from one that ends: scapy's readers stop in silence where a file is
cut, and keep the interfaces of an earlier pcapng section. A frame is given out as soon as it is read.
"""

import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping
from io import BufferedReader
from struct import Struct
from typing import Final, NamedTuple

from sidecar.errors import SidecarError


class CaptureError(SidecarError):
    """A capture that cannot be read, or not any further."""


class Frame(NamedTuple):
    """One frame: its ``number`` from 1, seconds since 1970 (None: not recorded), LINKTYPE, and the bytes captured."""

    number: int
    time: float | None
    link_type: int
    data: bytes


_Record = tuple[float | None, int, bytes]

_GZIP: Final = b"\x1f\x8b"
_PCAP: Final[Mapping[bytes, tuple[str, int]]] = {  # byte order, ticks a second
    b"\xa1\xb2\xc3\xd4": (">", 1_000_000),
    b"\xd4\xc3\xb2\xa1": ("<", 1_000_000),
    b"\xa1\xb2\x3c\x4d": (">", 1_000_000_000),
    b"\x4d\x3c\xb2\xa1": ("<", 1_000_000_000),
}
_SECTION: Final = b"\x0a\x0d\x0d\x0a"
_BYTE_ORDER: Final = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}
_INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _PACKET = 1, 2, 3, 6
_TSRESOL, _TSOFFSET = 9, 14
MAX_FRAME: Final = 0x40000
"""Bytes: libpcap's own limit; more is damage."""
_MAX_BLOCK: Final = 16 << 20


class _Input:
    """Bytes in order, with the place for messages; a read that comes short is an error, except where told."""

    def __init__(self, stream: BufferedReader | gzip.GzipFile, name: str) -> None:
        self._stream = stream
        self.name = name
        self.frame = 0

    def wrong(self, what: str) -> CaptureError:
        before = f"after frame {self.frame}" if self.frame else "before its first frame"
        return CaptureError(f"capture {self.name} is damaged {before}: {what}")

    def take(self, size: int, *, may_end: bool = False) -> bytes:
        """Exactly ``size`` bytes; with ``may_end`` none at all where the capture ends in order."""
        try:
            data = self._stream.read(size)
        except (OSError, EOFError, zlib.error) as error:
            raise self.wrong(str(error)) from error
        if len(data) < size and (data or not may_end):
            raise self.wrong(f"it was cut short, {size - len(data)} of {size} bytes are missing")
        return data


def read_capture(stream: BufferedReader, name: str) -> Iterator[Frame]:
    """Every frame of a capture. ``CaptureError`` where it cannot be read on, after the frames before that."""
    source = _Input(gzip.GzipFile(fileobj=stream) if _starts_compressed(stream) else stream, name)
    magic = source.take(4, may_end=True)
    if not magic:
        raise CaptureError(f"capture {name} is empty: not even the header of a pcap file")
    for number, record in enumerate(_records(source, magic), start=1):
        source.frame = number
        yield Frame(number, *record)


def _starts_compressed(stream: BufferedReader) -> bool:
    try:
        return stream.peek(2)[:2] == _GZIP
    except OSError:
        return False  # the first read says it better


def _records(source: _Input, magic: bytes) -> Iterator[_Record]:
    if magic in _PCAP:
        return _pcap(source, *_PCAP[magic])
    if magic == _SECTION:
        return _Sections(source).records()
    raise CaptureError(
        f"{source.name} is no capture: it starts with {magic.hex()}, neither pcap nor pcapng; "
        "write one with tcpdump -w, dumpcap or Wireshark"
    )


def _pcap(source: _Input, order: str, ticks: int) -> Iterator[_Record]:
    *_, link_type = Struct(order + "HHiIII").unpack(source.take(20))
    header = Struct(order + "IIII")
    while head := source.take(header.size, may_end=True):
        seconds, fraction, size, _ = header.unpack(head)
        if size > MAX_FRAME:
            raise source.wrong(f"the next frame claims {size} bytes")
        yield seconds + fraction / ticks, link_type & 0xFFFF, source.take(size)


class _Interface(NamedTuple):
    link_type: int
    snaplen: int
    ticks: int
    offset: int


class _Sections:
    """The blocks of a pcapng file. Interfaces are numbered anew in each section."""

    def __init__(self, source: _Input) -> None:
        self._source = source
        self._interfaces: list[_Interface] = []
        self._order = ">"
        self._readers: Mapping[int, Callable[[bytes], _Record]] = {
            _OLD_PACKET: self._old_packet,
            _SIMPLE_PACKET: self._simple_packet,
            _PACKET: self._packet,
        }

    def records(self) -> Iterator[_Record]:
        """Starts behind the four bytes that told a section header."""
        kind = _SECTION
        while kind:
            if kind == _SECTION:
                self._begin_section()
            else:
                number = int.from_bytes(kind, "big" if self._order == ">" else "little")
                yield from self._block(number, self._body(self._source.take(4)))
            kind = self._source.take(4, may_end=True)

    def _begin_section(self) -> None:
        length = self._source.take(4)
        mark = self._source.take(4)
        if mark not in _BYTE_ORDER:
            raise self._source.wrong(f"a section has the byte order mark {mark.hex()}")
        self._order = _BYTE_ORDER[mark]
        self._interfaces = []
        self._body(length, mark)

    def _body(self, length: bytes, begun: bytes = b"") -> bytes:
        """What stands between a block's two lengths, without the bytes that were read already."""
        (total,) = self._unpack("I", length)
        if total % 4 or not 12 + len(begun) <= total <= _MAX_BLOCK:
            raise self._source.wrong(f"the next block claims {total} bytes")
        body = self._source.take(total - 12 - len(begun))
        if self._source.take(4) != length:
            raise self._source.wrong("a block's two lengths differ")
        return body

    def _block(self, kind: int, body: bytes) -> Iterator[_Record]:
        if kind == _INTERFACE:
            self._interfaces.append(self._interface(body))
        elif kind in self._readers:
            yield self._readers[kind](body)

    def _interface(self, body: bytes) -> _Interface:
        link_type, _, snaplen = self._unpack("HHI", body)
        ticks, offset = 1_000_000, 0
        for code, value in self._options(body[8:]):
            if code == _TSRESOL and value:
                ticks = (2 if value[0] & 0x80 else 10) ** (value[0] & 0x7F)
            elif code == _TSOFFSET and len(value) == 8:
                (offset,) = self._unpack("q", value)
        return _Interface(link_type, snaplen, ticks, offset)

    def _options(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        while len(data) >= 4:
            code, size = self._unpack("HH", data)
            yield code, data[4 : 4 + size]
            data = data[4 + size + -size % 4 :]

    def _packet(self, body: bytes) -> _Record:
        number, high, low, size, _ = self._unpack("IIIII", body)
        return self._timed(number, high << 32 | low, body, size)

    def _old_packet(self, body: bytes) -> _Record:
        number, _, high, low, size, _ = self._unpack("HHIIII", body)
        return self._timed(number, high << 32 | low, body, size)

    def _timed(self, number: int, ticks: int, body: bytes, size: int) -> _Record:
        interface = self._interface_of(number)
        return interface.offset + ticks / interface.ticks, interface.link_type, self._bytes(body, 20, size)

    def _simple_packet(self, body: bytes) -> _Record:
        """No time, and the interface is the first. What is captured ends at the snaplen; 0 is no limit."""
        (size,) = self._unpack("I", body)
        interface = self._interface_of(0)
        captured = min(size, interface.snaplen or size)
        return None, interface.link_type, self._bytes(body, 4, captured)

    def _interface_of(self, number: int) -> _Interface:
        if number >= len(self._interfaces):
            raise self._source.wrong(f"a frame names interface {number} of {len(self._interfaces)}")
        return self._interfaces[number]

    def _bytes(self, body: bytes, start: int, size: int) -> bytes:
        if start + size > len(body):
            raise self._source.wrong(f"a frame claims {size} bytes in a block of {len(body)}")
        return body[start : start + size]

    def _unpack(self, layout: str, data: bytes) -> tuple[int, ...]:
        reader = Struct(self._order + layout)
        if len(data) < reader.size:
            raise self._source.wrong(f"a block of {len(data)} bytes is too short for its kind")
        return reader.unpack_from(data)
