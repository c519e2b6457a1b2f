"""HTTP/1.1 requests off a socket, read as strictly as RFC 9112 asks.

eventlet's reader (0.41.3) and the standard library's beneath it let pass what makes two servers
in a row disagree about where a request ends: two lengths, odd transfer codings, folded lines,
bare line feeds. Here each of these is an answer and a closed connection.
"""

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

MAX_HEADERS = 100
_RECEIVE = 65536
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") ([\x21-\x7e\x80-\xff]+) HTTP/(\d)\.(\d)")
_HEADER = re.compile(rb"(" + _TOKEN + rb"):[ \t]*([\t\x20-\x7e\x80-\xff]*)")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(:\d{1,5})?")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(;[\t\x20-\x7e\x80-\xff]*)?")
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
_SINGLE = ("host", "content-length", "content-type", "authorization", "access-token")
_ABSOLUTE = re.compile(r"(?i)https?://[^/?#]+")


class Refusal(Exception):
    """A request that HTTP itself forbids; answered, and the connection closed."""

    def __init__(self, status: HTTPStatus, code: str, detail: str) -> None:
        super().__init__(status, code, detail)
        self.status = status
        self.code = code
        self.detail = detail


def bad(detail: str) -> Refusal:
    """Return the refusal of a malformed message."""
    return Refusal(HTTPStatus.BAD_REQUEST, "bad_request", detail)


@dataclass(frozen=True)
class Limits:
    """How much of a request is read at most, in bytes."""

    line: int
    head: int
    body: int


@dataclass
class Head:
    """The request line and the header of one request."""

    method: str
    target: str
    version: str
    headers: dict[str, list[str]]  # by name in small letters; every value, in order

    def all(self, name: str) -> list[str]:
        """Return every value given for a header, in order."""
        return self.headers.get(name, [])


class Reader:
    """Bytes of one connection: what was received beyond one request begins the next."""

    def __init__(self, sock: Any, limits: Limits) -> None:
        self.sock = sock
        self.limits = limits
        self.buffer = bytearray()

    def receive(self) -> bool:
        """Wait for more bytes; return False when the other end has closed."""
        more = self.sock.recv(_RECEIVE)
        self.buffer += more
        return bool(more)

    def _need(self) -> None:
        if not self.receive():
            raise ConnectionResetError("closed in the middle of a request")

    def head(self) -> Head:
        """Read up to the empty line and parse it; raise Refusal."""
        while (end := self._end_of_head()) < 0:
            self._check_unfinished()
            self._need()
        if end > self.limits.head:
            raise _too_large()
        raw = bytes(self.buffer[:end])
        del self.buffer[: end + 4]
        return parse_head(raw, self.limits)

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
            raise _too_large() if last else _too_long()
        if len(self.buffer) > self.limits.head:
            raise _too_large()

    def body(self, length: int | None) -> bytes:
        """Read the body: ``length`` bytes, or chunks where it is None; raise Refusal."""
        return self._chunks() if length is None else self._exactly(length)

    def check_length(self, length: int | None) -> None:
        """Raise Refusal for a body that is longer than allowed."""
        if length is not None and length > self.limits.body:
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
                raise _too_large()
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
            if not _HEADER.fullmatch(line):
                raise bad("A line of the trailer is malformed.")
            if trailer > self.limits.line:
                raise _too_large()
        return bytes(body)

    def _chunk_size(self) -> int:
        match = _CHUNK_SIZE.fullmatch(self._line())
        if not match:
            raise bad("The size of a chunk is malformed.")
        return int(match[1], 16)


def parse_head(raw: bytes, limits: Limits) -> Head:
    """Parse a request line and header without its empty line; raise Refusal."""
    first, *lines = raw.split(b"\r\n")
    if len(first) > limits.line:
        raise _too_long()
    match = _REQUEST_LINE.fullmatch(first)
    if not match:
        raise bad("The request line is malformed.")
    if match[3] != b"1":
        raise Refusal(
            HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "http_version_not_supported", "Speak HTTP/1.1."
        )
    if len(lines) > MAX_HEADERS:
        raise _too_large()
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, value = _parse_header(line, limits)
        headers.setdefault(name, []).append(value)
    _check_single(headers)
    version = "HTTP/1.0" if match[4] == b"0" else "HTTP/1.1"
    head = Head(match[1].decode("latin-1"), match[2].decode("latin-1"), version, headers)
    _check_host(head)
    head.target = _origin_form(head)
    return head


def _parse_header(line: bytes, limits: Limits) -> tuple[str, str]:
    if len(line) > limits.line:
        raise _too_large()
    match = _HEADER.fullmatch(line)
    if not match:
        raise bad("A header line is malformed.")
    return match[1].decode("latin-1").lower(), match[2].decode("latin-1").rstrip(" \t")


def _check_single(headers: dict[str, list[str]]) -> None:
    for name in _SINGLE:
        if len(headers.get(name, ())) > 1:
            raise bad(f"{name.title()} is given more than once.")


def _check_host(head: Head) -> None:
    hosts = head.all("host")
    if not hosts and head.version != "HTTP/1.0":
        raise bad("Send a Host header.")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise bad("The Host header is malformed.")


def _origin_form(head: Head) -> str:
    """Return path and query of the target, which may also be a whole URL, or ``*``."""
    target = head.target
    if absolute := _ABSOLUTE.match(target):
        target = target[absolute.end() :]
        target = target if target.startswith("/") else "/" + target
    if "#" in target or not (target.startswith("/") or (target, head.method) == ("*", "OPTIONS")):
        raise bad("The request target is malformed.")
    return target


def body_length(head: Head) -> int | None:
    """Return how long the body is, or None where it comes in chunks; raise Refusal."""
    lengths, codings = head.all("content-length"), head.all("transfer-encoding")
    if codings:
        if lengths or head.version == "HTTP/1.0" or [c.lower() for c in codings] != ["chunked"]:
            raise bad("Send either Content-Length or Transfer-Encoding: chunked.")
        return None
    if not lengths:
        return 0
    if not re.fullmatch(r"[0-9]{1,15}", lengths[0]):
        raise bad("Content-Length is malformed.")
    return int(lengths[0])


def _too_long() -> Refusal:
    return Refusal(HTTPStatus.REQUEST_URI_TOO_LONG, "url_too_long", "The URL is too long.")


def _too_large() -> Refusal:
    return Refusal(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "header_too_large", "The header is too large."
    )
