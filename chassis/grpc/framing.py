"""gRPC's framing on HTTP/2: the one message of a body, and how long a call may take."""

import re
import struct
import zlib

from grpc import StatusCode
from nameko_grpc.errors import GrpcError

MAX_MESSAGE_BYTES = 4 * 1024 * 1024

_PREFIX = struct.Struct(">BI")
_WINDOW_BITS = {"gzip": 31, "deflate": 15}
ENCODINGS = ("identity", *_WINDOW_BITS)

_TIMEOUT = re.compile(r"(\d{1,8})([HMSmun])", re.ASCII)
_UNIT_SECONDS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


def pack(message: bytes) -> bytes:
    """Return a message as it goes into a body, uncompressed."""
    return _PREFIX.pack(0, len(message)) + message


class Body:
    """The bytes of one message as they arrive, refused as soon as they say that they are too many.

    nameko-grpc (1.4.0rc3) had no limit: a frame of 65 kB could become a message of 200 MB.
    """

    def __init__(self, limit: int = MAX_MESSAGE_BYTES) -> None:
        self.limit = limit
        self._data = bytearray()

    def add(self, data: bytes) -> None:
        """Take more bytes; raise GrpcError when the message is too large or not alone."""
        self._data += data
        if len(self._data) < _PREFIX.size:
            return
        _, length = _PREFIX.unpack_from(self._data)
        if length > self.limit:
            raise self._too_large()
        if len(self._data) > _PREFIX.size + length:
            raise GrpcError(StatusCode.UNIMPLEMENTED, "A call carries one message.")

    def message(self, encoding: str = "identity") -> bytes:
        """Return the message; raise GrpcError when it is missing, cut or not what it says."""
        if len(self._data) < _PREFIX.size:
            raise GrpcError(StatusCode.INVALID_ARGUMENT, "The message is missing.")
        compressed, length = _PREFIX.unpack_from(self._data)
        message = bytes(self._data[_PREFIX.size :])
        if len(message) != length or compressed > 1:
            raise GrpcError(StatusCode.INVALID_ARGUMENT, "The message is malformed.")
        return self._inflate(message, encoding) if compressed else message

    def _inflate(self, data: bytes, encoding: str) -> bytes:
        if encoding not in _WINDOW_BITS:
            raise GrpcError(StatusCode.INTERNAL, "The message is compressed, but says not how.")
        inflater = zlib.decompressobj(_WINDOW_BITS[encoding])
        try:
            message = inflater.decompress(data, self.limit + 1)
        except zlib.error:
            raise GrpcError(StatusCode.INVALID_ARGUMENT, "The message is malformed.") from None
        if len(message) > self.limit:
            raise self._too_large()
        if not inflater.eof or inflater.unused_data:
            raise GrpcError(StatusCode.INVALID_ARGUMENT, "The message is malformed.")
        return message

    def _too_large(self) -> GrpcError:
        return GrpcError(
            StatusCode.RESOURCE_EXHAUSTED, f"The message is larger than {self.limit} bytes."
        )


def parse_timeout(value: str) -> float:
    """Return the seconds that a ``grpc-timeout`` names; raise GrpcError.

    nameko-grpc (1.4.0rc3) took ``-5S`` and ``1_0S``, and broke on ``S``.
    """
    match = _TIMEOUT.fullmatch(value)
    if not match:
        raise GrpcError(StatusCode.INVALID_ARGUMENT, "grpc-timeout is malformed.")
    return int(match[1]) * _UNIT_SECONDS[match[2]]


def format_timeout(seconds: float) -> str:
    """Return ``seconds`` as a ``grpc-timeout``.

    nameko-grpc (1.4.0rc3) rounded 2.4 seconds to 2 and 2.6 to 3.
    """
    milliseconds = max(1, int(seconds * 1000))
    return f"{min(milliseconds, 99_999_999)}m"
