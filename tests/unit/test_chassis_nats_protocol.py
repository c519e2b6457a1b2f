"""NATS's protocol, in whatever pieces it arrives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.nats import protocol
from chassis.nats.protocol import Control, Message, Parser, ProtocolError

HEAD = protocol.head_of({"Kombu-Properties": '{"a": 1}', "Other": "x"})
SAID = (
    b'INFO {"max_payload": 7}\r\n'
    b"PING\r\n"
    b"MSG a.b 1 5\r\nhello\r\n"
    b"MSG a.b 12 _INBOX.x 2\r\n\r\n\r\n"
    b"HMSG a.b 3 _INBOX.y %d %d\r\n%bbody\r\n"
    % (len(HEAD), len(HEAD) + 4, HEAD)
    + b"HMSG gone 4 16 16\r\nNATS/1.0 503\r\n\r\n\r\n"
    b"+OK\r\n"
    b"-ERR 'Authorization Violation'\r\n"
    b"PONG\r\n"
)


def facts(found: list[Message | Control]) -> list[tuple[object, ...]]:
    return [
        (each.verb, each.text)
        if isinstance(each, Control)
        else (each.subject, each.sid, each.reply, each.head, each.data)
        for each in found
    ]


EXPECTED = [
    (b"INFO", b'{"max_payload": 7}'),
    (b"PING", b""),
    ("a.b", 1, "", b"", b"hello"),
    ("a.b", 12, "_INBOX.x", b"", b"\r\n"),
    ("a.b", 3, "_INBOX.y", HEAD, b"body"),
    ("gone", 4, "", b"NATS/1.0 503\r\n\r\n", b""),
    (b"+OK", b""),
    (b"-ERR", b"'Authorization Violation'"),
    (b"PONG", b""),
]


@given(st.lists(st.integers(0, len(SAID)), max_size=20))
def test_pieces_of_any_size_are_put_together(cuts: list[int]) -> None:
    parser, found = Parser(), []
    ends = [*sorted(cuts), len(SAID)]
    for begin, end in zip([0, *ends], ends, strict=False):
        found += parser.feed(SAID[begin:end])
    assert facts(found) == EXPECTED


def test_headers_are_read_back() -> None:
    (message,) = Parser().feed(
        b"HMSG a 1 %d %d\r\n%b\r\n" % (len(HEAD), len(HEAD), HEAD)  # no body
    )
    assert isinstance(message, Message)
    assert message.header(b"Kombu-Properties") == b'{"a": 1}'
    assert message.header(b"Other") == b"x"
    assert message.header(b"None") == b""
    assert message.status == b""


def test_no_responders_are_told_by_the_status() -> None:
    (message,) = Parser().feed(b"HMSG a 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n")
    assert isinstance(message, Message)
    assert message.status == protocol.NO_RESPONDERS


@pytest.mark.parametrize(
    "said",
    [
        b"MSG a\r\n",
        b"MSG a x 1\r\n",
        b"HMSG a 1 b 2\r\n\r\n",
        b"MSG a 1 2 3 4 5\r\n",
        b"x" * (1 << 21),
    ],
)
def test_what_is_no_protocol_is_refused(said: bytes) -> None:
    with pytest.raises(ProtocolError):
        Parser().feed(said)


@pytest.mark.parametrize("text", [b"no json", b"[1]"])
def test_info_that_is_none_is_refused(text: bytes) -> None:
    with pytest.raises(ProtocolError):
        Control(b"INFO", text).info()


def test_publications_have_their_sizes() -> None:
    assert protocol.publication("a", b"xyz") == b"PUB a  3\r\nxyz\r\n"
    assert protocol.publication("a", b"x", "r", b"NATS/1.0\r\n\r\n") == (
        b"HPUB a r 12 13\r\nNATS/1.0\r\n\r\nx\r\n"
    )
