"""HTTP/1.1 requests off a socket: the head, and a body of known length or in chunks."""

import re
from http import HTTPStatus
from typing import Any

from chassis.http.head import (
    HEADER_LINE,
    Head,
    Limits,
    Refusal,
    bad,
    parse_head,
    too_large,
    too_long,
)

_RECEIVE = 65536
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(;[\t\x20-\x7e\x80-\xff]*)?")
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")


class Reader:
    """Bytes of one connection: what was received beyond one request begins the next."""

    def __init__(self, sock: Any, limits: Limits) -> None:
        self.sock = sock
        self.limits = limits
        self.buffer = bytearray()
        self._longest = limits.body

    def receive(self) -> bool:
        """Wait for more bytes; return False when the other end has closed."""
        more = self.sock.recv(_RECEIVE)
        self.buffer += more
        return bool(more)

    def _need(self) -> None:
        if not self.receive():
            raise ConnectionResetError("closed in the middle of a request")

    def has_head(self) -> bool:
        """Tell whether a whole head has been received."""
        return self._end_of_head() >= 0

    def has(self, length: int | None) -> bool:
        """Tell whether a body of this length has been received; of one in chunks, nobody knows."""
        return length is not None and len(self.buffer) >= length

    def head(self) -> Head:
        """Read up to the empty line and parse it; raise Refusal."""
        while (end := self._end_of_head()) < 0:
            self._check_unfinished()
            self._need()
        if end > self.limits.head:
            raise too_large()
        raw = bytes(self.buffer[:end])
        del self.buffer[: end + 4]
        head = parse_head(raw, self.limits)
        self._longest = self.limits.body_of(head)
        return head

    def _end_of_head(self) -> int:
        while self.buffer.startswith(b"\r\n"):  # RFC 9112, 2.2: left over from a request before
            del self.buffer[:2]
        return self.buffer.find(b"\r\n\r\n")

    def _check_unfinished(self) -> None:
        """Refuse early what no further byte can make good."""
        if _BARE_LINE_FEED.search(self.buffer):
            raise bad("A line ends without a carriage return.")
        last = self.buffer.rfind(b"\n") + 1
        if len(self.buffer) - last > self.limits.line + 1:
            raise too_large() if last else too_long()
        if len(self.buffer) > self.limits.head:
            raise too_large()

    def body(self, length: int | None) -> bytes:
        """Read the body: ``length`` bytes, or chunks where it is None; raise Refusal."""
        return self._chunks() if length is None else self._exactly(length)

    def check_length(self, length: int | None) -> None:
        """Raise Refusal for a body that is longer than allowed."""
        if length is not None and length > self._longest:
            raise Refusal(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large", "The body is too large."
            )

    def _exactly(self, length: int) -> bytes:
        self.check_length(length)
        while len(self.buffer) < length:
            self._need()
        raw = bytes(self.buffer[:length])
        del self.buffer[:length]
        return raw

    def _line(self) -> bytes:
        while (end := self.buffer.find(b"\n")) < 0:
            if len(self.buffer) > self.limits.line:
                raise too_large()
            self._need()
        raw = bytes(self.buffer[: end + 1])
        del self.buffer[: end + 1]
        if not raw.endswith(b"\r\n") or len(raw) > self.limits.line + 2:
            raise bad("A line of the chunked body is malformed.")
        return raw[:-2]

    def _chunks(self) -> bytes:
        body = bytearray()
        while size := self._chunk_size():
            self.check_length(len(body) + size)
            body += self._exactly(size)
            if self._exactly(2) != b"\r\n":
                raise bad("A chunk is longer than it says.")
        trailer = 0
        while line := self._line():
            trailer += len(line)
            if not HEADER_LINE.fullmatch(line):
                raise bad("A line of the trailer is malformed.")
            if trailer > self.limits.line:
                raise too_large()
        return bytes(body)

    def _chunk_size(self) -> int:
        match = _CHUNK_SIZE.fullmatch(self._line())
        if not match:
            raise bad("The size of a chunk is malformed.")
        return int(match[1], 16)
