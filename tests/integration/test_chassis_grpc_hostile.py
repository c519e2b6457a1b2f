"""The gRPC server against bytes that no decent client sends: it lives, and others are served."""

import random
import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    PingAckReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamReset,
)
from h2.settings import SettingCodes

from tests.integration.grpc_processes import Answering
from tests.integration.grpc_raw import HEADERS, HELLO, PREFACE, Raw, connect, message
from tests.processes import until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answering]:
    with Answering(tmp_path_factory.mktemp("grpc")) as server:
        yield server
        assert server.process.stop() == 0


@pytest.fixture
def raw(server: Answering) -> Iterator[Raw]:
    with Raw(server) as raw:
        yield raw
    assert server.serves()


def random_frames(seed: int) -> bytes:
    chance = random.Random(seed)
    frames = b""
    for _ in range(50):
        payload = chance.randbytes(chance.randrange(40))
        kind, flags = chance.randrange(12), chance.randrange(256)
        stream_id = chance.choice([0, 1, 2, 3, 2**31 - 1])
        frames += len(payload).to_bytes(3, "big") + bytes([kind, flags])
        frames += stream_id.to_bytes(4, "big") + payload
    return frames


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        bytes(10_000),
        PREFACE + bytes(10_000),
        PREFACE + b"\xff" * 10_000,
        HELLO + b"\0\0\x04\x08\0\0\0\0\0\0\0\0\0",  # a window update of nothing
        HELLO + b"\0\0\x05\x01\x05\0\0\0\x01\xff\xff\xff\xff\xff",  # no HPACK
        HELLO + b"\0\0\x01\x00\x01\0\0\0\x01x",  # data on a stream that is none
        HELLO + b"\0\0\x00\x09\x04\0\0\0\x01",  # a continuation of nothing
        *[HELLO + random_frames(seed) for seed in range(10)],
    ],
)
def test_garbage_ends_its_connection_only(server: Answering, said: bytes) -> None:
    with Raw(server) as other, connect(server) as sock:
        sock.sendall(said)
        sock.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):
            while sock.recv(65536):
                pass
        assert other.echo() == "0"
    assert server.serves()


@pytest.mark.parametrize("timeout", ["S", "5", "-5S", "1_0S", "123456789S", "5s", "5 S", "", "٣S"])
def test_malformed_timeout_is_refused(raw: Raw, timeout: str) -> None:
    stream_id = raw.call(("grpc-timeout", timeout))
    assert raw.status(stream_id) == "3"


@pytest.mark.parametrize("timeout", ["1H", "1M", "1S", "900m", "900000u", "99999999n"])
def test_every_unit_of_a_timeout_is_understood(raw: Raw, timeout: str) -> None:
    stream_id = raw.call(("grpc-timeout", timeout))
    raw.send(stream_id, message("echo"))
    assert raw.status(stream_id) == "0"


def test_timeout_is_kept_by_the_server(raw: Raw) -> None:
    stream_id = raw.call(("grpc-timeout", "50m"))
    assert raw.status(stream_id) == "4"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", "3"),
        (b"\0\0\0", "3"),
        (b"\0\0\0\0\x05abc", "3"),
        (b"\x07\0\0\0\x01a", "3"),
        (b"\x01\0\0\0\x03abc", "13"),  # compressed, but how
        (b"\0\xff\xff\xff\xff", "8"),
        (b"\0\0\0\0\0" * 2, "12"),
    ],
)
def test_malformed_message_is_refused(raw: Raw, body: bytes, status: str) -> None:
    stream_id = raw.call()
    raw.send(stream_id, body)
    assert raw.status(stream_id) == status


def test_unknown_compression_is_unimplemented(raw: Raw) -> None:
    assert raw.status(raw.call(("grpc-encoding", "snappy"))) == "12"
    stream_id = raw.call(("grpc-encoding", "gzip"))
    raw.send(stream_id, b"\x01\0\0\0\x03abc")
    assert raw.status(stream_id) == "3"


def test_metadata_that_is_no_text_is_refused(raw: Raw) -> None:
    raw.h2.config.header_encoding = "latin-1"
    stream_id = raw.h2.get_next_available_stream_id()
    headers = [(name.encode(), value.encode()) for name, value in HEADERS]
    raw.h2.send_headers(stream_id, [*headers, (b"x-a", b"\xff\xfe")])
    raw.flush()
    raw.h2.config.header_encoding = None
    assert raw.status(stream_id) == "3"


def test_what_is_no_grpc_is_answered_in_http(raw: Raw) -> None:
    for name, value in ((":method", "GET"), ("content-type", "text/html")):
        headers = [(key, value if key == name else old) for key, old in HEADERS]
        raw.call(headers=headers, end=True)
        assert dict(raw.wait(ResponseReceived).headers)[b":status"] == b"415"


def test_large_message_is_refused_before_it_is_sent(raw: Raw) -> None:
    stream_id = raw.call()
    raw.send(stream_id, b"\0\x7f\xff\xff\xff" + bytes(1000), end=False)
    assert raw.status(stream_id) == "8"
    assert raw.wait(StreamReset).error_code == ErrorCodes.NO_ERROR


def test_limit_of_streams_is_announced_and_ping_is_answered(raw: Raw) -> None:
    announced = raw.wait(
        RemoteSettingsChanged,
        lambda event: SettingCodes.MAX_CONCURRENT_STREAMS in event.changed_settings,
    )
    assert announced.changed_settings[SettingCodes.MAX_CONCURRENT_STREAMS].new_value == 100
    raw.h2.ping(b"12345678")
    raw.flush()
    assert raw.wait(PingAckReceived).ping_data == b"12345678"


def test_thousand_streams_without_data_harm_nobody(server: Answering) -> None:
    with ExitStack() as stack:
        raws = [stack.enter_context(Raw(server)) for _ in range(10)]
        for raw in raws:
            for _ in range(100):
                raw.call()
        assert server.serves()
        for raw in raws:
            assert raw.status(1) == "4"
    assert server.serves()


def test_too_many_streams_at_once_are_refused_not_punished(raw: Raw) -> None:
    stream_ids = []
    for _ in range(150):  # before the limit is read, so that this is no fault
        stream_id = raw.h2.get_next_available_stream_id()
        raw.h2.send_headers(stream_id, HEADERS)
        stream_ids.append(stream_id)
    raw.flush()
    refused = [raw.wait(StreamReset) for _ in range(50)]
    assert {event.error_code for event in refused} == {ErrorCodes.REFUSED_STREAM}
    raw.send(stream_ids[0], message("echo"))
    assert raw.status(stream_ids[0]) == "0"


def test_thousand_idle_connections_harm_nobody(server: Answering) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(4096, hard)), hard))
    with Raw(server) as used, ExitStack() as stack:
        assert used.echo() == "0"
        for number in range(1000):
            sock = stack.enter_context(connect(server))
            if number % 2:
                sock.sendall(HELLO)
        assert server.serves()
        # The one that had been of use is not among those that had to make room.
        assert used.echo() == "0"
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert server.serves()


def test_client_that_does_not_read_harms_nobody(raw: Raw, server: Answering) -> None:
    raw.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 2**31 - 1})
    raw.h2.increment_flow_control_window(2**31 - 70_000)
    for _ in range(90):
        stream_id = raw.h2.get_next_available_stream_id()
        raw.h2.send_headers(stream_id, HEADERS)
        raw.h2.send_data(stream_id, message("big", "3000000"), end_stream=True)
    raw.flush()
    assert server.serves()


def test_storm_of_resets_harms_nobody(raw: Raw, server: Answering) -> None:
    for _ in range(2000):
        stream_id = raw.h2.get_next_available_stream_id()
        raw.h2.send_headers(stream_id, HEADERS)
        raw.h2.send_data(stream_id, message("sleep", "1"), end_stream=True)
        raw.h2.reset_stream(stream_id, ErrorCodes.CANCEL)
        raw.h2.data_to_send(0)
    raw.flush()
    assert server.serves()


def test_flood_of_pings_without_reading_harms_nobody(server: Answering) -> None:
    with connect(server) as sock:
        sock.sendall(HELLO)
        sock.settimeout(0.2)
        ping = b"\0\0\x08\x06\0\0\0\0\0" + bytes(8)
        with suppress(TimeoutError):  # the server reads no further until its answers are taken
            for _ in range(400):
                sock.sendall(ping * 1000)
        assert server.serves()


def test_server_without_file_descriptors_lives_and_serves_again(server: Answering) -> None:
    pid = server.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (40, before[1]))
        for _ in range(60):
            stack.enter_context(connect(server))
        until(lambda: "cannot accept" in server.process.log.read_text())
    assert until(server.serves)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def test_farewell_lets_calls_in_that_were_on_their_way(tmp_path: Path) -> None:
    with Answering(tmp_path) as leaving, Raw(leaving) as raw:
        stream_id = raw.call()
        leaving.process.signal(signal.SIGTERM)
        assert raw.wait(ConnectionTerminated).error_code == ErrorCodes.NO_ERROR
        raw.send(stream_id, message("echo", "late"))
        assert b"late" in raw.wait(DataReceived).data
        assert raw.status(stream_id) == "0"
        last = raw.wait(ConnectionTerminated).last_stream_id
        assert last == stream_id
        assert leaving.process.wait() == 0
