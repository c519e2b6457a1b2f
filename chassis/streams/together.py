"""Appending many messages to a stream at once: all of them, or none (NATS 2.12, its ADR-50).

A server that syncs always pays for the disk with each message; here once for them all.
"""

import json
import logging
import uuid
from collections.abc import Sequence
from typing import NamedTuple

import nats.errors
import nats.js.errors
from nats.aio.client import Client

from chassis.errors import ServiceError
from chassis.nats import streams as connection

log = logging.getLogger(__name__)

_MOST_BYTES = 8 * 1024 * 1024
_NO_LIMIT = 60.0  # of nats-py (2.16), which by itself waits for half a second; callers have limits
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
        return connection().call(lambda client: _publish(client, stream, messages), timeout)
    except (ServiceError, nats.js.errors.APIError) as error:
        log.debug("%d messages were not published together: %s", len(messages), error)
        return False


async def _publish(client: Client, stream: str, messages: Sequence[Message]) -> bool:
    if not await _is_allowed(client, stream):
        return False
    batch = uuid.uuid4().hex
    for number, message in enumerate(messages, 1):
        headers = {
            "Nats-Batch-Id": batch,
            "Nats-Batch-Sequence": str(number),
            "Nats-Msg-Id": message.message_id,
        }
        if number < len(messages):
            await client.publish(message.subject, message.body, headers=headers)
            continue
        headers["Nats-Batch-Commit"] = "1"
        reply = await client.request(
            message.subject, message.body, timeout=_NO_LIMIT, headers=headers
        )
        answer = json.loads(reply.data)
        if "error" in answer:
            log.debug("messages were not published together: %s", answer["error"])
        return bool(answer.get("count") == len(messages))
    return True


async def _is_allowed(client: Client, stream: str) -> bool:
    """Ask again after each reconnection: an older server would store each message as it comes."""
    now = connection().reconnections
    if _allowed.get(stream) != now:
        reply = await client.request(f"$JS.API.STREAM.INFO.{stream}", b"", timeout=_NO_LIMIT)
        if not json.loads(reply.data).get("config", {}).get("allow_atomic"):
            return False
        _allowed[stream] = now
    return True
