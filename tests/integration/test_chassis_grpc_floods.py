"""The gRPC server against frames in masses, and against frames that are to be passed over."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, ResponseReceived

from chassis.grpc.http2 import wire
from chassis.grpc.http2.wire import frame
from tests.integration.grpc_processes import Answering
from tests.integration.grpc_raw import HEADERS, HELLO, Raw, connect, message


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answering]:
    with Answering(tmp_path_factory.mktemp("grpc")) as server:
        yield server
        assert server.process.stop() == 0


OPEN = frame(wire.HEADERS, 0, 1, b"\x83")  # a header that goes on
FLOODS = {
    "continuations of nothing": OPEN + frame(wire.CONTINUATION, 0, 1) * 1000,
    "continuations": OPEN + frame(wire.CONTINUATION, 0, 1, b"\0\1a\1b" * 1000) * 50,
    "settings": frame(wire.SETTINGS, 0, 0, b"\0\4\0\0\0\1") * 2000,
    "priorities": frame(wire.PRIORITY, 0, 1, bytes(5)) * 2000,
    "frames of tomorrow": frame(0xFA, 0, 0, bytes(100)) * 2000,
    "windows": frame(wire.WINDOW_UPDATE, 0, 0, b"\0\0\0\1") * 2000,
    "data of nothing": b"".join(frame(wire.DATA, 0, stream_id) for stream_id in range(1, 2000, 2)),
    "farewells": frame(wire.GOAWAY, 0, 0, bytes(8)) * 1000,
}


@pytest.mark.parametrize("flood", FLOODS)
def test_flood_without_reading_harms_nobody(server: Answering, flood: str) -> None:
    with Raw(server) as other, connect(server) as sock:
        sock.sendall(HELLO)
        sock.settimeout(0.2)
        with suppress(TimeoutError, ConnectionError):  # it is read no further, or hung up on
            for _ in range(20):
                sock.sendall(FLOODS[flood])
        assert other.echo() == "0"
    assert server.serves()


@pytest.mark.parametrize("flood", ["continuations of nothing", "continuations"])
def test_header_without_end_ends_the_connection(server: Answering, flood: str) -> None:
    with Raw(server) as raw:
        with suppress(ConnectionError):
            raw.socket.sendall(FLOODS[flood])
        with suppress(ConnectionResetError):
            ended = raw.wait(ConnectionTerminated)
            assert ended is None or ended.error_code == ErrorCodes.ENHANCE_YOUR_CALM
            assert raw.wait(ResponseReceived) is None
    assert server.serves()


def test_what_is_to_be_passed_over_is(server: Answering) -> None:
    with Raw(server) as raw:
        for said in (frame(0xFA, 255, 1, b"?"), frame(wire.PRIORITY, 0, 9, bytes(5))):
            raw.socket.sendall(said)
            assert raw.echo() == "0"


def test_call_in_many_small_frames_with_padding_is_answered(server: Answering) -> None:
    with Raw(server) as raw:
        raw.h2.send_headers(1, HEADERS, priority_weight=7, priority_depends_on=0)
        for byte in message("echo", "hello"):
            raw.h2.send_data(1, bytes([byte]), pad_length=5)
        raw.h2.end_stream(1)
        for byte in raw.h2.data_to_send():
            raw.socket.sendall(bytes([byte]))
        assert raw.status(1) == "0"


def test_metadata_beyond_the_limit_ends_its_connection_only(server: Answering) -> None:
    with Raw(server) as raw, Raw(server) as other:
        with suppress(ConnectionError):
            raw.call(*[(f"x-{number}", "y" * 1000) for number in range(17)])
        with suppress(ConnectionResetError):
            assert raw.wait(ConnectionTerminated).error_code == ErrorCodes.ENHANCE_YOUR_CALM
        assert other.echo() == "0"


def test_answer_larger_than_the_window_comes_as_it_opens(server: Answering) -> None:
    with Raw(server) as raw:
        raw.socket.sendall(frame(wire.SETTINGS, 0, 0, b"\0\4\0\0\0\5"))
        stream_id = raw.call()
        raw.send(stream_id, message("big", "100"))
        raw.wait(ResponseReceived)
        for _ in range(30):
            raw.socket.sendall(frame(wire.WINDOW_UPDATE, 0, stream_id, b"\0\0\0\4"))
        assert raw.status(stream_id) == "0"
