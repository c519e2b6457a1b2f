"""What header fields a stranger may send (RFC 9113, section 8): as strict as h2 is."""

import re
from functools import lru_cache

from chassis.grpc.http2.wire import Http2Error, RawHeaders

# No capitals, spaces or controls; a colon at the beginning alone.
_NAME = re.compile(rb":?[\x21-\x39\x3b-\x40\x5b-\x7e]+")
_BAD_VALUE = re.compile(rb"[\0\r\n]|\A[ \t]|[ \t]\Z")
_OF_A_REQUEST = {b":method", b":scheme", b":path", b":authority", b":protocol"}
_OF_CONNECTIONS = {
    b"connection",
    b"proxy-connection",
    b"keep-alive",
    b"transfer-encoding",
    b"upgrade",
}


def check_request(fields: RawHeaders) -> None:
    """Raise Http2Error for fields that no request may have, or that one must have."""
    _check(fields)
    pseudo: dict[bytes, bytes] = {}
    hosts = []
    plain = False
    for name, value in fields:
        if name[0] == 0x3A:
            if plain or name in pseudo or name not in _OF_A_REQUEST:
                raise Http2Error(f"{name!r} is out of place")
            pseudo[name] = value
        else:
            plain = True
            if name == b"host":
                hosts.append(value)
    _check_request_line(pseudo)
    _check_authority(pseudo, hosts)


def check_trailers(fields: RawHeaders) -> None:
    """Raise Http2Error for fields that no trailers may have."""
    _check(fields)
    if any(name[0] == 0x3A for name, _ in fields):
        raise Http2Error("trailers are no request")


def content_length(fields: RawHeaders) -> int | None:
    """Return how long the body is said to be; raise Http2Error where that is no number."""
    for name, value in fields:
        if name == b"content-length":
            if not value.isdigit():
                raise Http2Error("the length is no number")
            return int(value[:20])
    return None


def _check(fields: RawHeaders) -> None:
    for name, value in fields:
        _check_name(name)
        if _BAD_VALUE.search(value):
            raise Http2Error(f"{name!r} has a value that none may have")
        if name == b"te" and value.lower() != b"trailers":
            raise Http2Error("te may be trailers alone")


@lru_cache(maxsize=256)
def _check_name(name: bytes) -> None:
    if not _NAME.fullmatch(name) or name in _OF_CONNECTIONS:
        raise Http2Error(f"{name!r} is no name of a field")


def _check_request_line(pseudo: dict[bytes, bytes]) -> None:
    if pseudo.get(b":method") == b"CONNECT":
        raise Http2Error("there is nowhere to connect to")
    if b":protocol" in pseudo or not {b":method", b":scheme", b":path"} <= pseudo.keys():
        raise Http2Error("this is no request")
    if not pseudo[b":path"]:
        raise Http2Error("the path is empty")


def _check_authority(pseudo: dict[bytes, bytes], hosts: list[bytes]) -> None:
    authority = pseudo.get(b":authority")
    if len(hosts) > 1 or (authority is None and not hosts):
        raise Http2Error("it is not said whom this is for")
    if hosts and authority not in (None, hosts[0]):
        raise Http2Error("it is said twice whom this is for")
