"""Blocks of header fields as they arrive, in one frame or in several."""

from hpack import Decoder, HPACKError, OversizedHeaderListError

from chassis.grpc.http2.wire import Code, Http2Error, RawHeaders

# h2 (4.4) allows as many; where a block is larger than what it says may be, it is given up anyway.
MOST_CONTINUATIONS = 64


class Block:
    """A block whose end has not come."""

    def __init__(self, stream_id: int, ended: bool, first: bytes) -> None:
        self.stream_id = stream_id
        self.ended = ended  # the stream ends with it
        self._parts = [first]
        self._size = len(first)

    def add(self, part: bytes, most: int) -> None:
        """Take a part; raise Http2Error for too many, or too much."""
        self._parts.append(part)
        self._size += len(part)
        if len(self._parts) > MOST_CONTINUATIONS or self._size > most:
            raise Http2Error("the header does not end", Code.ENHANCE_YOUR_CALM)

    def whole(self) -> bytes:
        """Return all of it."""
        return b"".join(self._parts)


def fields(decoder: Decoder, block: bytes) -> RawHeaders:
    """Decode a block; raise Http2Error."""
    try:
        return list(decoder.decode(block, raw=True))
    except OversizedHeaderListError:
        raise Http2Error("the header is too large", Code.ENHANCE_YOUR_CALM) from None
    except (HPACKError, IndexError, TypeError, ValueError):
        raise Http2Error("the header is no HPACK", Code.COMPRESSION_ERROR) from None
