"""HPACK without memory, next to the library that has one."""

from typing import Any

import pytest
from hpack import Decoder, Encoder, HPACKError, OversizedHeaderListError
from hypothesis import given
from hypothesis import strategies as st

from chassis.grpc.compression import PlainDecoder, PlainEncoder

CALL = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/pb.News/GetNews"),
    (b"te", b"trailers"),
    (b"x-nameko-call_id_stack", b'["' + b"gateway.get_news." * 20 + b'"]'),
    (b"grpc-timeout", b"1999m"),
]
FIELDS = st.lists(
    st.sampled_from(CALL)
    | st.tuples(st.binary(min_size=1, max_size=200), st.binary(max_size=20_000)),
    max_size=8,
)


def decoded(decoder: Decoder, block: bytes) -> Any:
    """Return what comes of a block: fields, or the name of an error."""
    try:
        return [tuple(field) for field in decoder.decode(block, raw=True)]
    except OversizedHeaderListError:
        return "oversized"
    except (HPACKError, IndexError) as error:
        return type(error).__name__


@given(lists=st.lists(FIELDS, max_size=3))
def test_library_reads_what_we_write(lists: list[list[tuple[bytes, bytes]]]) -> None:
    encoder, theirs, ours = PlainEncoder(), Decoder(1 << 20), PlainDecoder(1 << 20)
    for fields in lists:
        block = encoder.encode(fields)
        assert decoded(theirs, block) == fields
        assert decoded(ours, block) == fields


@given(lists=st.lists(FIELDS, max_size=3))
def test_what_others_write_is_read_as_the_library_reads_it(
    lists: list[list[tuple[bytes, bytes]]],
) -> None:
    theirs, ours = Encoder(), PlainDecoder(1 << 20)
    for fields in lists:  # with blocks of ours in between, which leave the tables as they are
        assert decoded(ours, theirs.encode(fields)) == fields
        assert decoded(ours, _plain(fields)) == [*fields, (b"a", b"b")]


def _plain(fields: list[tuple[bytes, bytes]]) -> bytes:
    encoder = PlainEncoder()
    encoder.encode([])
    return encoder.encode([*fields, (b"a", b"b")])


@given(blocks=st.lists(st.binary(max_size=300), max_size=4), fields=FIELDS, cut=st.integers(0, 400))
def test_nonsense_is_refused_as_the_library_refuses_it(
    blocks: list[bytes], fields: list[tuple[bytes, bytes]], cut: int
) -> None:
    theirs, ours = Decoder(), PlainDecoder()
    for block in [_plain(fields)[:cut], *blocks]:
        expected = decoded(theirs, block)
        assert decoded(ours, block) == expected
        if isinstance(expected, str):  # the connection ends here
            return


def test_tables_are_given_up_in_the_first_block_alone() -> None:
    encoder = PlainEncoder()
    first, second = encoder.encode(CALL), encoder.encode(CALL)

    assert first == b"\x20" + second


@pytest.mark.parametrize("size", [200, 60_000])
def test_too_many_fields_are_refused(size: int) -> None:
    decoder = PlainDecoder(16384)
    fields = [(b"a", b"b" * 100)] * (size // 133)

    assert (decoded(decoder, _plain(fields)) == "oversized") == (size > 16384)
