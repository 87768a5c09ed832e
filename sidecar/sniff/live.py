"""Frames of CARP and VRRP as they pass an interface: AF_PACKET, promiscuous, both directions, a kernel filter in front.

Listens only: nothing is sent, no address or membership of IP is touched. Needs CAP_NET_RAW.
"""

import contextlib
import ctypes
import errno
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Final, NamedTuple, Self

from sidecar.errors import ConfigError, HostError
from sidecar.sniff.dissect import ETHERNET, RAW_IP, dissect
from sidecar.sniff.frame import MAX_FRAME, Frame

_ETH_P_ALL: Final = 3
_SOL_PACKET, _ADD_MEMBERSHIP, _STATISTICS, _AUXDATA = 263, 1, 6, 8
_PROMISCUOUS, _ALL_MULTICAST = 1, 2
_OUTGOING: Final = 4
_SO_ATTACH_FILTER, _SO_RCVBUFFORCE, _SO_TIMESTAMPNS = 26, 33, 35
_CHECK_SECONDS: Final = 1.0
"""How soon we notice that the interface was deleted: the kernel tells only that it went down."""
_ARPHRD_ETHERNET, _ARPHRD_LOOPBACK = 1, 772
_VLAN_VALID, _VLAN_TYPE_VALID = 0x10, 0x40
_RECEIVE_BUFFER: Final = 4 << 20
_TIMESTAMP: Final = struct.Struct("@ll")
_AUXILIARY: Final = struct.Struct("@IIIHHHH")
_INSTRUCTION: Final = struct.Struct("@HBBI")

Instruction = tuple[int, int, int, int]


class _Heard(NamedTuple):
    """What the kernel says of a frame besides its bytes."""

    time: float | None
    tag: bytes
    """The VLAN tag that the network card or the kernel took out."""


class Tap:
    """An open ear on one interface. Use as a context manager; iterate over frames, without end.

    Only frames of protocol 112 are given out and numbered: which others pass the kernel's filter is chance.
    """

    def __init__(self, interface: str, remark: Callable[[str], None]) -> None:
        """Raises `ConfigError` when there is no such interface, `HostError` when it may not be listened to."""
        self._interface = interface
        self._remark = remark
        self._index = _index_of(interface)
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # protocol 0: deaf until bound
        except PermissionError as error:
            raise HostError(
                f"listening on {interface} needs CAP_NET_RAW: run as root, or read a capture with --pcap"
            ) from error
        try:
            self._prepare()
        except BaseException:
            self._socket.close()
            raise

    def _prepare(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(_SOL_PACKET, _AUXDATA, 1)
        with contextlib.suppress(PermissionError):  # beyond the machine's limit only with CAP_NET_ADMIN
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        try:
            self._socket.bind((self._interface, 0))
            if self._socket.getsockname()[3] in {_ARPHRD_ETHERNET, _ARPHRD_LOOPBACK}:
                attach_filter(self._socket, ETHERNET_FILTER)
            for kind in (_PROMISCUOUS, _ALL_MULTICAST):
                self._socket.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, struct.pack("@iHH8x", self._index, kind, 0))
            self._socket.bind((self._interface, _ETH_P_ALL))
            self._socket.settimeout(_CHECK_SECONDS)
        except OSError as error:
            raise HostError(f"cannot listen on {self._interface}: {error.strerror}") from error

    def __iter__(self) -> Iterator[Frame]:
        number = 1
        while True:
            data, ancillary, address = self._receive()
            if address[2] == _OUTGOING and address[3] == _ARPHRD_LOOPBACK:
                continue  # it comes in again at once
            heard = read_ancillary(ancillary)
            is_ethernet = address[3] in {_ARPHRD_ETHERNET, _ARPHRD_LOOPBACK}
            data = data[:12] + heard.tag + data[12:] if is_ethernet else data
            frame = Frame(number, heard.time, ETHERNET if is_ethernet else RAW_IP, data)
            if dissect(frame.link_type, data) is not None:
                number += 1
                yield frame

    def _receive(self) -> tuple[bytes, list[tuple[int, int, bytes]], tuple[str, int, int, int, bytes]]:
        while True:
            try:
                data, ancillary, _, address = self._socket.recvmsg(0x10000, 256)
            except TimeoutError:
                self._check_interface()
            except OSError as error:
                if error.errno != errno.ENETDOWN:
                    raise HostError(f"cannot listen on {self._interface} any longer: {error.strerror}") from error
                self._check_interface()
                self._remark(f"{self._interface} is down; waiting for it to come up")
            else:
                return data, ancillary, address

    def _check_interface(self) -> None:
        if (self._index, self._interface) not in socket.if_nameindex():
            raise HostError(f"{self._interface} is gone: it was deleted or renamed")

    def lost(self) -> int:
        """Frames since the last call that came faster than we read them."""
        counts: bytes = self._socket.getsockopt(_SOL_PACKET, _STATISTICS, 8)
        return int(struct.unpack("@II", counts)[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()


def _index_of(interface: str) -> int:
    try:
        return socket.if_nametoindex(interface)
    except OSError as error:
        names = ", ".join(name for _, name in socket.if_nameindex()) or "there is none"
        rule, fix = "there is no such interface here", f"name one of them: {names}"
        raise ConfigError("--interface", interface, rule, fix) from error


def read_ancillary(ancillary: Sequence[tuple[int, int, bytes]]) -> _Heard:
    """The time stamp and the VLAN tag out of what came with a frame."""
    time: float | None = None
    tag = b""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(data) >= _TIMESTAMP.size:
            seconds, nanoseconds = _TIMESTAMP.unpack_from(data)
            time = seconds + nanoseconds / 1e9
        elif level == _SOL_PACKET and kind == _AUXDATA and len(data) >= _AUXILIARY.size:
            status, _, _, _, _, tci, tpid = _AUXILIARY.unpack_from(data)
            if status & _VLAN_VALID:
                tag = struct.pack("!HH", tpid if status & _VLAN_TYPE_VALID else 0x8100, tci)
    return _Heard(time, tag)


def attach_filter(receiver: socket.socket, program: Sequence[Instruction]) -> None:
    """Have the kernel drop what the program does not accept. Raises ``OSError``."""
    packed = b"".join(_INSTRUCTION.pack(*instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(packed, len(packed))
    header = struct.pack("@HP", len(program), ctypes.addressof(buffer))
    receiver.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, header)


_LOAD_X, _LOAD_HALF, _LOAD_HALF_AT_X, _LOAD_BYTE_AT_X, _IF_EQUAL, _RETURN = 0x01, 0x28, 0x48, 0x50, 0x15, 0x06
_VLAN_TYPES: Final = (0x8100, 0x88A8, 0x9100)
_HOLDING_112_V4: Final = (112, 51)
_HOLDING_112_V6: Final = (112, 51, 0, 43, 44, 60)


class _Step(NamedTuple):
    """An instruction of classic BPF; ``yes`` and ``no`` are labels further down, empty for the next one."""

    code: int
    value: int
    yes: str = ""
    no: str = ""
    label: str = ""


def _assemble(steps: Sequence[_Step]) -> tuple[Instruction, ...]:
    places = {step.label: place for place, step in enumerate(steps) if step.label}

    def distance(place: int, label: str) -> int:
        return places[label] - place - 1 if label else 0

    return tuple(
        (step.code, distance(place, step.yes), distance(place, step.no), step.value) for place, step in enumerate(steps)
    )


ETHERNET_FILTER: Final = _assemble(
    (
        _Step(_LOAD_X, 0),
        _Step(_LOAD_HALF, 12),
        *(_Step(_IF_EQUAL, kind, yes="tagged") for kind in _VLAN_TYPES),
        _Step(_IF_EQUAL, 0, yes="type", no="type"),
        _Step(_LOAD_X, 4, label="tagged"),
        _Step(_LOAD_HALF_AT_X, 12, label="type"),
        *(_Step(_IF_EQUAL, kind, yes="accept") for kind in _VLAN_TYPES),
        _Step(_IF_EQUAL, 0x0800, yes="ipv4"),
        _Step(_IF_EQUAL, 0x86DD, yes="ipv6", no="reject"),
        _Step(_LOAD_BYTE_AT_X, 23, label="ipv4"),
        *(_Step(_IF_EQUAL, protocol, yes="accept") for protocol in _HOLDING_112_V4),
        _Step(_IF_EQUAL, 0, yes="reject", no="reject"),
        _Step(_LOAD_BYTE_AT_X, 20, label="ipv6"),
        *(_Step(_IF_EQUAL, header, yes="accept") for header in _HOLDING_112_V6),
        _Step(_RETURN, 0, label="reject"),
        _Step(_RETURN, MAX_FRAME, label="accept"),
    )
)
"""Protocol 112, or what may hold it: AH, IPv6 extension headers, a second VLAN tag. X is 4 behind a tag, else 0."""
