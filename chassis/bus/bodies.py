"""What calls carry, as JSON: the same bytes that kombu's serializer would make, made faster.

What JSON has no type for (times, large integers, bytes) is left to kombu (5.7), which wraps it in
objects with ``__type__``; and so is whatever orjson finds fault with.
"""

from typing import Any

import orjson
from kombu import serialization

JSON = "application/json"
_STRICT = (
    orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)


def encode(payload: Any, serializer: str = "json") -> tuple[str, str, bytes]:
    """Return content type, encoding and bytes; raise what the serializer raises."""
    if serializer == "json":
        try:
            return JSON, "utf-8", orjson.dumps(payload, None, _STRICT)
        except TypeError:
            pass
    content_type, encoding, body = serialization.dumps(  # type: ignore[no-untyped-call]
        payload, serializer
    )
    return content_type, encoding, body if isinstance(body, bytes) else body.encode()


def decode(body: bytes, content_type: str, encoding: str, accept: list[str]) -> Any:
    """Return what was encoded; raise what the serializer raises for what it does not accept."""
    if content_type == JSON and b'"__' not in body:
        try:
            return orjson.loads(body)
        except ValueError:
            pass
    accepted = serialization.prepare_accept_content(accept)  # type: ignore[no-untyped-call]
    return serialization.loads(  # type: ignore[no-untyped-call]
        body, content_type, encoding, accept=accepted
    )
