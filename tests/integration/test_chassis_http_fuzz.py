"""Bytes that nobody would send: the server answers properly or closes, lives, and serves others.

Hypothesis makes them: mutations of good requests, and bytes without any sense.
"""

import itertools
import re
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.http_server import Server, running

GOOD = (
    b"GET /echo?a=1 HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n",
    b"HEAD http://x/hello/bob HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /hello/bob HTTP/1.0\r\n\r\n",
    b'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{"a": "1"}',
    b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 7\r\n\r\na=1&b=2",
    b"POST /made HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2;x=y\r\n{}\r\n0\r\nTrailer: x\r\n\r\n",
    b"PUT /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    b"Content-Length: 61\r\n\r\n"
    b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b--\r\n',
)
PIECES = (
    *(b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\0", b" ", b"\t", b":", b"%", b"%00", b"%ff", b"\xff"),
    *(b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"\r\n folded", b"Host: y\r\n"),
    *(b"Transfer-Encoding : chunked\r\n", b"Content-Length: +3\r\n", b"0\r\n\r\n", b"ffffffff\r\n"),
    *(b"HTTP/1.1", b"HTTP/2.0", b"GET ", b"../", b"#", b"[", b"\xe2\x80\xae", b"A" * 1500),
)
STATUS_LINE = re.compile(rb"HTTP/1\.1 (\d{3}) [ -~]+\r\n")


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Return good requests in a row, of which some bytes are gone, doubled or others."""
    raw = b"".join(draw(st.lists(st.sampled_from(GOOD), min_size=1, max_size=3)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(raw)))
        gone = draw(st.sampled_from([0, 0, 1, 2, 10]))
        piece = draw(st.sampled_from(PIECES) | st.binary(max_size=4))
        raw = raw[:at] + piece + raw[at + gone :]
    return raw


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("toy"), max_workers=20) as server:
        before = server.process.pid
        yield server
        assert server.live()
        assert server.process.alive()
        assert server.process.pid == before
        said = server.process.log.read_text()
        assert "Traceback" not in said
        assert "connection failed" not in said


def statuses(server: Server, raw: bytes) -> list[int]:
    """Send bytes, close our half, and return the status of each answer; check that each is one."""
    with closing(server.connect()) as sock:
        received = b""
        try:
            sock.sendall(raw)
            sock.shutdown(socket.SHUT_WR)
            while piece := sock.recv(65536):
                received += piece
        except (ConnectionResetError, BrokenPipeError):
            return []  # closed, which is proper
    found = []
    while received:
        match = STATUS_LINE.match(received)
        assert match, received[:200]
        found.append(int(match[1]))
        head, _, rest = received.partition(b"\r\n\r\n")
        length = re.search(rb"\r\nContent-Length: (\d+)", head, re.IGNORECASE)
        body = int(length[1]) if length else 0
        # The answer to HEAD says how long it would be.
        received = rest if rest.startswith(b"HTTP/1.1 ") else rest[body:]
    return found


def check(server: Server, raw: bytes) -> None:
    """Whatever is sent, the server is not the one that fails, and goes on serving."""
    assert not [status for status in statuses(server, raw) if status >= 500 and status != 505]
    assert server.get("/hello/bob").status == 200


OPTIONS = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
LONG = settings(OPTIONS, max_examples=5000, derandomize=False)


@OPTIONS
@given(raw=mutated())
def test_mutated_requests(server: Server, raw: bytes) -> None:
    check(server, raw)


@OPTIONS
@given(raw=st.binary(max_size=2000))
def test_bytes_without_sense(server: Server, raw: bytes) -> None:
    check(server, raw)


@pytest.mark.long
@LONG
@given(raw=mutated() | st.binary(max_size=5000))
def test_many_more(server: Server, raw: bytes) -> None:
    check(server, raw)


@OPTIONS
@given(cuts=st.lists(st.integers(0, 200), max_size=6), raw=st.sampled_from(GOOD))
def test_good_request_is_good_however_it_is_cut(
    server: Server, cuts: list[int], raw: bytes
) -> None:
    """In as many packets as it may come."""
    whole = statuses(server, raw)
    places = [0, *sorted(min(cut, len(raw)) for cut in cuts), len(raw)]
    with closing(server.connect()) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start, end in itertools.pairwise(places):
            sock.sendall(raw[start:end])
        sock.shutdown(socket.SHUT_WR)
        received = b""
        while piece := sock.recv(65536):
            received += piece
    assert [int(each) for each in STATUS_LINE.findall(received)] == whole
