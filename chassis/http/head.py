"""The head of an HTTP/1.1 request, parsed as strictly as RFC 9112 asks.

eventlet's parser (0.41.3) and the standard library's beneath it let pass what makes two servers
in a row disagree about where a request ends: two lengths, odd transfer codings, folded lines,
bare line feeds. Here each of these is an answer and a closed connection.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

MAX_HEADERS = 100
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") ([\x21-\x7e\x80-\xff]+) HTTP/(\d)\.(\d)")
HEADER_LINE = re.compile(rb"(" + _TOKEN + rb"):[ \t]*([\t\x20-\x7e\x80-\xff]*)")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(:\d{1,5})?")
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
    bodies: Mapping[str, int] = field(default_factory=dict)  # by path, where it is another one

    def body_of(self, head: "Head") -> int:
        """Return how long the body of a request may be."""
        return self.bodies.get(head.target.partition("?")[0], self.body)


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


def parse_head(raw: bytes, limits: Limits) -> Head:
    """Parse a request line and header without its empty line; raise Refusal."""
    first, *lines = raw.split(b"\r\n")
    if len(first) > limits.line:
        raise too_long()
    match = _REQUEST_LINE.fullmatch(first)
    if not match:
        raise bad("The request line is malformed.")
    if match[3] != b"1":
        raise Refusal(
            HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "http_version_not_supported", "Speak HTTP/1.1."
        )
    if len(lines) > MAX_HEADERS:
        raise too_large()
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
        raise too_large()
    match = HEADER_LINE.fullmatch(line)
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


def too_long() -> Refusal:
    """Return the refusal of a request line over the limit."""
    return Refusal(HTTPStatus.REQUEST_URI_TOO_LONG, "url_too_long", "The URL is too long.")


def too_large() -> Refusal:
    """Return the refusal of a header over the limit."""
    return Refusal(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "header_too_large", "The header is too large."
    )
