"""Messages and timeouts as gRPC puts them on the wire."""

import gzip
import zlib
from itertools import pairwise

import pytest
from grpc import StatusCode
from hypothesis import given
from hypothesis import strategies as st
from nameko_grpc.errors import GrpcError

from chassis.grpc import framing

LIMIT = 1000


def body(*chunks: bytes) -> framing.Body:
    body = framing.Body(LIMIT)
    for chunk in chunks:
        body.add(chunk)
    return body


def compressed(data: bytes) -> bytes:
    return b"\1" + len(data).to_bytes(4, "big") + data


@given(st.binary(max_size=LIMIT), st.lists(st.integers(0, LIMIT), max_size=5))
def test_message_survives_whatever_its_pieces(message: bytes, cuts: list[int]) -> None:
    packed = framing.pack(message)
    edges = [0, *sorted(cuts), len(packed)]
    pieces = [packed[start:end] for start, end in pairwise(edges)]
    assert body(*pieces).message() == message


@pytest.mark.parametrize(
    ("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_compressed_message_is_inflated(encoding: str, compress: object) -> None:
    assert callable(compress)
    assert body(compressed(compress(b"x" * LIMIT))).message(encoding) == b"x" * LIMIT


@pytest.mark.parametrize(
    ("raw", "encoding", "status"),
    [
        (b"", "identity", StatusCode.INVALID_ARGUMENT),
        (b"\0\0\0", "identity", StatusCode.INVALID_ARGUMENT),
        (b"\0\0\0\0\2x", "identity", StatusCode.INVALID_ARGUMENT),
        (b"\2\0\0\0\1x", "identity", StatusCode.INVALID_ARGUMENT),
        (compressed(b"x"), "identity", StatusCode.INTERNAL),
        (compressed(b"x"), "gzip", StatusCode.INVALID_ARGUMENT),
        (compressed(gzip.compress(b"x", mtime=0)[:-1]), "gzip", StatusCode.INVALID_ARGUMENT),
        (compressed(gzip.compress(b"x", mtime=0) + b"y"), "gzip", StatusCode.INVALID_ARGUMENT),
        (
            compressed(gzip.compress(b"x" * (LIMIT + 1), mtime=0)),
            "gzip",
            StatusCode.RESOURCE_EXHAUSTED,
        ),
        (compressed(zlib.compress(bytes(900_000))), "deflate", StatusCode.RESOURCE_EXHAUSTED),
    ],
)
def test_malformed_message_is_refused(raw: bytes, encoding: str, status: StatusCode) -> None:
    with pytest.raises(GrpcError) as caught:
        body(raw).message(encoding)
    assert caught.value.code is status


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"\0" + (LIMIT + 1).to_bytes(4, "big"), StatusCode.RESOURCE_EXHAUSTED),
        (framing.pack(b"one") + framing.pack(b"two"), StatusCode.UNIMPLEMENTED),
    ],
)
def test_message_is_refused_as_soon_as_it_is_too_much(raw: bytes, status: StatusCode) -> None:
    with pytest.raises(GrpcError) as caught:
        body(raw)
    assert caught.value.code is status


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("2H", 7200), ("3M", 180), ("4S", 4), ("5m", 0.005), ("6u", 6e-6), ("7n", 7e-9), ("0S", 0)],
)
def test_timeout_is_read_in_all_units(value: str, seconds: float) -> None:
    assert framing.parse_timeout(value) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "value", ["", "S", "5", "-5S", "+5S", "1_0S", "1.5S", "123456789S", "5s", "٣S"]
)
def test_malformed_timeout_is_refused(value: str) -> None:
    with pytest.raises(GrpcError) as caught:
        framing.parse_timeout(value)
    assert caught.value.code is StatusCode.INVALID_ARGUMENT


@given(st.floats(0.001, 10_000))
def test_timeout_is_said_to_the_millisecond(seconds: float) -> None:
    said = framing.parse_timeout(framing.format_timeout(seconds))
    assert -1e-6 < seconds - said < 0.0011


@pytest.mark.parametrize("seconds", [0, 1e-9, 1e12])
def test_timeout_beyond_what_can_be_said_is_close(seconds: float) -> None:
    assert framing.parse_timeout(framing.format_timeout(seconds)) > 0
