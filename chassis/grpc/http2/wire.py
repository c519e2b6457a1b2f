"""Frames as they are on the wire, and the numbers that RFC 9113 gives to things."""

import struct
from collections.abc import Iterator
from enum import IntEnum

RawHeaders = list[tuple[bytes, bytes]]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD_BYTES = 9
LEAST_FRAME_BYTES = 2**14  # what everybody takes, and the most that we take
MOST_FRAME_BYTES = 2**24 - 1
FIRST_WINDOW = 2**16 - 1
LARGEST = 2**31 - 1  # of windows and of streams' numbers

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = range(5)
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(5, 10)

END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
WITH_PRIORITY = 0x20

ENABLE_PUSH = 0x2
MAX_CONCURRENT_STREAMS = 0x3
INITIAL_WINDOW_SIZE = 0x4
MAX_FRAME_SIZE = 0x5
MAX_HEADER_LIST_SIZE = 0x6
ENABLE_CONNECT_PROTOCOL = 0x8

_HEAD = struct.Struct(">BHBBI")
_SETTING = struct.Struct(">HI")
_NUMBER = struct.Struct(">I")
_TWO_NUMBERS = struct.Struct(">II")


class Code(IntEnum):
    """Why a stream or a connection ends."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    INTERNAL_ERROR = 0x2
    FLOW_CONTROL_ERROR = 0x3
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    COMPRESSION_ERROR = 0x9
    ENHANCE_YOUR_CALM = 0xB


class Http2Error(Exception):
    """The connection must end: the other end breaks the rules."""

    def __init__(self, sentence: str, code: Code = Code.PROTOCOL_ERROR) -> None:
        super().__init__(sentence)
        self.code = code


class StreamGone(Http2Error):
    """What was to be sent on a stream that has ended."""


class TooManyStreams(Http2Error):
    """The other end takes no more calls at a time."""


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """Return a frame."""
    size = len(payload)
    return _HEAD.pack(size >> 16, size & 0xFFFF, kind, flags, stream_id) + payload


def settings(values: dict[int, int]) -> bytes:
    """Return a SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(*each) for each in values.items()))


def number_frame(kind: int, stream_id: int, number: int) -> bytes:
    """Return a frame of a single number: RST_STREAM or WINDOW_UPDATE."""
    return frame(kind, 0, stream_id, _NUMBER.pack(number))


def goaway(last_stream_id: int, code: int) -> bytes:
    """Return a GOAWAY frame."""
    return frame(GOAWAY, 0, 0, _TWO_NUMBERS.pack(last_stream_id, code))


def number_in(payload: bytes) -> int:
    """Read a payload that begins with a number; raise Http2Error where it is too short."""
    if len(payload) < _NUMBER.size:
        raise Http2Error("a frame is too short", Code.FRAME_SIZE_ERROR)
    return int(_NUMBER.unpack_from(payload)[0])


def settings_in(payload: bytes) -> list[tuple[int, int]]:
    """Read settings; raise Http2Error."""
    if len(payload) % _SETTING.size:
        raise Http2Error("settings are cut", Code.FRAME_SIZE_ERROR)
    return list(_SETTING.iter_unpack(payload))


def unpadded(flags: int, payload: bytes) -> bytes:
    """Return the payload of DATA or HEADERS without what fills it up; raise Http2Error."""
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise Http2Error("padding is more than there is")
    return payload[1 : len(payload) - payload[0]]


class Splitter:
    """Bytes, as they come, into frames."""

    def __init__(self, preface: bytes) -> None:
        self._preface = preface  # what must come first
        self._rest = b""

    def frames(self, data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
        """Yield kind, flags, stream and payload of what is complete; raise Http2Error."""
        if self._preface:
            size = min(len(data), len(self._preface))
            if data[:size] != self._preface[:size]:
                raise Http2Error("this is no HTTP/2")
            self._preface, data = self._preface[size:], data[size:]
        buffer = self._rest + data if self._rest else data
        at, end = 0, len(buffer)
        while end - at >= HEAD_BYTES:
            high, low, kind, flags, stream_id = _HEAD.unpack_from(buffer, at)
            size = high << 16 | low
            if size > LEAST_FRAME_BYTES:
                raise Http2Error("a frame is too large", Code.FRAME_SIZE_ERROR)
            begin = at + HEAD_BYTES
            if end - begin < size:
                break
            at = begin + size
            yield kind, flags, stream_id & LARGEST, buffer[begin:at]
        self._rest = buffer[at:]
