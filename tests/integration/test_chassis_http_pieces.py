"""Answers that are made while they are sent: who reads too slowly, who leaves, what breaks off."""

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.integration.http_server import Server, received, running
from tests.processes import until

PIECE = 65536


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("toy"), EXCHANGE_SECONDS=1) as server:
        yield server
        assert server.live()


def under_way(server: Server) -> int:
    streams: int = server.get("/streams").json["streams"]
    return streams


@contextmanager
def asked(server: Server, path: str, version: str = "1.1") -> Iterator[socket.socket]:
    """Ask for a stream, and wait for its first bytes."""
    with closing(server.connect()) as sock:
        sock.sendall(f"GET {path} HTTP/{version}\r\nHost: x\r\n\r\n".encode())
        sock.recv(100)
        yield sock


def test_pieces_together_may_take_longer_than_an_exchange(server: Server) -> None:
    began = time.monotonic()
    assert server.get("/stream/5/0.3").body == b"x" * 5 * PIECE
    assert time.monotonic() - began > 1
    assert under_way(server) == 0


def test_head_has_no_body_and_leaves_nothing_under_way(server: Server) -> None:
    answer = server.get("/stream/100/0.1", "HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert under_way(server) == 0


def test_connection_goes_on_after_the_last_piece(server: Server) -> None:
    with closing(server.client()) as client:
        for _ in range(2):
            client.request("GET", "/stream/2/0.0")
            assert len(client.getresponse().read()) == 2 * PIECE
            assert client.sock is not None


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_who_does_not_read_is_cut_off(server: Server, version: str) -> None:
    with asked(server, "/stream/1000000/0.0", version) as sock:
        until(lambda: under_way(server) == 1)
        until(lambda: under_way(server) == 0)
        assert_broken_off(sock, version)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_who_leaves_in_the_middle_leaves_nothing_under_way(server: Server, version: str) -> None:
    with asked(server, "/stream/1000000/0.0", version) as sock:
        until(lambda: under_way(server) == 1)
        sock.recv(PIECE)
    until(lambda: under_way(server) == 0)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_piece_that_is_not_made_in_time_breaks_the_answer_off(
    server: Server, version: str
) -> None:
    with asked(server, "/stream/2/60.0", version) as sock:
        assert_broken_off(sock, version)
    assert under_way(server) == 0


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_an_error_in_the_middle_breaks_the_answer_off(server: Server, version: str) -> None:
    with asked(server, "/pieces/9", version) as sock:
        assert_broken_off(sock, version)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_end_of_the_process_breaks_the_answer_off(
    tmp_path: Path, how: signal.Signals, version: str
) -> None:
    with running(tmp_path, STOP_GRACE_SECONDS=0.3) as server:
        with asked(server, "/stream/1000000/0.1", version) as sock:
            server.process.signal(how)
            assert_broken_off(sock, version)
        assert server.process.wait() == (0 if how is signal.SIGTERM else -how)
        assert "Traceback" not in server.process.log.read_text()


def test_a_stop_waits_for_the_last_piece(tmp_path: Path) -> None:
    with running(tmp_path, STOP_GRACE_SECONDS=8) as server:
        with asked(server, "/stream/5/0.2") as sock:
            server.process.signal(signal.SIGTERM)
            assert received(sock).endswith(b"\r\n0\r\n\r\n")
        assert server.process.wait() == 0


def assert_broken_off(sock: socket.socket, version: str) -> None:
    """Check that the end of the connection cannot be taken for that of the body."""
    if version == "1.0":
        with pytest.raises(ConnectionResetError):
            received(sock)
        return
    try:
        raw = received(sock)
    except ConnectionResetError:
        return
    assert not raw.endswith(b"0\r\n\r\n")
