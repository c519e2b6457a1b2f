"""Our HTTP/2, on both ends, next to h2."""

from collections.abc import Callable
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, ResponseReceived, StreamEnded, TrailersReceived
from h2.exceptions import ProtocolError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chassis.grpc.compression import PlainDecoder
from chassis.grpc.http2 import Code, Http2Error, Protocol, Sink, StreamGone, TooManyStreams, wire
from chassis.grpc.http2.wire import PREFACE, frame

REQUEST = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/pb.News/GetNews"),
    (b":authority", b"test"),
    (b"te", b"trailers"),
]
ANSWER = [(b":status", b"200")]
TRAILERS = [(b"grpc-status", b"0")]
MOST_METADATA = 16384
MORE = st.lists(
    st.tuples(
        st.sampled_from([b"x-a", b"x-b", b"grpc-timeout"]),
        st.text("abc%é", max_size=300).map(str.encode),
    ),
    max_size=3,
)


class Told(Sink):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[tuple[Any, ...]] = []
        self.bodies: dict[int, bytes] = {}

    def on_headers(self, stream_id: int, headers: wire.RawHeaders) -> None:
        self.said.append(("headers", stream_id, [tuple(field) for field in headers]))

    def on_data(self, stream_id: int, data: bytes) -> None:
        self.bodies[stream_id] = self.bodies.get(stream_id, b"") + data

    def on_end(self, stream_id: int) -> None:
        self.said.append(("end", stream_id))

    def on_reset(self, stream_id: int, code: int) -> None:
        self.said.append(("reset", stream_id, code))

    def on_goaway(self, last_stream_id: int) -> None:
        self.said.append(("goaway", last_stream_id))

    def on_pong(self) -> None:
        self.said.append(("pong",))


def ours(client_side: bool = False, limit: int = 100) -> tuple[Protocol, Told]:
    told = Told()
    protocol = Protocol(told, client_side, PlainDecoder(MOST_METADATA), limit)
    protocol.begin()
    return protocol, told


def theirs(client_side: bool = True) -> H2Connection:
    config = H2Configuration(
        client_side=client_side,
        header_encoding=None,
        validate_outbound_headers=False,
        normalize_outbound_headers=False,
    )
    connection = H2Connection(config)
    connection.initiate_connection()
    return connection


def in_pieces(receive: Callable[[bytes], Any], data: bytes, size: int) -> list[Any]:
    """Let data arrive in pieces; return the events of h2."""
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return [event for piece in pieces for event in receive(piece) or ()]


def exchange(us: Protocol, them: H2Connection, size: int = 1 << 20) -> list[Any]:
    """Let both say what they have to say; return what h2 was told."""
    events: list[Any] = []
    while True:
        there, back = them.data_to_send(), us.data_to_send()
        if not there and not back:
            return events
        in_pieces(us.receive, there, size)
        for event in in_pieces(them.receive_data, back, size):
            if isinstance(event, DataReceived):
                them.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            events.append(event)


def send_body(us: Protocol, them: H2Connection, stream_id: int, body: bytes) -> list[Any]:
    """Send all, as windows let it."""
    events = []
    while body:
        size = min(us.room(stream_id), us.frame_bytes, len(body))
        us.send_data(stream_id, body[:size])
        body = body[size:]
        events += exchange(us, them)
    return events


def body_of(events: list[Any]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, DataReceived))


@settings(max_examples=50)
@given(more=MORE, body=st.binary(max_size=200), times=st.integers(1, 900), size=st.integers(1, 99))
def test_call_of_theirs_is_read_and_answered(
    more: wire.RawHeaders, body: bytes, times: int, size: int
) -> None:
    (us, told), them = ours(), theirs()
    fields, body = [*REQUEST, *more], body * times
    them.send_headers(1, fields)
    rest = body
    while rest:
        room = min(them.local_flow_control_window(1), them.max_outbound_frame_size)
        them.send_data(1, rest[:room], pad_length=3 if room > 99 and len(rest) < room - 9 else None)
        rest = rest[room:]
        exchange(us, them, max(size, len(body) // 50))
    them.end_stream(1)
    exchange(us, them)
    assert told.said == [("headers", 1, fields), ("end", 1)]
    assert told.bodies.get(1, b"") == body

    us.send_headers(1, ANSWER)
    events = send_body(us, them, 1, body)
    us.send_headers(1, TRAILERS, end_stream=True)
    events += exchange(us, them, size)
    assert [event.headers for event in events if isinstance(event, ResponseReceived)] == [ANSWER]
    assert [event.headers for event in events if isinstance(event, TrailersReceived)] == [TRAILERS]
    assert body_of(events) == body
    assert isinstance(events[-1], StreamEnded)
    assert not us.streams


@settings(max_examples=50)
@given(more=MORE, body=st.binary(max_size=200), times=st.integers(1, 900), size=st.integers(1, 99))
def test_call_of_ours_is_read_and_answered(
    more: wire.RawHeaders, body: bytes, times: int, size: int
) -> None:
    (us, told), them = ours(client_side=True), theirs(client_side=False)
    fields, body = [*REQUEST, *more], body * times
    exchange(us, them, size)
    stream_id = us.next_stream_id()
    us.open(stream_id)
    us.send_headers(stream_id, fields)
    events = exchange(us, them) + send_body(us, them, stream_id, body)
    us.send_data(stream_id, b"", end_stream=True)
    events += exchange(us, them)
    assert [event.headers for event in events if isinstance(event, RequestReceived)] == [fields]
    assert body_of(events) == body

    them.send_headers(stream_id, [(b":status", b"103")])
    them.send_headers(stream_id, ANSWER)
    them.send_data(stream_id, body[:9000])
    them.send_headers(stream_id, TRAILERS, end_stream=True)
    exchange(us, them, size)
    assert told.said == [
        ("headers", 1, ANSWER),
        ("headers", 1, TRAILERS),
        ("end", 1),
    ]
    assert told.bodies[1] == body[:9000]
    assert us.next_stream_id() == 3
    assert not us.streams


def ends(step: Callable[[], object]) -> bool:
    try:
        step()
    except (ProtocolError, Http2Error):
        return True
    return False


HEADERS = b"\x20\x83\x86\x44\x02/x\x41\x01t"  # POST, http, a path and an authority
# The first bit is to be ignored, which h2 does not.
NUMBER = st.integers(0, 2**31 - 1).map(lambda number: number.to_bytes(4, "big"))
SETTING = st.tuples(st.integers(0, 9), st.sampled_from([0, 1, 100, 2**14, 2**24, 2**31, 2**32 - 1]))
PAYLOADS = {
    wire.DATA: st.binary(max_size=20),
    wire.HEADERS: st.just(HEADERS) | st.just(HEADERS[1:]) | st.binary(max_size=20),
    wire.PRIORITY: st.binary(min_size=5, max_size=5) | st.binary(max_size=6),
    wire.RST_STREAM: NUMBER | st.binary(max_size=3) | st.just(bytes(5)),
    wire.SETTINGS: st.lists(SETTING, max_size=3).map(
        lambda found: b"".join(a.to_bytes(2, "big") + b.to_bytes(4, "big") for a, b in found)
    ),
    wire.PUSH_PROMISE: st.binary(max_size=20),
    wire.PING: st.binary(min_size=8, max_size=8) | st.binary(max_size=9),
    wire.GOAWAY: st.binary(max_size=20),
    wire.WINDOW_UPDATE: NUMBER | st.binary(max_size=3) | st.just(bytes(5)),
    wire.CONTINUATION: st.just(HEADERS) | st.binary(max_size=20),
    11: st.binary(max_size=20),
}
USUAL = [
    frame(wire.HEADERS, wire.END_HEADERS, 1, HEADERS),
    frame(wire.HEADERS, wire.END_HEADERS | wire.END_STREAM, 3, HEADERS[1:]),
    frame(wire.DATA, wire.END_STREAM, 1, b"abc"),
    frame(wire.DATA, 0, 1, b"abc"),
    frame(wire.HEADERS, 0, 5, HEADERS[:5]),
    frame(wire.CONTINUATION, wire.END_HEADERS, 5, HEADERS[5:]),
    frame(wire.RST_STREAM, 0, 1, bytes(4)),
]


@st.composite
def any_frame(draw: Any) -> bytes:
    kind = draw(st.sampled_from(sorted(PAYLOADS)))
    flags = draw(st.sampled_from([0, 1, 4, 5, 5, 8, 0x20, 0x25, 0x2D, 255]))
    stream_id = draw(st.sampled_from([0, 0, 1, 1, 3, 5, 2, 2**31 - 1]))
    return frame(kind, flags, stream_id, draw(PAYLOADS[kind]))


@settings(max_examples=600)
@given(
    frames=st.lists(st.sampled_from(USUAL) | any_frame(), max_size=12),
    size=st.sampled_from([1, 7, 100, 1 << 20]),
)
@example(frames=[frame(wire.SETTINGS, 0, 0, b"\x00\x08\x00\x00\x00\x02")], size=100)
def test_what_ends_their_connection_ends_ours(frames: list[bytes], size: int) -> None:
    """Whatever is sent: no other error, never more than is bounded, and as strict as h2."""
    us, _ = ours()
    them = theirs(client_side=False)
    them.decoder = PlainDecoder(MOST_METADATA)
    for said in [PREFACE, frame(wire.SETTINGS, 0, 0), *frames]:
        theirs_ends = ends(lambda: them.receive_data(said))  # noqa: B023
        if ends(lambda: in_pieces(us.receive, said, size)):  # noqa: B023
            assert us.data_to_send()[-17:-8] == frame(wire.GOAWAY, 0, 0, bytes(8))[:9]
            return
        assert not theirs_ends, said


@settings(max_examples=300)
@given(data=st.binary(max_size=300), client_side=st.booleans())
def test_noise_is_refused_or_waited_for(data: bytes, client_side: bool) -> None:
    us, told = ours(client_side)
    try:
        us.receive((b"" if client_side else PREFACE) + frame(wire.SETTINGS, 0, 0) + data)
    except Http2Error:
        return
    assert not [said for said in told.said if said[0] == "headers"] or not client_side


FIELD_NAMES = st.sampled_from([b":path", b":method", b"host", b"te", b"x", b"connection", b":x"])
FIELDS = st.lists(
    st.tuples(
        FIELD_NAMES | st.binary(max_size=5),
        st.sampled_from([b"", b"POST", b"test", b"trailers", b"CONNECT"]) | st.binary(max_size=5),
    ),
    max_size=3,
)


@settings(max_examples=600)
@given(extra=FIELDS, base=st.sets(st.integers(0, 4)), trailers=st.booleans())
def test_fields_are_refused_where_h2_refuses_them(
    extra: wire.RawHeaders, base: set[int], trailers: bool
) -> None:
    fields = [*(each for at, each in enumerate(REQUEST) if at not in base), *extra]
    (us, _), them, client = ours(), theirs(client_side=False), theirs()
    client.config.validate_inbound_headers = False
    if trailers:
        client.send_headers(1, REQUEST)
        said = client.data_to_send()
        us.receive(said)
        them.receive_data(said)
    block = client.encoder.encode(fields)
    said = (b"" if trailers else PREFACE + frame(wire.SETTINGS, 0, 0)) + frame(
        wire.HEADERS, wire.END_HEADERS | wire.END_STREAM, 1, block
    )
    connects = dict(fields).get(b":method") == b"CONNECT"  # which we never do
    assert ends(lambda: us.receive(said)) == (ends(lambda: them.receive_data(said)) or connects)


def test_limits_of_the_other_end_are_kept() -> None:
    us, _ = ours(client_side=True)
    us.receive(wire.settings({wire.MAX_CONCURRENT_STREAMS: 1, wire.INITIAL_WINDOW_SIZE: 10}))
    us.open(1)
    us.send_headers(1, REQUEST)
    assert us.room(1) == 10
    with pytest.raises(TooManyStreams):
        us.open(3)
    us.receive(wire.settings({wire.INITIAL_WINDOW_SIZE: 4}))
    us.send_data(1, b"x" * 4)
    assert us.room(1) == 0
    us.receive(wire.settings({wire.INITIAL_WINDOW_SIZE: 2}))
    assert us.room(1) == -2
    us.reset_stream(1, Code.CANCEL)
    with pytest.raises(StreamGone):
        us.room(1)


def call(stream_id: int, block: bytes = HEADERS[1:], flags: int = 5) -> bytes:
    return frame(wire.HEADERS, flags, stream_id, block)


VIOLATIONS = {
    "no settings first": (PREFACE + call(1), Code.PROTOCOL_ERROR),
    "more than the window": (
        call(1, flags=4) + frame(wire.DATA, 0, 1, bytes(2**14)) * 3,
        None,  # it is opened again
    ),
    "a frame that is too large": (b"\0\x40\x01\0\0\0\0\0\1", Code.FRAME_SIZE_ERROR),
    "continuations without end": (
        call(1, flags=0) + frame(wire.CONTINUATION, 0, 1) * 65,
        Code.ENHANCE_YOUR_CALM,
    ),
    "a header without end": (
        call(1, flags=0) + frame(wire.CONTINUATION, 0, 1, bytes(2**13)) * 3,
        Code.ENHANCE_YOUR_CALM,
    ),
    "a header that is too large": (
        call(1, b"\0\1a\x7f\x81\x7f" + bytes(16384)[:16000]),
        Code.COMPRESSION_ERROR,
    ),
    "something amid a header": (call(1, flags=0) + frame(11, 0, 1), Code.PROTOCOL_ERROR),
    "a stream again": (call(1) + call(1), Code.STREAM_CLOSED),
    "an older stream": (call(3) + call(1), Code.STREAM_CLOSED),
    "an even stream": (call(2), Code.PROTOCOL_ERROR),
    "data after its end": (call(1) + frame(wire.DATA, 0, 1, b"x"), Code.STREAM_CLOSED),
    "less than was told": (
        call(1, HEADERS[1:] + b"\x5c\x019", flags=4) + frame(wire.DATA, 1, 1, b"x"),
        Code.PROTOCOL_ERROR,
    ),
    "a window beyond all windows": (
        frame(wire.WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff"),
        Code.FLOW_CONTROL_ERROR,
    ),
    "windows beyond all windows": (
        call(1) + wire.settings({wire.INITIAL_WINDOW_SIZE: 2**31}),
        Code.FLOW_CONTROL_ERROR,
    ),
    "a reset of nothing": (frame(wire.RST_STREAM, 0, 1, bytes(4)), Code.PROTOCOL_ERROR),
    "a promise": (frame(wire.PUSH_PROMISE, 4, 1, bytes(4)), Code.PROTOCOL_ERROR),
    "what nobody knows": (frame(0xFA, 255, 7, b"whatever"), None),
    "a priority": (frame(wire.PRIORITY, 0, 9, bytes(5)), None),
    "what comes late": (call(1, flags=4) + frame(wire.WINDOW_UPDATE, 0, 1, b"\0\0\0\1"), None),
}


@pytest.mark.parametrize("what", VIOLATIONS)
def test_violation_ends_the_connection_with_its_code(what: str) -> None:
    said, code = VIOLATIONS[what]
    us, _ = ours()
    if not said.startswith(PREFACE):
        us.receive(PREFACE + frame(wire.SETTINGS, 0, 0))
    if code is None:
        us.receive(said)
        return
    with pytest.raises(Http2Error) as caught:
        us.receive(said)
    assert caught.value.code == code


def test_limit_of_streams_binds_when_it_is_known() -> None:
    us, told = ours(limit=2)
    us.receive(PREFACE + frame(wire.SETTINGS, 0, 0) + b"".join(map(call, (1, 3, 5))))
    assert len(told.said) == 6
    us.reset_stream(5, Code.REFUSED_STREAM)
    with pytest.raises(Http2Error, match="too many"):
        us.receive(frame(wire.SETTINGS, wire.ACK, 0) + call(7))


def test_what_was_on_its_way_to_a_stream_given_up_is_passed_over() -> None:
    us, told = ours()
    us.receive(PREFACE + frame(wire.SETTINGS, 0, 0) + call(1, flags=4))
    us.reset_stream(1, Code.CANCEL)
    us.receive(frame(wire.DATA, 0, 1, bytes(2**14)) * 2 + frame(wire.RST_STREAM, 0, 1, bytes(4)))
    us.receive(frame(wire.DATA, 0, 1, bytes(2**14)) + call(1, TRAILER) + call(3))
    assert [said[:2] for said in told.said] == [("headers", 1), ("headers", 3), ("end", 3)]
    assert wire.number_frame(wire.WINDOW_UPDATE, 0, 2 * 2**14) in us.data_to_send()


TRAILER = b"\x00\x01a\x01b"
