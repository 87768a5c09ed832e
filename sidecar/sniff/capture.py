"""Capture files, frame by frame: pcap and pcapng, either byte order, plain or gzip, from a file or a pipe.

scapy reads them. Where a file is cut or damaged its readers stop in silence, as at the end, so they read from a stream
that knows where a capture may end. Import this only to read one: scapy comes with it.
"""

import gzip
import logging
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from typing import Final

from sidecar.sniff.frame import MAX_FRAME, CaptureError, Frame


@contextmanager
def _homeless() -> Iterator[None]:
    """scapy fills folders in the user's home when it is imported; whoever looks at a capture wants none."""
    before = dict(os.environ)
    os.environ.update(dict.fromkeys(("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"), f"{os.devnull}/none"))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


with _homeless():
    from scapy.error import Scapy_Exception
    from scapy.utils import RawPcapNgReader, RawPcapReader

logging.getLogger("scapy").setLevel(logging.CRITICAL + 1)  # what it warns of is an error here, or nobody's business

_Record = tuple[float | None, int, bytes]

_Found = tuple[bytes, RawPcapNgReader.PacketMetadata] | None
_GZIP: Final = b"\x1f\x8b"
_SECTION: Final = b"\x0a\x0d\x0d\x0a"
_SECRETS, _PROCESS = 10, 0x80000001
_TSOFFSET: Final = 14
_SIZE_AT, _DATA_AT = 12, 20
"""In the blocks of a frame, the old and the present one alike."""
_MAX_BLOCK: Final = 16 << 20
_NO_LIMIT: Final = 0xFFFFFFFF


class _Input:
    """Bytes in order, with the place for messages; a read that comes short is an error, except where told."""

    def __init__(self, stream: BufferedReader | gzip.GzipFile, name: str) -> None:
        self._stream = stream
        self.name = name
        self.frame = 0
        self.may_end = True
        """The next read may find the end, and nothing before it."""
        self.ended = False

    def wrong(self, what: str) -> CaptureError:
        before = f"after frame {self.frame}" if self.frame else "before its first frame"
        return CaptureError(f"capture {self.name} is damaged {before}: {what}")

    def read(self, size: int) -> bytes:
        """Exactly ``size`` bytes, or none at all where the capture ends in order."""
        if not 0 <= size <= _MAX_BLOCK:
            raise self.wrong(f"the next block claims {size + 12} bytes")
        try:
            data = self._stream.read(size)
        except (OSError, EOFError, zlib.error) as error:
            raise self.wrong(str(error)) from error
        if len(data) < size and (data or not self.may_end):
            raise self.wrong(f"it was cut short, {size - len(data)} of {size} bytes are missing")
        self.ended, self.may_end = len(data) < size, False
        return data


class _Plain(RawPcapReader):
    """A pcap file."""

    f: _Input  # type: ignore[assignment] # of a file it only wants read()

    def record(self) -> _Record:
        """The next frame; ``EOFError`` when there is none."""
        self.f.may_end = True
        data, about = self._read_packet(MAX_FRAME)
        if about.caplen > len(data):
            raise self.f.wrong(f"the next frame claims {about.caplen} bytes")
        return about.sec + about.usec / (1_000_000_000 if self.nano else 1_000_000), self.linktype & 0xFFFF, data


class _Sections(RawPcapNgReader):
    """A pcapng file. Interfaces are numbered anew in each section, and a frame is as long as it says."""

    f: _Input  # type: ignore[assignment] # of a file it only wants read()

    def __init__(self, filename: str, source: _Input, magic: bytes) -> None:
        self._offsets: list[int] = []
        self._interface = 0
        super().__init__(filename, source, magic)  # type: ignore[arg-type]
        for kind in (_SECRETS, _PROCESS):
            del self.blocktypes[kind]

    def record(self) -> _Record:
        """The next frame; ``EOFError`` when there is none."""
        data, about = self._read_packet(MAX_FRAME)
        if about.tshigh is None:
            return None, about.linktype, data
        ticks = about.tshigh << 32 | about.tslow
        return self._offsets[self._interface] + ticks / about.tsresol, about.linktype, data

    def _read_block(self, size: int = MAX_FRAME) -> _Found:
        self.f.may_end = True
        return super()._read_block(size)

    def _read_block_shb(self) -> None:
        self.interfaces, self._offsets = [], []
        super()._read_block_shb()

    def _read_block_idb(self, block: bytes, size: int) -> None:
        """With the time's offset, which scapy does not know, and 0 for no limit."""
        super()._read_block_idb(block, size)
        link_type, most, options = self.interfaces[-1]
        self.interfaces[-1] = (link_type, most or _NO_LIMIT, options)
        offset = self._read_options(block[8:]).get(_TSOFFSET)
        known = offset if isinstance(offset, bytes) and len(offset) == 8 else bytes(8)
        self._offsets.append(struct.unpack(self.endian + "q", known)[0])

    def _read_block_epb(self, block: bytes, size: int) -> _Found:
        self._check_size(block)
        return super()._read_block_epb(block, size)

    def _read_block_pkt(self, block: bytes, size: int) -> _Found:
        self._check_size(block)
        return super()._read_block_pkt(block, size)

    def _check_size(self, block: bytes) -> None:
        if len(block) >= _DATA_AT:
            (size,) = struct.unpack_from(self.endian + "I", block, _SIZE_AT)
            if size > len(block) - _DATA_AT:
                raise self.f.wrong(f"a frame claims {size} bytes in a block of {len(block)}")

    def _check_interface_id(self, number: int) -> bool:
        if number >= len(self.interfaces):
            raise self.f.wrong(f"a frame names interface {number} of {len(self.interfaces)}")
        self._interface = number
        return True


def read_capture(stream: BufferedReader, name: str) -> Iterator[Frame]:
    """Every frame of a capture. ``CaptureError`` where it cannot be read on, after the frames before that."""
    source = _Input(gzip.GzipFile(fileobj=stream) if _starts_compressed(stream) else stream, name)
    magic = source.read(4)
    if not magic:
        raise CaptureError(f"capture {name} is empty: not even the header of a pcap file")
    reader = _reader(source, magic)
    while True:
        try:
            record = reader.record()
        except EOFError as error:
            if source.ended:
                return
            why = "a block's two lengths differ" if error.args else "a block is too short for its kind"
            raise source.wrong(why) from error
        source.frame += 1
        yield Frame(source.frame, *record)


def _starts_compressed(stream: BufferedReader) -> bool:
    try:
        return stream.peek(2)[:2] == _GZIP
    except OSError:
        return False  # the first read says it better


def _reader(source: _Input, magic: bytes) -> _Plain | _Sections:
    kind = _Sections if magic == _SECTION else _Plain
    try:
        # Not by scapy's metaclass, which opens files itself and goes back in them: this may be a pipe.
        reader: _Plain | _Sections = type.__call__(kind, source.name, source, magic)
    except Scapy_Exception as error:
        if kind is _Sections:
            raise source.wrong("its first section has no right header") from error
        raise CaptureError(
            f"{source.name} is no capture: it starts with {magic.hex()}, neither pcap nor pcapng; "
            "write one with tcpdump -w, dumpcap or Wireshark"
        ) from error
    return reader
