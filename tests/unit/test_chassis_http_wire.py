"""Requests as bytes: what is read, and what is refused."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.http.head import Head, Limits, Refusal, body_length
from chassis.http.wire import Reader

LIMITS = Limits(line=200, head=1000, body=100)


class Wire:
    """A socket that delivers what it was given, piece by piece."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.pieces = [piece for piece in pieces if piece]

    def recv(self, size: int) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""


def read(raw: bytes, *more: bytes) -> tuple[Head, bytes]:
    reader = Reader(Wire([raw, *more]), LIMITS)
    head = reader.head()
    return head, reader.body(body_length(head))


def status(raw: bytes) -> int:
    with pytest.raises(Refusal) as caught:
        read(raw)
    return caught.value.status.value


def a_head(*lines: bytes, first: bytes = b"GET / HTTP/1.1", host: bytes = b"Host: x") -> bytes:
    return b"\r\n".join([first, *([host] if host else []), *lines, b"", b""])


def chunked(body: bytes) -> bytes:
    return a_head(b"Transfer-Encoding: chunked") + body


def test_request_is_read() -> None:
    raw = a_head(b"A:  one ", b"a: two", b"Content-Length: 3", first=b"PUT /p?q=1 HTTP/1.1")
    head, body = read(raw + b"abcGET")

    assert (head.method, head.target, head.version) == ("PUT", "/p?q=1", "HTTP/1.1")
    assert head.all("a") == ["one", "two"]
    assert body == b"abc"


@given(st.data())
def test_pieces_do_not_matter(data: st.DataObject) -> None:
    raw = chunked(b"3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    edges = [0, *cuts, len(raw)]
    pieces = [raw[a:b] for a, b in pairwise(edges)]

    assert read(*(pieces or [raw]))[1] == b"abc0123456789"


def test_one_request_after_another_is_read() -> None:
    reader = Reader(Wire([chunked(b"1\r\na\r\n0\r\n\r\n") + b"\r\n" + a_head(b"N: 2")]), LIMITS)
    assert reader.body(body_length(reader.head())) == b"a"

    assert reader.head().all("n") == ["2"]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/a%20b", "/a%20b"),
        (b"http://x/a?b", "/a?b"),
        (b"HTTP://x:80?b", "/?b"),
        (b"http://x", "/"),
        ("/é".encode(), "/Ã©"),
    ],
)
def test_target_is_path_and_query(target: bytes, expected: str) -> None:
    assert read(a_head(first=b"GET " + target + b" HTTP/1.1"))[0].target == expected


def test_asterisk_is_for_options_only() -> None:
    assert read(a_head(first=b"OPTIONS * HTTP/1.1"))[0].target == "*"
    assert status(a_head(first=b"GET * HTTP/1.1")) == 400


@pytest.mark.parametrize(
    "raw",
    [
        a_head(first=b"GET  / HTTP/1.1"),
        a_head(first=b"GET /"),
        a_head(first=b"GET / HTTP/1.1 "),
        a_head(first=b"GET /a b HTTP/1.1"),
        a_head(first=b"GET /\0 HTTP/1.1"),
        a_head(first=b"GET a HTTP/1.1"),
        a_head(first=b"GET /#a HTTP/1.1"),
        a_head(first=b"GET ftp://x/ HTTP/1.1"),
        a_head(first=b"CONNECT x:80 HTTP/1.1"),
        a_head(first=b"G(T / HTTP/1.1"),
        a_head(first=b"GET / http/1.1"),
        a_head(first=b"\x16\x03\x01\x02\x00"),
        a_head(host=b""),
        a_head(b"Host: y"),
        a_head(host=b"Host: a b"),
        a_head(host=b"Host: a/b"),
        a_head(host=b"Host:"),
        a_head(b"A : b"),
        a_head(b"A"),
        a_head(b": b"),
        a_head(b"A: b", b" folded"),
        a_head(b"A: b", b"\tfolded"),
        a_head(b"A: \0"),
        a_head(b"A: b\rc"),
        a_head(b"A: b\nB: c"),
        a_head(b"A: \x7f"),
        b"GET / HTTP/1.1\nHost: x\n\n",
        b"GET / HTTP/1.1\r\nHost: x\n\r\n",
        a_head(b"Content-Length: 1", b"Content-Length: 2") + b"ab",
        a_head(b"Content-Length: 1", b"Content-Length: 1") + b"a",
        a_head(b"Content-Length: 1, 1") + b"a",
        a_head(b"Content-Length: +1") + b"a",
        a_head(b"Content-Length: -1"),
        a_head(b"Content-Length: 0x1") + b"a",
        a_head(b"Content-Length:"),
        a_head(b"Content-Length: 1", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
        a_head(b"Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n",
        a_head(b"Transfer-Encoding: identity"),
        a_head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
        a_head(b"Transfer-Encoding: xchunked") + b"0\r\n\r\n",
        a_head(b"Transfer-Encoding: \x0bchunked") + b"0\r\n\r\n",
        a_head(b"Transfer-Encoding: chunked", first=b"GET / HTTP/1.0") + b"0\r\n\r\n",
        a_head(b"Authorization: Bearer a", b"Authorization: Bearer b"),
        chunked(b"x\r\n"),
        chunked(b"\r\n"),
        chunked(b"-1\r\n"),
        chunked(b"+1\r\na\r\n0\r\n\r\n"),
        chunked(b"0x1\r\na\r\n0\r\n\r\n"),
        chunked(b"1_0\r\n" + b"a" * 16 + b"\r\n0\r\n\r\n"),
        chunked(b"1\na\r\n0\r\n\r\n"),
        chunked(b"1\r\nab\r\n0\r\n\r\n"),
        chunked(b"1;\0\r\na\r\n0\r\n\r\n"),
        chunked(b"000000001\r\na\r\n0\r\n\r\n"),
        chunked(b"0\r\nbad trailer\r\n\r\n"),
    ],
)
def test_malformed_request_is_refused(raw: bytes) -> None:
    assert status(raw) == 400


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"GET /" + b"a" * 250, 414),
        (a_head(first=b"GET /" + b"a" * 250 + b" HTTP/1.1"), 414),
        (a_head(b"A: " + b"a" * 250), 431),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 250, 431),
        (a_head(*[b"A: " + b"a" * 150] * 8), 431),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 250, 431),
        (a_head(*[b"a:"] * 101), 431),
        (a_head(b"Content-Length: 101"), 413),
        (a_head(b"Content-Length: 999999999999999"), 413),
        (chunked(b"65\r\n"), 413),
        (chunked(b"ffffffff\r\n"), 413),
        (chunked(b"32\r\n" + b"a" * 50 + b"\r\n33\r\n"), 413),
        (chunked(b"0\r\n" + b"A: aaaaaaaaaaaaa\r\n" * 20), 431),
        (chunked(b"1;" + b"a" * 300), 431),
        (a_head(first=b"GET / HTTP/2.0"), 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ],
)
def test_too_much_is_refused(raw: bytes, expected: int) -> None:
    assert status(raw) == expected


@pytest.mark.parametrize(
    "raw", [b"", b"GET", a_head(b"Content-Length: 5") + b"abc", chunked(b"5\r\nabc")]
)
def test_client_that_leaves_is_a_reset(raw: bytes) -> None:
    with pytest.raises(ConnectionResetError):
        read(raw)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_refused_or_a_reset(raw: bytes) -> None:
    try:
        read(raw)
    except (Refusal, ConnectionResetError):
        return
    assert raw.count(b"\r\n") > 1
