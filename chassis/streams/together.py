"""Appending many messages to a stream at once: all of them, or none (NATS 2.12, its ADR-50).

A server that syncs always pays for the disk with each message; here once for them all.
"""

import logging
import uuid
from collections.abc import Sequence
from time import monotonic
from typing import NamedTuple

from chassis.errors import ServiceError
from chassis.nats import Client
from chassis.nats import streams as connection
from chassis.streams import api

log = logging.getLogger(__name__)

_MOST_BYTES = 8 * 1024 * 1024
_FLUSH_BYTES = 1024 * 1024  # after which the server shall have it, before there is more
_allowed: dict[str, int] = {}  # the reconnections before each stream was seen to take batches


class Message(NamedTuple):
    """What is to be appended; the stream drops a message id that it has."""

    subject: str
    body: bytes
    message_id: str


def publish(stream: str, messages: Sequence[Message], timeout: float) -> bool:
    """Append messages in this order; tell whether they are known to be stored, all of them.

    If not, publish them one by one: NATS may be away, too old, or have one of them already.
    """
    if sum(len(message.body) for message in messages) > _MOST_BYTES:
        return False
    try:
        return _publish(connection(), stream, messages, monotonic() + timeout)
    except (ServiceError, api.Refused) as error:
        log.debug("%d messages were not published together: %s", len(messages), error)
        return False


def _publish(client: Client, stream: str, messages: Sequence[Message], end: float) -> bool:
    if not _is_allowed(client, stream, end - monotonic()):
        return False
    batch, unsure = uuid.uuid4().hex, 0
    for number, message in enumerate(messages[:-1], 1):
        client.publish(message.subject, message.body, head=_head(batch, number, message))
        unsure += len(message.body)
        if unsure > _FLUSH_BYTES:
            client.flush(end - monotonic())
            unsure = 0
    last = messages[-1]
    head = _head(batch, len(messages), last, "Nats-Batch-Commit: 1\r\n")
    answer = api.answer(client.request(last.subject, last.body, end - monotonic(), head))
    return bool(answer.get("count") == len(messages))


def _head(batch: str, number: int, message: Message, more: str = "") -> bytes:
    return (
        f"NATS/1.0\r\nNats-Batch-Id: {batch}\r\nNats-Batch-Sequence: {number}\r\n"
        f"Nats-Msg-Id: {message.message_id}\r\n{more}\r\n"
    ).encode()


def _is_allowed(client: Client, stream: str, seconds: float) -> bool:
    """Ask again after each reconnection: an older server would store each message as it comes."""
    now = client.reconnections
    if _allowed.get(stream) != now:
        info = api.ask(f"STREAM.INFO.{stream}", {}, seconds)
        if not info.get("config", {}).get("allow_atomic"):
            return False
        _allowed[stream] = now
    return True
