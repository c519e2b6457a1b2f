"""A message on the bus: how it is written into NATS and read again, whoever sent it."""

import json
import math
import time
from typing import Any

import orjson

from chassis.nats import Message

PREFIX = "nameko."  # of what nameko hands on from worker to worker
DEADLINE_HEADER = f"{PREFIX}deadline"
_PROPERTIES = "Kombu-Properties"
_HEADER = _PROPERTIES.encode()

Envelope = dict[str, Any]


def headers(properties: dict[str, Any]) -> dict[str, str]:
    """Return AMQP's properties and headers as NATS headers."""
    given = {key: value for key, value in properties.items() if value}
    try:
        written = orjson.dumps(given)
    except TypeError:  # of a type, or a size, that orjson does not know
        return {_PROPERTIES: json.dumps(given)}
    # In a header other clients want ASCII.
    return {_PROPERTIES: written.decode() if written.isascii() else json.dumps(given)}


def parse(message: Message, exchange: str) -> Envelope:
    """Read what NATS delivered on a subject of this exchange."""
    arrived = envelope(message.data, properties_of(message))
    arrived.update(
        message=message,
        # From the subject and nowhere else: what a caller may reach is granted by subject.
        routing_key=message.subject.removeprefix(exchange).removeprefix("."),
    )
    return arrived


def properties_of(message: Message) -> dict[str, Any]:
    """Return what is said of a message, as it was given."""
    # Whatever stands there, a message from a stranger must not end the process: nameko answers
    # what it cannot use, if it finds these.
    try:
        given = orjson.loads(message.header(_HEADER) or b"{}")
    except ValueError:
        given = {}
    return given if isinstance(given, dict) else {}


def envelope(body: bytes, given: dict[str, Any]) -> Envelope:
    """Make a message with every part that nameko reads, whatever was given."""
    headers = given.get("headers")
    return {
        "body": body,
        "routing_key": "",
        "message": None,
        "properties": {
            "content_type": text(given.get("content_type"), "application/json"),
            "content_encoding": text(given.get("content_encoding"), "utf-8"),
            "correlation_id": text(given.get("correlation_id")),
            "reply_to": text(given.get("reply_to")),
            "headers": headers if isinstance(headers, dict) else {},
        },
    }


def text(value: Any, default: str = "") -> str:
    """Return the value if it is a text with something in it."""
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
    return number(deadline, math.inf) < time.time()
