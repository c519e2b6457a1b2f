"""Whom the running green thread works for: what each of its log lines says."""

import re
from collections.abc import Mapping
from contextvars import ContextVar
from random import getrandbits
from types import MappingProxyType
from typing import Any

REQUEST_ID = "request_id"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")

# Each green thread has a context of its own, and begins with an empty one.
_current: ContextVar[Mapping[str, str]] = ContextVar("current", default=MappingProxyType({}))


def begin(**fields: str) -> None:
    """Say whom this green thread works for from now on."""
    _current.set(fields)


def fields() -> Mapping[str, str]:
    """Return what was said."""
    return _current.get()


def request_id() -> str:
    """Return the id of the request that is worked for, or nothing."""
    return _current.get().get(REQUEST_ID, "")


def new_request_id() -> str:
    """Return an id that no other request has."""
    return f"{getrandbits(128):032x}"  # found sooner than a UUID; it is no secret


def checked_request_id(given: Any) -> str:
    """Return an id that was given from outside if it is one, or nothing."""
    return given if isinstance(given, str) and _REQUEST_ID.fullmatch(given) else ""


def trace_id(traceparent: str) -> str:
    """Return the id of the trace that a caller tells of (W3C Trace Context), or nothing."""
    match = _TRACEPARENT.fullmatch(traceparent)
    return match[1] if match else ""
