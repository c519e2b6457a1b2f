"""HPACK without memory: header fields as they are, and those of the static table by their number.

The library hpack (4.2) enters each field into tables on both ends and squeezes its letters, in pure
Python: a third of a call's time, to save bytes between two processes. RFC 7541 lets an encoder do
without. What other clients send is decoded as ever.
"""

from collections.abc import Iterable
from functools import lru_cache

from hpack import Decoder, OversizedHeaderListError

Fields = Iterable[tuple[bytes, bytes]]

_FORGET = b"\x20"  # the table has no room from now on, whatever the other end offers
# Fields that the static table has with their values (RFC 7541, appendix A).
_STATIC = {
    (b":method", b"POST"): 3,
    (b":scheme", b"http"): 6,
    (b":scheme", b"https"): 7,
    (b":status", b"200"): 8,
}
_INDEXED = 0x80
_BY_NUMBER = {_INDEXED | number: field for field, number in _STATIC.items()}
_WHOLE_LENGTH = 127  # a length from here on goes on in the next byte
_OVERHEAD = 32  # of a field, where the size of a list is limited (RFC 7541, section 4.1)


class PlainEncoder:
    """Encode header lists."""

    def __init__(self) -> None:
        self._begun = False

    def encode(self, headers: Fields) -> bytes:
        """Return a block of header fields."""
        block = b"".join([_field(name, value) for name, value in headers])
        if self._begun:
            return block
        self._begun = True
        return _FORGET + block


class PlainDecoder(Decoder):
    """Decode header lists: quickly, where they have only what PlainEncoder writes."""

    def decode(self, data: bytes, raw: bool = False) -> Fields:  # type: ignore[override]
        """Return the fields of a block; raise HPACKError."""
        fields = _plain_fields(data) if raw else None
        if fields is None:
            found: Fields = super().decode(data, raw)
            return found
        size = sum([len(name) + len(value) + _OVERHEAD for name, value in fields])
        if size > self.max_header_list_size:
            raise OversizedHeaderListError("The header list is too large.")
        return fields


def _field(name: bytes, value: bytes) -> bytes:
    number = _STATIC.get((name, value))
    if number is not None:
        return bytes((_INDEXED | number,))
    return b"\x00%b%b%b" % (_text(name), _length(len(value)), value)


@lru_cache(maxsize=256)
def _text(text: bytes) -> bytes:
    return _length(len(text)) + text


def _length(length: int) -> bytes:
    """Return a length as RFC 7541 (5.1) has it, for letters that are not squeezed."""
    if length < _WHOLE_LENGTH:
        return bytes((length,))
    rest = length - _WHOLE_LENGTH
    found = bytearray((_WHOLE_LENGTH,))
    while rest >= 0x80:
        found.append(rest & 0x7F | 0x80)
        rest >>= 7
    found.append(rest)
    return bytes(found)


def _plain_fields(data: bytes) -> list[tuple[bytes, bytes]] | None:
    """Return the fields of a block that no table is needed for, or None for any other block.

    Such a block changes no table either; so whoever decodes the next one misses nothing.
    """
    fields = []
    at, end = 0, len(data)
    while at < end:
        first = data[at]
        if first in _BY_NUMBER:
            fields.append(_BY_NUMBER[first])
            at += 1
        elif first == 0:
            name, at = _short(data, at + 1)
            value, at = _short(data, at)
            if not name or value is None:
                return None
            fields.append((name, value))
        else:
            return None
    return fields


def _short(data: bytes, at: int) -> tuple[bytes | None, int]:
    """Return a text that is not squeezed, of fewer than 127 bytes, and where it ends."""
    if at >= len(data) or (length := data[at]) >= _WHOLE_LENGTH:
        return None, len(data)
    end = at + 1 + length
    return (data[at + 1 : end], end) if end <= len(data) else (None, len(data))
