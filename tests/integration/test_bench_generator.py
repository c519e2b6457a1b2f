"""The load generator, against real sockets."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import repeat

import pytest

from bench.load import generator, trivial
from bench.load.generator import Address, drive

REQUEST = b"GET / HTTP/1.1\r\n\r\n"


def test_drive_sends_every_request_once() -> None:
    with trivial.running() as address:
        sample = drive(address, repeat(REQUEST, 100), connections=3)
    assert len(sample.latencies) == 100
    assert not sample.errors
    assert sample.seconds > 0


def test_drive_ends_with_its_time() -> None:
    with trivial.running() as address:
        sample = drive(address, repeat(REQUEST), connections=2, seconds=0.1)
    assert sample.latencies
    assert 0.1 <= sample.seconds < generator.STALLED_SECONDS


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[Address]:
    """Serve one connection in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with listener.accept()[0] as connection:
                connection.recv(1000)
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()
        thread.join(10)


def in_pieces(connection: socket.socket) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nX: y\r\ncontent-LENGTH: 3\r\n\r\nabc":
        connection.sendall(bytes([byte]))


def test_drive_puts_an_answer_together() -> None:
    with server(in_pieces) as address:
        sample = drive(address, iter([REQUEST]), connections=1)
    assert len(sample.latencies) == 1
    assert not sample.errors


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", "closed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "closed"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "503"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "no length"),
    ],
)
def test_drive_counts_what_is_no_success(answer: bytes, error: str) -> None:
    with server(lambda connection: connection.sendall(answer)) as address:
        sample = drive(address, iter([REQUEST]), connections=1)
    assert not sample.latencies
    assert sample.errors == {error: 1}


def test_drive_gives_a_server_up_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "STALLED_SECONDS", 0.2)
    done = threading.Event()
    with server(lambda connection: done.wait(10) and None) as address:
        sample = drive(address, iter([REQUEST]), connections=1)
        done.set()
    assert sample.errors == {"no answer": 1}
