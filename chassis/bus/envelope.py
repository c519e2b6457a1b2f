"""A message on the bus: how it is written into NATS and read again, whoever sent it."""

import json
import math
import time
from typing import Any

DEADLINE_HEADER = "nameko.deadline"
_PROPERTIES = "Kombu-Properties"

Envelope = dict[str, Any]


def headers(properties: dict[str, Any]) -> dict[str, str]:
    """Return AMQP's properties and headers as NATS headers."""
    given = {key: value for key, value in properties.items() if value}
    return {_PROPERTIES: json.dumps(given)}


def parse(message: Any, exchange: str) -> Envelope:
    """Read what NATS delivered on a subject of this exchange."""
    properties = _properties((message.headers or {}).get(_PROPERTIES))
    arrived = envelope(message.data, properties)
    arrived.update(
        subject=message.subject,
        reply=message.reply,
        # From the subject and nowhere else: what a caller may reach is granted by subject.
        routing_key=message.subject.removeprefix(exchange).removeprefix("."),
    )
    return arrived


def _properties(text: str | None) -> dict[str, Any]:
    # Whatever stands there, a message from a stranger must not end the process: nameko answers
    # what it cannot use, if it finds these.
    try:
        given = json.loads(text or "{}")
    except (ValueError, RecursionError):
        given = {}
    return given if isinstance(given, dict) else {}


def envelope(body: bytes, given: dict[str, Any]) -> Envelope:
    """Make a message with every part that nameko reads, whatever was given."""
    headers = given.get("headers")
    return {
        "body": body,
        "routing_key": "",
        "subject": "",
        "reply": "",
        "properties": {
            "content_type": _text(given.get("content_type"), "application/json"),
            "content_encoding": _text(given.get("content_encoding"), "utf-8"),
            "correlation_id": _text(given.get("correlation_id"), ""),
            "reply_to": _text(given.get("reply_to"), ""),
            "headers": headers if isinstance(headers, dict) else {},
        },
    }


def _text(value: Any, default: str) -> str:
    return value if isinstance(value, str) and value else default


def number(value: Any, default: float) -> float:
    """Return the value if it is a number that means something."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return default
    try:
        given = float(value)
    except OverflowError:
        return default
    return default if math.isnan(given) else given


def is_late(arrived: Envelope) -> bool:
    """Say whether the deadline of a request has passed."""
    deadline = arrived["properties"]["headers"].get(DEADLINE_HEADER)
    return number(deadline, float("inf")) < time.time()
