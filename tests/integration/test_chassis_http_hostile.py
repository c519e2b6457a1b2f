"""Clients that break the rules, or take what they can get."""

import json
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.integration.http_server import Server, received, running
from tests.processes import until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("toy")) as server:
        yield server
        assert server.live()


def test_client_that_waits_to_be_asked_is_asked(server: Server) -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    with closing(server.connect()) as sock:
        sock.sendall(head % 2)
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"{}")
        assert sock.recv(12) == b"HTTP/1.1 200"
    assert server.talk(head % 2000).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: x\n\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001, 413),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n", 413),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 2000 + b"\r\n\r\n", 431),
        (b"POST / HTTP/1.1\r\nHost: x\r\nExpect: magic\r\nContent-Length: 1\r\n\r\n", 417),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", 408),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabc", 408),
    ],
)
def test_d1_malformed_request_is_answered_and_the_connection_closed(
    server: Server, raw: bytes, status: int
) -> None:
    answer = server.talk(raw)
    head, _, body = answer.partition(b"\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"Connection: close" in head
    assert json.loads(body)["status"] == status


def test_d1_smuggled_request_is_not_answered(server: Server) -> None:
    raw = server.talk(
        b"POST /made HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\nGET /hello/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    assert raw.count(b"HTTP/1.1 ") == 1


def test_d3_endless_body_is_cut_off(server: Server) -> None:
    with closing(server.connect()) as sock:
        sock.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        with pytest.raises(OSError, match=r"reset|pipe"):
            send_for_ever(sock, b"1f4\r\n" + b"x" * 500 + b"\r\n")


def send_for_ever(sock: socket.socket, piece: bytes) -> None:
    while True:
        sock.sendall(piece)


def test_silent_client_is_closed(server: Server) -> None:
    assert server.talk(b"") == b""


def test_clients_that_leave_do_no_harm(server: Server) -> None:
    for raw in (b"", b"GET", b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"):
        server.connect().close()
        with closing(server.connect()) as sock:
            sock.sendall(raw)
    with closing(server.connect()) as sock:
        sock.sendall(b"GET /big/3000000 HTTP/1.1\r\nHost: x\r\n\r\n")

    assert server.live()


def test_too_many_connections_close_those_that_only_wait(server: Server) -> None:
    waiting = [server.connect() for _ in range(60)]
    try:
        assert server.live()
        assert waiting[0].recv(1) == b""
    finally:
        for sock in waiting:
            sock.close()


def test_one_address_crowds_out_itself_and_nobody_else(server: Server) -> None:
    neighbours = [socket.create_connection(("127.0.0.1", server.port), 5) for _ in range(4)]
    crowd = [connect_from("127.0.0.7", server) for _ in range(80)]
    try:
        for sock in neighbours:
            sock.sendall(b"GET /hello/bob HTTP/1.1\r\nHost: x\r\n\r\n")
            assert sock.recv(100).startswith(b"HTTP/1.1 200")
    finally:
        for sock in (*neighbours, *crowd):
            sock.close()


def connect_from(address: str, server: Server) -> socket.socket:
    """Connect, and begin a request that is not meant to end."""
    sock = socket.create_connection(("127.0.0.1", server.port), 5, (address, 0))
    sock.sendall(b"GET / HTTP/1.1\r\n")
    return sock


@pytest.mark.parametrize(
    "beginning",
    [
        b"GET /hello/bob HTTP/1.1\r\nHost: x\r\n",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n384\r\n",
    ],
    ids=["header", "body", "chunk"],
)
def test_d2_dripping_client_is_cut_off_and_holds_no_worker(
    server: Server, beginning: bytes
) -> None:
    with closing(server.connect()) as sock:
        sock.sendall(beginning)
        sock.settimeout(0.05)
        assert until(lambda: answer_while_dripping(sock)).startswith(b"HTTP/1.1 408")
        assert server.get("/hello/bob").status == 200


def answer_while_dripping(sock: socket.socket) -> bytes:
    sock.sendall(b"x")
    return sock.recv(100)


def test_d2_client_that_does_not_read_its_answer_is_cut_off(server: Server) -> None:
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with closing(reader):
        reader.connect(("127.0.0.1", server.port))
        reader.sendall(b"GET /big/30000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: b'http_connections{service="toy"} 1.0' in server.metrics())
        assert server.get("/hello/bob").status == 200
        until(lambda: b'http_connections{service="toy"} 0.0' in server.metrics())


def test_half_closed_connection_is_answered(server: Server) -> None:
    with closing(server.connect()) as sock:
        sock.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
        sock.shutdown(socket.SHUT_WR)
        assert received(sock).startswith(b"HTTP/1.1 200")
    with closing(server.connect()) as sock:
        sock.sendall(b"GET /hello/bob HTTP/1.1\r\nHost: x\r\n\r\n")
        sock.shutdown(socket.SHUT_WR)
        assert b'"hello":"bob"' in received(sock)


def test_idle_connection_is_closed(server: Server) -> None:
    with closing(server.connect()) as sock:
        sock.sendall(b"GET /hello/bob HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b'"hello":"bob"' in received(sock)  # until the server closes


@pytest.mark.parametrize(
    "value",
    [b"a\r\nX-Injected: 1", b"a%0d%0aX-Injected:%201", "a\u010d\u010aX-Injected: 1".encode()],
)
def test_d6_nothing_sent_becomes_a_header_of_the_answer(server: Server, value: bytes) -> None:
    head = b"GET /hello/bob HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    for line in (b"X-Request-ID: ", b"Traceparent: ", b"Origin: ", b"Accept: ", b"If-None-Match: "):
        raw = server.talk(head + line + value + b"\r\n\r\n").partition(b"\r\n\r\n")[0]
        assert raw.startswith(b"HTTP/1.1 200")
        assert b"x-injected" not in raw.lower()


def test_full_pool_is_busy_and_leaves_health_alone(server: Server) -> None:
    sleepers = [server.client() for _ in range(4)]
    for client in sleepers:
        client.request("GET", "/sleep/1.5")
    until(lambda: b'workers{service="toy"} 4.0' in server.metrics())
    answer = server.get("/hello/bob")

    assert (answer.status, answer.json["code"]) == (503, "busy")
    assert answer.headers["Retry-After"] == "1"
    assert server.live()
    assert [client.getresponse().status for client in sleepers] == [200] * 4
    for client in sleepers:
        client.close()
