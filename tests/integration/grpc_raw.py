"""A gRPC client that says what it is told to, on h2 or byte by byte."""

import socket
from collections.abc import Callable
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import Event, ResponseReceived, TrailersReceived

from chassis.grpc import framing
from tests.integration.grpc_processes import Answering, ask

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
EMPTY_SETTINGS = b"\0\0\0\4\0\0\0\0\0"
HELLO = PREFACE + EMPTY_SETTINGS
HEADERS = [
    (":method", "POST"),
    (":scheme", "http"),
    (":authority", "test"),
    (":path", "/pb.News/GetNews"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
]


def connect(server: Answering) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


class Raw:
    """A client that says what it is told to, and nothing by itself."""

    def __init__(self, server: Answering) -> None:
        self.socket = connect(server)
        config = H2Configuration(
            client_side=True, validate_outbound_headers=False, normalize_outbound_headers=False
        )
        self.h2 = H2Connection(config)
        self.h2.initiate_connection()
        self.events: list[Event] = []
        self.flush()

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def flush(self) -> None:
        self.socket.sendall(self.h2.data_to_send())

    def call(self, *more: tuple[str, str], headers: Any = None, end: bool = False) -> int:
        stream_id = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream_id, [*(headers or HEADERS), *more], end_stream=end)
        self.flush()
        return stream_id

    def send(self, stream_id: int, data: bytes, end: bool = True) -> None:
        self.h2.send_data(stream_id, data, end_stream=end)
        self.flush()

    def wait(self, kind: type[Event], found: Callable[[Any], bool] = bool) -> Any:
        """Read until an event of this kind, or the end of the connection (None)."""
        while True:
            for event in self.events:
                if isinstance(event, kind) and (found is bool or found(event)):
                    self.events.remove(event)
                    return event
            data = self.socket.recv(65536)
            if not data:
                return None
            self.events += self.h2.receive_data(data)
            self.flush()

    def echo(self) -> str | None:
        """Make a call that is in order; return its status."""
        stream_id = self.call()
        self.send(stream_id, message("echo"))
        return self.status(stream_id)

    def status(self, stream_id: int) -> str | None:
        """Return the gRPC status that a stream ends with."""
        while True:
            event = self.wait(Event, lambda event: getattr(event, "stream_id", 0) == stream_id)
            if event is None:
                return None
            headers = isinstance(event, ResponseReceived | TrailersReceived)
            if headers and (status := dict(event.headers).get(b"grpc-status")):
                return status.decode()


def message(username: str, token: str = "") -> bytes:
    return framing.pack(ask(username, token).SerializeToString())
